#if RocksDB
    internal import CRocksDB
    internal import Glibc
    internal import MartletRuntime

    /// The text of a failure that the C API hands out, freed with this value.
    @safe
    struct RocksDBFailure: ~Copyable {
        var text: UnsafeMutablePointer<CChar>?

        init() { unsafe text = nil }

        deinit { if let text = unsafe text { unsafe rocksdb_free(text) } }

        /// Whether the engine gave up rather than wait for a disk.
        var isIncomplete: Bool {
            guard let text = unsafe text else { return false }
            return unsafe strncmp(text, "Result incomplete", 17) == 0
        }

        /// Throws the typed error if a call failed.
        @inline(__always)
        borrowing func check(_ what: @autoclosure () -> String) throws(StorageError) {
            if let text = unsafe text { throw .rocksdb(unsafe String(cString: text), what()) }
        }
    }

    extension StorageError {
        /// The typed error of a status text: the C API gives no code, so its fixed first words tell.
        static func rocksdb(_ text: String, _ what: String) -> StorageError {
            let code: Code =
                if text.contains("While fsync") || text.contains("While fdatasync") {
                    .inputOutput  // whatever the reason: what the file holds then is not known
                } else if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
                    .outOfSpace
                } else if text.hasPrefix("Corruption") {
                    .corrupted
                } else if text.contains("lock hold by current process") || text.contains("While lock file") {
                    .inUse
                } else if text.hasPrefix("Invalid argument") {
                    .invalidSetting
                } else if text.hasPrefix("Not implemented") {
                    .unsupported
                } else {
                    .inputOutput
                }
            return StorageError(code, "rocksdb: cannot \(what): \(text)")
        }
    }
#endif
