#if LMDB
    internal import CLMDB
    internal import Glibc
    internal import MartletCore
    internal import MartletRuntime

    /// An open LMDB environment and its two named databases; closed by its last reference.
    ///
    /// Readers and snapshots hold it too, so that one released late finds it alive. `data` holds the pairs; `empty`
    /// holds the value of the empty key, which LMDB cannot store as such.
    @safe
    final class LMDBEnvironment: @unchecked Sendable {  // LMDB's handles may be used by any thread
        let handle: OpaquePointer
        let data: MDB_dbi
        let empty: MDB_dbi
        /// Bytes that contents may take before a put is refused.
        let capacity: Int
        let pageSize: Int

        /// Address space beyond the capacity: deletes copy pages too, and have to work when puts no longer do.
        private static func reserve(for capacity: Int) -> Int { max(4 << 20, capacity / 32) }

        init(at path: String, settings: BackendSettings) throws(StorageError) {
            try Self.createFile(in: path)
            var created: OpaquePointer?
            try unsafe check(mdb_env_create(&created), "create an environment")
            guard let environment = unsafe created else { throw .lmdb(ENOMEM, "create an environment") }
            do throws(StorageError) {
                let capacity = settings.number("capacity", default: LMDBSettings.capacity)
                self.capacity = capacity
                let system = Int(sysconf(CInt(_SC_PAGESIZE)))
                let map = (capacity + Self.reserve(for: capacity) + system - 1) / system * system
                try unsafe check(mdb_env_set_mapsize(environment, map), "set the map size to \(map) bytes")
                try unsafe check(mdb_env_set_maxdbs(environment, 4), "set the number of databases")
                let readers = settings.number("readers", default: LMDBSettings.readers)
                try unsafe check(mdb_env_set_maxreaders(environment, UInt32(readers)), "set the number of readers")
                var flags = UInt32(MDB_NOTLS)  // a transaction belongs to its reader, not to a thread
                if !settings.boolean("readahead", default: false) { flags |= UInt32(MDB_NORDAHEAD) }
                try unsafe Self.open(environment, path, flags, map)
                try unsafe Self.checkLength(of: environment, path)
                var stale: CInt = 0
                try unsafe check(mdb_reader_check(environment, &stale), "clear the reader table")
                try unsafe (data, empty) = Self.openDatabases(environment)
                var stat = MDB_stat()
                try unsafe check(mdb_env_stat(environment, &stat), "read the environment's figures")
                pageSize = Int(stat.ms_psize)
                unsafe handle = environment
            } catch {
                unsafe mdb_env_close(environment)
                throw error
            }
        }

        deinit { unsafe mdb_env_close(handle) }

        private static func open(
            _ environment: OpaquePointer, _ path: String, _ flags: UInt32, _ map: Int
        ) throws(StorageError) {
            let status = unsafe mdb_env_open(environment, path, flags, 0o600)
            if status == ENOMEM {
                throw StorageError(
                    .inputOutput,
                    "\(path)/data.mdb: cannot reserve \(map) bytes of address space (ulimit -v?); lower 'capacity'")
            }
            try check(status, "open \(path)/data.mdb")
        }

        /// Creates `data.mdb` with its databases unless it is there: aside, then renamed. A crash within LMDB's first
        /// writes would else leave a file that is neither a data set nor known to hold none.
        private static func createFile(in path: String) throws(StorageError) {
            let file = path + "/data.mdb"
            if unsafe access(file, F_OK) == 0 { return }
            let aside = file + ".new"
            unsafe unlink(aside)
            try writeEmpty(aside)
            guard unsafe rename(aside, file) == 0 else { throw SystemFile.failure("rename", aside) }
            try SystemFile.syncDirectory(of: file)
        }

        /// Writes a file with empty databases and syncs it.
        private static func writeEmpty(_ file: String) throws(StorageError) {
            var created: OpaquePointer?
            try unsafe check(mdb_env_create(&created), "create an environment")
            guard let environment = unsafe created else { throw .lmdb(ENOMEM, "create an environment") }
            defer { unsafe mdb_env_close(environment) }
            try unsafe check(mdb_env_set_maxdbs(environment, 4), "set the number of databases")
            let flags = UInt32(MDB_NOSUBDIR | MDB_NOLOCK)  // nobody else knows the file
            try unsafe check(mdb_env_open(environment, file, flags, 0o600), "create \(file)")
            _ = try unsafe openDatabases(environment)
            try unsafe check(mdb_env_sync(environment, 1), "sync \(file)")
        }

        private static func openDatabases(_ environment: OpaquePointer) throws(StorageError) -> (MDB_dbi, MDB_dbi) {
            var begun: OpaquePointer?
            try unsafe check(mdb_txn_begin(environment, nil, 0, &begun), "begin a transaction")
            var data: MDB_dbi = 0
            var empty: MDB_dbi = 0
            do throws(StorageError) {
                try unsafe check(mdb_dbi_open(begun, "data", UInt32(MDB_CREATE), &data), "open the database")
                try unsafe check(mdb_dbi_open(begun, "empty", UInt32(MDB_CREATE), &empty), "open the database")
            } catch {
                unsafe mdb_txn_abort(begun)
                throw error
            }
            try unsafe check(mdb_txn_commit(begun), "create the databases")
            return (data, empty)
        }

        /// Begins a read transaction, which holds a slot of the reader table.
        func beginRead() throws(StorageError) -> OpaquePointer {
            var begun: OpaquePointer?
            try unsafe check(mdb_txn_begin(handle, nil, UInt32(MDB_RDONLY), &begun), "begin a read")
            return unsafe begun!  // set on success
        }

        func beginWrite() throws(StorageError) -> OpaquePointer {
            var begun: OpaquePointer?
            try unsafe check(mdb_txn_begin(handle, nil, 0, &begun), "begin a batch")
            return unsafe begun!  // set on success
        }

        /// Commits are no longer synced by themselves.
        func stopSyncing() throws(StorageError) {
            try unsafe check(mdb_env_set_flags(handle, UInt32(MDB_NOSYNC), 1), "turn syncing off")
        }

        /// Makes all that was committed durable, whatever the flags.
        func sync() throws(StorageError) { try unsafe check(mdb_env_sync(handle, 1), "sync data.mdb") }

        /// Lends the value of `key` as of a transaction.
        @inline(__always)
        func get(
            _ key: RawSpan, in transaction: OpaquePointer, _ body: (RawSpan) -> Void
        ) throws(StorageError) -> Bool {
            let length = key.byteCount
            guard length <= LongKey.prefix else { return try unsafe getLong(key, in: transaction, body) }
            var value = unsafe MDB_val()
            let status = unsafe key.withUnsafeBytes { key in
                unsafe martlet_lmdb_get(transaction, length > 0 ? data : empty, key.baseAddress, length, &value)
            }
            guard status == MDB_SUCCESS else {
                if status == MDB_NOTFOUND { return false }
                throw .lmdb(status, "read a key")
            }
            body(unsafe RawSpan(_unsafeStart: value.mv_data, byteCount: value.mv_size))
            return true
        }

        private func getLong(
            _ key: RawSpan, in transaction: OpaquePointer, _ body: (RawSpan) -> Void
        ) throws(StorageError) -> Bool {
            var found = unsafe MDB_val()
            var bucketKey = ByteBuffer(capacity: LongKey.prefix + 1)
            LongKey.bucketKey(of: key, into: &bucketKey)
            let status = bucketKey.withBytes { bytes in
                unsafe bytes.withUnsafeBytes {
                    unsafe martlet_lmdb_get(transaction, data, $0.baseAddress, $0.count, &found)
                }
            }
            if status == MDB_NOTFOUND { return false }
            try check(status, "read a long key")
            let bucket = unsafe RawSpan(_unsafeStart: found.mv_data, byteCount: found.mv_size)
            guard let place = try LongKey.find(key, in: bucket) else { return false }
            body(bucket.extracting(place))
            return true
        }
    }
#endif
