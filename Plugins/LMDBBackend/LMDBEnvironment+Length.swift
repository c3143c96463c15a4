#if LMDB
    internal import CLMDB
    internal import Glibc
    internal import MartletRuntime

    /// Whether the file is whole.
    extension LMDBEnvironment {
        /// Refuses a file that was cut off: reading what is missing through the map would end the process.
        ///
        /// A whole file may end before its last page's number says: pages that one transaction took and gave back are
        /// listed as free and were never written. O(1) for a file of full length, else O(free pages).
        static func checkLength(of environment: OpaquePointer, _ path: String) throws(StorageError) {
            var information = unsafe MDB_envinfo()
            var figures = MDB_stat()
            var file: CInt = -1
            var attributes = stat()
            guard unsafe mdb_env_info(environment, &information) == 0, unsafe mdb_env_stat(environment, &figures) == 0,
                unsafe mdb_env_get_fd(environment, &file) == 0, unsafe fstat(file, &attributes) == 0
            else { throw StorageError(.inputOutput, "\(path)/data.mdb: cannot read its length") }
            let pages = unsafe information.me_last_pgno + 1  // a new file holds two, and the last one's number is 1
            let needed = pages * Int(figures.ms_psize)
            let size = Int(attributes.st_size)
            guard size < needed else { return }
            let cutOff = StorageError(.corrupted, "\(path)/data.mdb: cut off: \(size) of \(needed) bytes are there")
            // Lengthened by a hole, the file can be read safely: a page in the hole is none that LMDB accepts.
            guard size >= 2 * Int(figures.ms_psize), ftruncate(file, needed) == 0 else { throw cutOff }
            let written = size / Int(figures.ms_psize)
            guard unsafe freePages(of: environment, from: written) == pages - written else {
                _ = ftruncate(file, size)  // as it was, so that the next start sees it too
                throw cutOff
            }
        }

        /// Pages from `first` on that are listed as free; nil if the list cannot be read.
        private static func freePages(of environment: OpaquePointer, from first: Int) -> Int? {
            var begun: OpaquePointer?
            guard unsafe mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun) == MDB_SUCCESS else { return nil }
            defer { unsafe mdb_txn_abort(begun) }
            var opened: OpaquePointer?
            guard unsafe mdb_cursor_open(begun, 0, &opened) == MDB_SUCCESS else { return nil }
            defer { unsafe mdb_cursor_close(opened) }
            var key = unsafe MDB_val()
            var value = unsafe MDB_val()
            var total = 0
            while true {
                let status = unsafe mdb_cursor_get(opened, &key, &value, MDB_NEXT)
                if status == MDB_NOTFOUND { return total }
                guard status == MDB_SUCCESS, unsafe value.mv_size >= 8 else { return nil }
                // A record lists the pages that one transaction freed: their number, then each.
                let count = unsafe value.mv_data.loadUnaligned(as: Int.self)
                guard count >= 0, unsafe count <= value.mv_size / 8 - 1 else { return nil }
                for index in 0..<count {
                    let page = unsafe value.mv_data.loadUnaligned(fromByteOffset: 8 + index * 8, as: Int.self)
                    if page >= first { total += 1 }
                }
            }
        }
    }
#endif
