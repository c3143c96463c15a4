#if RocksDB
    internal import CRocksDB
    internal import MartletCore
    internal import MartletRuntime

    /// The one writer of a database: hands batches to the engine, and keeps what is known of failures.
    @safe
    final class RocksDBWriter {
        private var store: RocksDBStore?
        /// The engine's batch, emptied and filled anew for each of ours so that its memory stays.
        private var batch: OpaquePointer
        private let synced: OpaquePointer
        private let unsynced: OpaquePointer
        private var space: RocksDBSpace
        private var hasUnsynced = false
        /// The first failure after which the engine's state is not known.
        private var failure: StorageError?

        init(_ store: RocksDBStore, space: RocksDBSpace) {
            self.store = store
            self.space = space
            unsafe batch = rocksdb_writebatch_create()
            unsafe synced = rocksdb_writeoptions_create()
            unsafe unsynced = rocksdb_writeoptions_create()
            unsafe rocksdb_writeoptions_set_sync(synced, 1)
        }

        deinit {
            unsafe rocksdb_writebatch_destroy(batch)
            unsafe rocksdb_writeoptions_destroy(synced)
            unsafe rocksdb_writeoptions_destroy(unsynced)
        }

        /// Applies a batch; answers whether the log was synced.
        func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) -> Bool {
            let store = try usable()
            let isSynced = durability == .always
            if batch.isEmpty { return isSynced ? try sync() : false }
            try space.check(batch)
            fill(from: batch)
            defer { release(batch.byteCount) }
            var text = RocksDBFailure()
            // A synced write syncs all of the log before it too.
            unsafe rocksdb_write(store.database, isSynced ? synced : unsynced, self.batch, &text.text)
            do throws(StorageError) {
                try text.check("write a batch of \(batch.count)")
            } catch {
                if error.code != .outOfSpace { failure = error }
                throw error
            }
            hasUnsynced = !isSynced
            return isSynced
        }

        /// Syncs what is not synced yet; answers whether there was anything.
        func sync() throws(StorageError) -> Bool {
            let store = try usable()
            guard hasUnsynced else { return false }
            do throws(StorageError) {
                try store.sync()
            } catch {
                failure = error  // even without space: the kernel may have dropped what was to be synced
                throw error
            }
            hasUnsynced = false
            return true
        }

        /// Syncs and lets go of the database. Safe to call twice.
        func close() throws(StorageError) {
            defer { store = nil }
            if store != nil, failure == nil { _ = try sync() }
        }

        private func usable() throws(StorageError) -> RocksDBStore {
            guard let store else { throw StorageError(.closed, "rocksdb: the backend is closed") }
            if let failure {
                throw StorageError(.poisoned, "rocksdb: refuses writes after an earlier failure: \(failure.message)")
            }
            return store
        }

        private func fill(from source: borrowing WriteBatch) {
            unsafe rocksdb_writebatch_clear(batch)
            func add(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) {
                unsafe key.withUnsafeBytes { key in
                    guard !isDelete else {
                        return unsafe martlet_rocksdb_delete(batch, key.baseAddress, key.count)
                    }
                    unsafe value.withUnsafeBytes { value in
                        unsafe martlet_rocksdb_put(batch, key.baseAddress, key.count, value.baseAddress, value.count)
                    }
                }
            }
            source.forEach(add)
        }

        /// Gives the memory of a large batch back.
        private func release(_ byteCount: Int) {
            guard byteCount > 1 << 20 else { return }
            unsafe rocksdb_writebatch_destroy(batch)
            unsafe batch = rocksdb_writebatch_create()
        }
    }
#endif
