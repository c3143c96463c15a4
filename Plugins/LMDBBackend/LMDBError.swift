#if LMDB
    internal import CLMDB
    internal import Glibc
    internal import MartletRuntime

    extension StorageError {
        /// The typed error of an LMDB status: an `errno` above zero, LMDB's own below.
        static func lmdb(_ status: CInt, _ what: String) -> StorageError {
            let reason = unsafe String(cString: mdb_strerror(status))
            let code: Code =
                switch status {
                case MDB_MAP_FULL, ENOSPC, EDQUOT: .outOfSpace
                case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_PANIC: .corrupted
                case MDB_VERSION_MISMATCH, MDB_INCOMPATIBLE: .incompatible
                case MDB_BAD_VALSIZE, MDB_TXN_FULL: .tooLarge
                default: .inputOutput
                }
            return StorageError(code, "lmdb: cannot \(what): \(reason)")
        }

        /// Whether the engine is as it was before the batch that met this error, so that later writes may be tried.
        var leavesEngineIntact: Bool { code == .outOfSpace || code == .tooLarge }
    }

    /// Throws the typed error of a status that is not success.
    @inline(__always)
    func check(_ status: CInt, _ what: @autoclosure () -> String) throws(StorageError) {
        if status != MDB_SUCCESS { throw .lmdb(status, what()) }
    }
#endif
