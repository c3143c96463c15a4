#if LMDB
    internal import CLMDB
    internal import Glibc
    internal import MartletCore
    internal import MartletRuntime

    /// How full the file is.
    extension LMDBEnvironment {
        /// Refuses a batch with puts that could push the contents beyond the capacity.
        ///
        /// O(1) while the file is well below its capacity; near it the list of free pages is read and the batch walked.
        func checkSpace(for batch: borrowing WriteBatch) throws(StorageError) {
            var information = unsafe MDB_envinfo()
            guard unsafe mdb_env_info(handle, &information) == MDB_SUCCESS else { return }
            let used = unsafe information.me_last_pgno + 1
            let limit = capacity / pageSize
            let needed = pagesNeeded(for: batch, used: used)
            if used + needed <= limit { return }
            var hasPuts = false
            func look(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) { if !isDelete { hasPuts = true } }
            batch.forEach(look)
            guard hasPuts, used + needed - (try freePages()) > limit else { return }
            throw StorageError(
                .outOfSpace, "lmdb: \(used * pageSize) of \(capacity) bytes are in use; delete, or raise 'capacity'")
        }

        /// A commit copies each leaf it touches, at most one an operation or all there are, and adds new ones.
        private func pagesNeeded(for batch: borrowing WriteBatch, used: Int) -> Int {
            min(batch.count, used) + batch.byteCount / pageSize * 3 / 2 + 16
        }

        /// What a failed commit comes down to.
        ///
        /// A write that the system cuts short, as it does on a full disk, is `EIO` in LMDB's words ("filesystem
        /// full?"). It fails before the root page is written, so that the contents stay as they were: where the disk
        /// has no room for the batch the failure is taken for that.
        func explain(_ error: StorageError, for batch: borrowing WriteBatch, on path: String) -> StorageError {
            var figures = statvfs()
            guard error.code == .inputOutput, unsafe statvfs(path, &figures) == 0 else { return error }
            let free = Int(figures.f_bavail) * Int(figures.f_frsize)
            if free > pagesNeeded(for: batch, used: .max) * pageSize + (1 << 20) { return error }
            return StorageError(.outOfSpace, "\(error.message) (\(free) bytes are free on the disk of \(path))")
        }

        /// Pages that hold nothing any more, as of the newest commit. Those a reader still sees are among them.
        private func freePages() throws(StorageError) -> Int {
            let transaction = try unsafe beginRead()
            defer { unsafe mdb_txn_abort(transaction) }
            var opened: OpaquePointer?
            try unsafe check(mdb_cursor_open(transaction, 0, &opened), "open the list of free pages")
            guard let cursor = unsafe opened else { return 0 }
            defer { unsafe mdb_cursor_close(cursor) }
            var key = unsafe MDB_val()
            var value = unsafe MDB_val()
            var total = 0
            while unsafe mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS {
                // A record lists the pages that one transaction freed, their number first.
                total += unsafe value.mv_data.loadUnaligned(as: Int.self)
            }
            return total
        }

        /// Adds the engine's figures.
        func report(into result: inout StorageStatistics) {
            guard let transaction = unsafe try? beginRead() else { return }
            defer { unsafe mdb_txn_abort(transaction) }
            var stat = MDB_stat()
            var information = unsafe MDB_envinfo()
            guard unsafe mdb_stat(transaction, data, &stat) == MDB_SUCCESS,
                unsafe mdb_env_info(handle, &information) == MDB_SUCCESS
            else { return }
            let free = (try? freePages()) ?? 0
            let pages = unsafe information.me_last_pgno + 1
            result.keys = UInt64(stat.ms_entries)
            result.counters += [
                ("map_bytes", UInt64(unsafe information.me_mapsize)),
                ("used_bytes", UInt64((pages - free) * pageSize)),
                ("pages", UInt64(pages)),
                ("free_pages", UInt64(free)),
                ("leaf_pages", UInt64(stat.ms_leaf_pages)),
                ("branch_pages", UInt64(stat.ms_branch_pages)),
                ("overflow_pages", UInt64(stat.ms_overflow_pages)),
                ("depth", UInt64(stat.ms_depth)),
                ("last_transaction", UInt64(unsafe information.me_last_txnid)),
                ("reader_slots", UInt64(unsafe information.me_numreaders)),
            ]
        }
    }
#endif
