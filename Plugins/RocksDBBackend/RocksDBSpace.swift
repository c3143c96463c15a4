#if RocksDB
    internal import Glibc
    internal import MartletCore
    internal import MartletRuntime

    /// Refuses batches while the disk is all but full, before the engine meets the end of it.
    ///
    /// RocksDB 7.8 copes badly with a log that could not be written: it retries by itself while the disk may still be
    /// full, and as Debian builds it (assertions on) a second failure on the same log ends the process. What it refused
    /// may also reach the log later. So puts stop while there is room for the memtables and for what is under way, and
    /// go on as soon as there is more. Compaction that finds no space after all recovers by itself.
    struct RocksDBSpace {
        private let path: String
        private let memtable: Int
        /// Bytes free above what is kept clear, as of the last look.
        private var margin = 0
        /// Bytes handed to the engine since.
        private var written = 0

        init(path: String, memtable: Int) {
            self.path = path
            self.memtable = memtable
        }

        /// Throws `outOfSpace` if the disk has no room for the batch.
        ///
        /// One system call, less than once a batch while there is plenty of space.
        mutating func check(_ batch: borrowing WriteBatch) throws(StorageError) {
            let needed = 2 * batch.byteCount + 64 * batch.count
            written += needed
            // Others write to the disk too, so what was seen is trusted for a small part of it only.
            if written < min(margin / 64, 1 << 20) { return }
            look()
            if needed <= margin { return }
            written = .max / 2  // look again at the next batch
            throw StorageError(
                .outOfSpace,
                "rocksdb: \(path): the disk is full but for the room that is kept for data on its way to it")
        }

        /// Reads the free bytes of the disk. Where the system does not tell, the engine's own errors have to do.
        private mutating func look() {
            var figures = statvfs()
            written = 0
            guard unsafe statvfs(path, &figures) == 0 else {
                margin = .max
                return
            }
            let unit = Int(figures.f_frsize)
            let kept = min(2 * memtable + (16 << 20), Int(figures.f_blocks) * unit / 10)
            margin = Int(figures.f_bavail) * unit - kept
        }
    }
#endif
