#if RocksDB
    internal import CRocksDB
    internal import MartletCore
    internal import MartletRuntime

    /// Point reads of the newest contents. Each sees every batch applied before it, so a turn has no state.
    final class RocksDBReader: StorageReader {
        private let store: RocksDBStore

        init(_ store: RocksDBStore) { self.store = store }

        func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
            try store.get(key, body)
        }

        func readWithoutWaiting(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool? {
            try store.getFromMemory(key, body)
        }

        /// The engine counts what each thread's reads touch, if it is asked to.
        func readTracing(
            _ key: RawSpan, _ body: (RawSpan) -> Void
        ) throws(StorageError) -> (isFound: Bool, level: ReadLevel) {
            guard let context = unsafe rocksdb_perfcontext_create() else { return (try read(key, body), .engine) }
            defer { unsafe rocksdb_perfcontext_destroy(context) }
            unsafe martlet_rocksdb_trace_begin(context)
            let result = Result { () throws(StorageError) in try read(key, body) }
            let trace = unsafe martlet_rocksdb_trace_end(context)
            let isFound = try result.get()
            if trace.blocks_read > 0 { return (isFound, .disk) }
            if trace.blocks_cached > 0 { return (isFound, .blockCache) }
            return (isFound, !isFound && trace.files_ruled_out > 0 ? .bloomNegative : .memtable)
        }

        func refresh() {}
    }

    /// A sequence number that the engine keeps the contents of.
    @safe
    final class RocksDBSnapshot: StorageSnapshot, @unchecked Sendable {  // the handles may be used by any thread
        private let store: RocksDBStore
        private let handle: OpaquePointer
        private let readOptions: OpaquePointer

        init(_ store: RocksDBStore) throws(StorageError) {
            guard let taken = unsafe rocksdb_create_snapshot(store.database) else {
                throw StorageError(.inputOutput, "rocksdb: cannot take a snapshot")
            }
            self.store = store
            unsafe handle = taken
            unsafe readOptions = rocksdb_readoptions_create()
            unsafe rocksdb_readoptions_set_snapshot(readOptions, handle)
        }

        deinit {
            unsafe rocksdb_readoptions_destroy(readOptions)
            unsafe rocksdb_release_snapshot(store.database, handle)
        }

        func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
            try unsafe store.get(key, readOptions, body)
        }

        func scan(
            from lower: RawSpan, to upper: RawSpan, _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
        ) throws(StorageError) {
            guard let options = unsafe rocksdb_readoptions_create() else { return }
            defer { unsafe rocksdb_readoptions_destroy(options) }
            unsafe rocksdb_readoptions_set_snapshot(options, handle)
            // A scan of everything must not push out what point reads use.
            unsafe rocksdb_readoptions_set_fill_cache(options, 0)
            // The options keep the address of the bound, which therefore is lent for the whole scan.
            try unsafe upper.withUnsafeBytes { bound throws(StorageError) in
                if unsafe !bound.isEmpty { unsafe martlet_rocksdb_upper_bound(options, bound.baseAddress, bound.count) }
                guard let iterator = unsafe rocksdb_create_iterator(store.database, options) else { return }
                defer { unsafe rocksdb_iter_destroy(iterator) }
                unsafe lower.withUnsafeBytes { unsafe martlet_rocksdb_seek(iterator, $0.baseAddress, $0.count) }
                while unsafe rocksdb_iter_valid(iterator) != 0 {
                    var keyLength = 0
                    var valueLength = 0
                    let key = unsafe rocksdb_iter_key(iterator, &keyLength)
                    let value = unsafe rocksdb_iter_value(iterator, &valueLength)
                    let step = body(
                        unsafe RawSpan(_unsafeStart: UnsafeRawPointer(key!), byteCount: keyLength),
                        unsafe RawSpan(_unsafeStart: UnsafeRawPointer(value!), byteCount: valueLength))
                    if step == .stop { return }
                    unsafe rocksdb_iter_next(iterator)
                }
                var failure = RocksDBFailure()
                unsafe rocksdb_iter_get_error(iterator, &failure.text)
                try failure.check("read the next pair")
            }
        }
    }
#endif
