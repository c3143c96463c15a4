#if LMDB
    internal import CLMDB
    public import MartletRuntime

    extension BackendKind {
        /// LMDB: a memory-mapped B+ tree, fast reads, every commit copies the pages it touches.
        public static var lmdb: BackendKind {
            BackendKind(
                name: "lmdb", summary: "LMDB: a memory-mapped copy-on-write B+ tree; fastest reads, one file",
                version: "LMDB \(MDB_VERSION_MAJOR).\(MDB_VERSION_MINOR).\(MDB_VERSION_PATCH)",
                needsDirectory: { _ in true }, settings: LMDBSettings.all,
                open: { opening throws(StorageError) in try LMDBBackend(opening) })
        }
    }

    /// The settings of the backend and their defaults.
    enum LMDBSettings {
        static let capacity = 256 << 30
        static let readers = 512

        static let all = [
            BackendSetting(
                "capacity", .size((1 << 20)...(16 << 40)), default: .number(capacity), text: "256GiB",
                help: "the most the data file may take; address space is reserved at once, disk space as it is needed"),
            BackendSetting(
                "readers", .integer(16...65536), default: .number(readers), text: "\(readers)",
                help: "the most read transactions at a time: one a worker and one a scan or backup under way"),
            BackendSetting(
                "readahead", .boolean, default: .boolean(false), text: "false",
                help: "let the kernel read ahead on a page fault; helps scans, harms random reads of data beyond memory"
            ),
        ]
    }
#endif
