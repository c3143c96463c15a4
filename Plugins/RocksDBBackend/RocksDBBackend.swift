#if RocksDB
    internal import Glibc
    internal import MartletCore
    internal import MartletRuntime
    internal import Synchronization

    /// A data set in one RocksDB database, in the folder `rocksdb` of the data directory.
    ///
    /// **Durability.** The write-ahead log is on; `always` syncs it with the batch, which syncs earlier batches too.
    ///
    /// **Space.** Writes are refused while the disk has room for two memtables and 16 MiB only (at most a tenth of
    /// it), and taken again as soon as it has more: see ``RocksDBSpace``.
    final class RocksDBBackend: StorageBackend {
        let properties = BackendProperties(
            name: "rocksdb", isVolatile: false, readsMayBlock: true, maximumDurability: .always)

        private let directory: DataDirectory
        private let store: Lock<RocksDBStore?>
        private let writer: Lock<RocksDBWriter>
        private let bytesApplied = Atomic<UInt64>(0)
        private let batches = Atomic<UInt64>(0)
        private let syncs = Atomic<UInt64>(0)

        /// Opens the data set, or creates it.
        init(_ opening: BackendOpening) throws(StorageError) {
            guard let directory = opening.directory else {
                throw StorageError(.invalidSetting, "rocksdb: needs a data directory")
            }
            self.directory = directory
            let opened = try RocksDBStore(at: Self.folder(of: directory.path), settings: opening.settings)
            try SystemFile.syncDirectory(of: Self.folder(of: directory.path))  // else its name may not survive
            store = Lock(opened)
            let memtable = opening.settings.number("memtable", default: RocksDBSettings.memtable)
            writer = Lock(RocksDBWriter(opened, space: RocksDBSpace(path: directory.path, memtable: memtable)))
        }

        func makeReader() throws(StorageError) -> any StorageReader { RocksDBReader(try live()) }

        func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
            let synced = try writer.withLock { writer throws(StorageError) in
                try writer.apply(batch, durability: durability)
            }
            batches.add(1, ordering: .relaxed)
            bytesApplied.add(UInt64(batch.byteCount), ordering: .relaxed)
            if synced { syncs.add(1, ordering: .relaxed) }
        }

        func sync() throws(StorageError) {
            if try writer.withLock({ writer throws(StorageError) in try writer.sync() }) {
                syncs.add(1, ordering: .relaxed)
            }
        }

        func snapshot() throws(StorageError) -> any StorageSnapshot { try RocksDBSnapshot(live()) }

        /// Links the sorted files and copies the rest into `directory`, which must not exist.
        func checkpoint(to directory: String) throws(StorageError) {
            let store = try live()
            guard unsafe mkdir(directory, 0o700) == 0 else {
                throw SystemFile.failure("create directory", directory)
            }
            do throws(StorageError) {
                try store.checkpoint(to: Self.folder(of: directory))
            } catch {
                unsafe rmdir(directory)  // the engine removed what it wrote
                throw error
            }
            try SystemFile.syncDirectory(of: Self.folder(of: directory))
            try SystemFile.syncDirectory(of: directory)
        }

        func statistics() -> StorageStatistics {
            var result = StorageStatistics()
            result.bytesApplied = bytesApplied.load(ordering: .relaxed)
            result.syncs = syncs.load(ordering: .relaxed)
            result.bytesOnDisk = directory.bytesOnDisk
            result.counters = [("commits", batches.load(ordering: .relaxed))]
            if let store = try? live() { store.report(into: &result) }
            return result
        }

        func close() throws(StorageError) {
            store.withLock { $0 = nil }
            try writer.withLock { writer throws(StorageError) in try writer.close() }
        }

        private func live() throws(StorageError) -> RocksDBStore {
            guard let store = store.withLock({ $0 }) else {
                throw StorageError(.closed, "rocksdb: the backend is closed")
            }
            return store
        }

        /// Beside the manifest and the lock file, whose names the engine uses too.
        private static func folder(of path: String) -> String { path + "/rocksdb" }
    }
#endif
