#if LMDB
    internal import CLMDB
    internal import Glibc
    internal import MartletCore
    internal import MartletRuntime
    internal import Synchronization

    /// A data set in one LMDB file.
    ///
    /// **Durability.** Opened for `always`, each commit is synced. Opened for less, the environment runs with
    /// MDB_NOSYNC: a power failure may then damage the file, since pages may reach the disk after the root that names
    /// them. So the manifest carries the mark `unsynced` with the kernel's boot id from before the first such commit
    /// until a full sync at close, and ``init(_:)`` refuses a marked file after another boot unless told to accept it.
    ///
    /// **Space.** The whole `capacity` is mapped at open: the map never has to grow, which LMDB allows only while
    /// nobody reads. The file grows as pages are used. A batch with puts is refused short of the capacity, so that
    /// deletes, which copy pages too, still find room. What fails before the commit's root page is written leaves the
    /// file as it was.
    ///
    /// **Limits.** LMDB keeps no checksums, and a page the disk cannot read ends the process (SIGBUS), as with any
    /// mapped file. After a failed write of the root page LMDB refuses reads too. Keys over 510 bytes: see ``LongKey``.
    final class LMDBBackend: StorageBackend {
        let properties = BackendProperties(
            name: "lmdb", isVolatile: false, readsMayBlock: true, maximumDurability: .always)

        private let directory: DataDirectory
        private let environment: Lock<LMDBEnvironment?>
        private let writer: Lock<LMDBWriter>
        private let counters: LMDBCounters

        /// Opens the data set, or creates it.
        ///
        /// - Throws: `incompatible` if unsynced commits of an earlier boot may have damaged the file; `corrupted`.
        init(_ opening: BackendOpening) throws(StorageError) {
            guard let directory = opening.directory else {
                throw StorageError(.invalidSetting, "lmdb: needs a data directory")
            }
            self.directory = directory
            let mark = directory.manifest.marks[LMDBWriter.mark]
            let boot = DataDirectory.bootIdentifier
            if let mark, mark != boot || boot == "unknown", !opening.acceptsDataLoss {
                let reason =
                    mark == LMDBWriter.failedSync
                    ? "a sync failed" : "the machine went down while commits were not synced (durability below always)"
                throw StorageError(
                    .incompatible,
                    "\(directory.path): \(reason), so data.mdb may be damaged; "
                        + "start with --accept-data-loss to use it all the same")
            }
            let opened = try LMDBEnvironment(at: directory.path, settings: opening.settings)
            if mark != nil {  // left by a killed process: its commits are in the page cache, or were just accepted
                try opened.sync()
                try directory.update { $0.marks[LMDBWriter.mark] = nil }
            }
            let isUnsynced = opening.durability < .always
            if isUnsynced { try opened.stopSyncing() }
            counters = LMDBCounters()
            environment = Lock(opened)
            writer = Lock(LMDBWriter(opened, directory, counters, isUnsynced: isUnsynced))
        }

        func makeReader() throws(StorageError) -> any StorageReader {
            try LMDBReader(live(), counter: counters.makeReadCounter())
        }

        func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
            try writer.withLock { writer throws(StorageError) in try writer.apply(batch, durability: durability) }
        }

        func sync() throws(StorageError) {
            try writer.withLock { writer throws(StorageError) in try writer.sync() }
        }

        func snapshot() throws(StorageError) -> any StorageSnapshot { try LMDBSnapshot(live()) }

        /// Copies the contents, free pages left out, into `directory`, which must not exist. O(contents).
        func checkpoint(to directory: String) throws(StorageError) {
            let environment = try live()
            guard unsafe mkdir(directory, 0o700) == 0 else {
                throw SystemFile.failure("create directory", directory)
            }
            let path = directory + "/data.mdb"
            let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw SystemFile.failure("create", path) }
            defer { Glibc.close(file) }
            do throws(StorageError) {
                try unsafe check(mdb_env_copyfd2(environment.handle, file, UInt32(MDB_CP_COMPACT)), "copy to \(path)")
                guard fsync(file) == 0 else { throw SystemFile.failure("sync", path) }
            } catch {
                unsafe unlink(path)
                unsafe rmdir(directory)
                throw error
            }
            try SystemFile.syncDirectory(of: path)
            try SystemFile.syncDirectory(of: directory)
        }

        func statistics() -> StorageStatistics {
            var result = counters.statistics()
            result.bytesOnDisk = directory.bytesOnDisk
            if let environment = try? live() { environment.report(into: &result) }
            return result
        }

        func close() throws(StorageError) {
            environment.withLock { $0 = nil }
            try writer.withLock { writer throws(StorageError) in try writer.close() }
        }

        private func live() throws(StorageError) -> LMDBEnvironment {
            guard let environment = environment.withLock({ $0 }) else {
                throw StorageError(.closed, "lmdb: the backend is closed")
            }
            return environment
        }
    }
#endif
