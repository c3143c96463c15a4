#if LMDB
    internal import CLMDB
    internal import MartletCore
    internal import MartletRuntime

    /// The one writer of an environment: applies batches, and keeps what is known of syncs and failures.
    final class LMDBWriter {
        /// The manifest's mark while commits may be unsynced; its value is the kernel's boot id.
        static let mark = "unsynced"

        /// The mark's value after a failed sync, with which no boot id agrees.
        static let failedSync = "sync-failed"

        private var environment: LMDBEnvironment?
        private let directory: DataDirectory
        private let counters: LMDBCounters
        /// Commits are not synced by themselves (MDB_NOSYNC).
        private let isUnsynced: Bool
        private var isMarked = false
        /// The first failure after which the engine's state is not known.
        private var failure: StorageError?
        private var bucketKey = ByteBuffer(capacity: LongKey.prefix + 1)
        private var bucket = ByteBuffer()

        init(_ environment: LMDBEnvironment, _ directory: DataDirectory, _ counters: LMDBCounters, isUnsynced: Bool) {
            self.environment = environment
            self.directory = directory
            self.counters = counters
            self.isUnsynced = isUnsynced
        }

        func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
            let environment = try usable()
            if !batch.isEmpty {
                try environment.checkSpace(for: batch)
                if isUnsynced, !isMarked {
                    try directory.update { $0.marks[Self.mark] = DataDirectory.bootIdentifier }
                    isMarked = true
                }
                counters.written.willWrite()
                do throws(StorageError) {
                    try commit(batch, to: environment)
                } catch {
                    let error = environment.explain(error, for: batch, on: directory.path)
                    if !error.leavesEngineIntact { failure = error }
                    throw error
                }
                counters.applied(batch.byteCount, synced: !isUnsynced)
            }
            if durability == .always, isUnsynced { try sync() }
        }

        func sync() throws(StorageError) {
            let environment = try usable()
            guard isUnsynced else { return }  // every commit was synced
            do throws(StorageError) {
                try environment.sync()
            } catch {
                failure = error  // even without space: the kernel may have dropped pages that contents refer to
                try? directory.update { $0.marks[Self.mark] = Self.failedSync }
                throw error
            }
            counters.applied(0, synced: true)
        }

        /// Syncs, takes the mark off and lets go of the environment. Safe to call twice.
        func close() throws(StorageError) {
            guard let environment else { return }
            self.environment = nil
            guard isUnsynced, failure == nil else { return }
            try environment.sync()
            if isMarked { try directory.update { $0.marks[Self.mark] = nil } }
        }

        private func usable() throws(StorageError) -> LMDBEnvironment {
            guard let environment else { throw StorageError(.closed, "lmdb: the backend is closed") }
            if let failure {
                throw StorageError(.poisoned, "lmdb: refuses writes after an earlier failure: \(failure.message)")
            }
            return environment
        }

        /// One write transaction over the whole batch.
        private func commit(_ batch: borrowing WriteBatch, to environment: LMDBEnvironment) throws(StorageError) {
            let transaction = try unsafe environment.beginWrite()
            func put(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) throws(StorageError) {
                guard key.byteCount <= LongKey.prefix else {
                    return try unsafe putLong(key, value, isDelete, transaction, environment.data)
                }
                let database = key.isEmpty ? environment.empty : environment.data
                try unsafe Self.put(key, value, isDelete, transaction, database)
            }
            do throws(StorageError) {
                try batch.forEach(put)
            } catch {
                unsafe mdb_txn_abort(transaction)
                throw error
            }
            try unsafe check(mdb_txn_commit(transaction), "commit a batch of \(batch.count)")
        }

        @inline(__always)
        private static func put(
            _ key: RawSpan, _ value: RawSpan, _ isDelete: Bool, _ transaction: OpaquePointer, _ database: MDB_dbi
        ) throws(StorageError) {
            let status = unsafe key.withUnsafeBytes { key in
                guard !isDelete else {
                    return unsafe martlet_lmdb_delete(transaction, database, key.baseAddress, key.count)
                }
                return unsafe value.withUnsafeBytes { value in
                    unsafe martlet_lmdb_put(
                        transaction, database, key.baseAddress, key.count, value.baseAddress, value.count)
                }
            }
            if status != MDB_SUCCESS { throw .lmdb(status, isDelete ? "delete a key" : "put a key") }
        }

        /// Replaces the bucket in which a long key lies.
        private func putLong(
            _ key: RawSpan, _ value: RawSpan, _ isDelete: Bool, _ transaction: OpaquePointer, _ database: MDB_dbi
        ) throws(StorageError) {
            LongKey.bucketKey(of: key, into: &bucketKey)
            var old = unsafe MDB_val()
            let status = bucketKey.withBytes { bytes in
                unsafe bytes.withUnsafeBytes {
                    unsafe martlet_lmdb_get(transaction, database, $0.baseAddress, $0.count, &old)
                }
            }
            if status == MDB_NOTFOUND {
                if isDelete { return }
                try LongKey.update(value.extracting(0..<0), key, value, isDelete: false, into: &bucket)
            } else {
                try check(status, "read a long key")
                let entries = unsafe RawSpan(_unsafeStart: old.mv_data, byteCount: old.mv_size)
                try LongKey.update(entries, key, value, isDelete: isDelete, into: &bucket)
            }
            let isEmpty = bucket.isEmpty
            try bucketKey.withBytes { name throws(StorageError) in
                try bucket.withBytes { entries throws(StorageError) in
                    try unsafe Self.put(name, entries, isEmpty, transaction, database)
                }
            }
            bucket.removeAll()
            bucket.releaseExcess(keeping: 1 << 16)
        }
    }
#endif
