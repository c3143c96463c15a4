#if RocksDB
    internal import CRocksDB
    internal import MartletCore
    internal import MartletRuntime

    /// An open database with the option objects it was opened by; closed by its last reference.
    ///
    /// Readers and snapshots hold it too, so that one released late finds it alive.
    @safe
    final class RocksDBStore: @unchecked Sendable {  // RocksDB's handles may be used by any thread
        let database: OpaquePointer
        let options: RocksDBOptions
        /// Of point reads of the newest contents.
        private let readOptions: OpaquePointer
        /// Of those that may not wait for a disk.
        private let memoryOptions: OpaquePointer

        init(at path: String, settings: BackendSettings) throws(StorageError) {
            options = RocksDBOptions(settings)
            var failure = RocksDBFailure()
            let opened = unsafe rocksdb_open(options.handle, path, &failure.text)
            try failure.check("open \(path)")
            guard let opened = unsafe opened else { throw .rocksdb("no handle", "open \(path)") }
            unsafe database = opened
            unsafe readOptions = rocksdb_readoptions_create()
            unsafe memoryOptions = rocksdb_readoptions_create()
            unsafe rocksdb_readoptions_set_read_tier(memoryOptions, 1)  // kBlockCacheTier
        }

        deinit {
            unsafe rocksdb_readoptions_destroy(memoryOptions)
            unsafe rocksdb_readoptions_destroy(readOptions)
            unsafe rocksdb_close(database)
        }

        /// Lends the newest value of `key`, in place in the block cache or memtable where the engine can.
        @inline(__always)
        func get(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
            try unsafe get(key, readOptions, body)
        }

        /// As ``get(_:_:)`` out of the memtables and the block cache, filters included; nil where those cannot tell.
        func getFromMemory(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool? {
            var failure = RocksDBFailure()
            let found = unsafe get(key, memoryOptions, &failure, body)
            if failure.isIncomplete { return nil }
            try failure.check("read a key")
            return found
        }

        @inline(__always)
        func get(_ key: RawSpan, _ options: OpaquePointer, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
            var failure = RocksDBFailure()
            let found = unsafe get(key, options, &failure, body)
            try failure.check("read a key")
            return found
        }

        @inline(__always)
        private func get(
            _ key: RawSpan, _ options: OpaquePointer, _ failure: inout RocksDBFailure, _ body: (RawSpan) -> Void
        ) -> Bool {
            let found = unsafe key.withUnsafeBytes { key in
                unsafe martlet_rocksdb_get(database, options, key.baseAddress, key.count, &failure.text)
            }
            guard let found = unsafe found else { return false }
            var count = 0
            let start = unsafe rocksdb_pinnableslice_value(found, &count)
            body(unsafe RawSpan(_unsafeStart: UnsafeRawPointer(start!), byteCount: count))
            unsafe rocksdb_pinnableslice_destroy(found)
            return true
        }

        /// Syncs the log, and thereby all that was applied.
        func sync() throws(StorageError) {
            var failure = RocksDBFailure()
            unsafe rocksdb_flush_wal(database, 1, &failure.text)
            try failure.check("sync the log")
        }

        /// Writes a copy of the contents into a directory that does not exist, whole or not at all.
        func checkpoint(to directory: String) throws(StorageError) {
            var failure = RocksDBFailure()
            let checkpoint = unsafe rocksdb_checkpoint_object_create(database, &failure.text)
            try failure.check("prepare a checkpoint")
            defer { unsafe rocksdb_checkpoint_object_destroy(checkpoint) }
            unsafe rocksdb_checkpoint_create(checkpoint, directory, 0, &failure.text)
            try failure.check("write a checkpoint to \(directory)")
        }

        /// A number the engine keeps; 0 if it does not know the name.
        func property(_ name: String) -> UInt64 {
            var value: UInt64 = 0
            return unsafe rocksdb_property_int(database, name, &value) == 0 ? value : 0
        }
    }
#endif
