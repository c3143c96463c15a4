#if RocksDB
    public import MartletRuntime

    extension BackendKind {
        /// RocksDB: a log-structured merge tree, fast writes, background compaction.
        public static var rocksdb: BackendKind {
            BackendKind(
                name: "rocksdb",
                summary: "RocksDB: a log-structured merge tree; fastest durable writes, compressed files",
                version: RocksDBSettings.version, needsDirectory: { _ in true }, settings: RocksDBSettings.all,
                open: { opening throws(StorageError) in try RocksDBBackend(opening) })
        }
    }

    /// The settings of the backend and their defaults.
    enum RocksDBSettings {
        static let blockCache = 128 << 20
        static let memtable = 64 << 20
        static let bloomBits = 10
        static let compression = "lz4"
        static let backgroundJobs = 2

        static let all = [
            BackendSetting(
                "block_cache", .size((1 << 20)...(1 << 40)), default: .number(blockCache), text: "128MiB",
                help: "memory for uncompressed blocks of files that were read"),
            BackendSetting(
                "memtable", .size((64 << 10)...(4 << 30)), default: .number(memtable), text: "64MiB",
                help: "bytes of writes gathered in memory before they go to a sorted file; up to two such tables exist"),
            BackendSetting(
                "bloom_bits", .integer(0...20), default: .number(bloomBits), text: "\(bloomBits)",
                help: "bits a key of the filter that spares reads of files without the key; 10 errs for 1 %; 0 for none"
            ),
            BackendSetting(
                "compression", .choice(["none", "lz4", "zstd"]), default: .text(compression), text: compression,
                help: "how blocks of files are compressed"),
            BackendSetting(
                "background_jobs", .integer(1...64), default: .number(backgroundJobs), text: "\(backgroundJobs)",
                help: "the most flushes and compactions at a time"),
            BackendSetting(
                "open_files", .integer(0...1_000_000), default: .number(0), text: "0",
                help: "the most files kept open; 0 keeps all open, which reads fastest"),
            BackendSetting(
                "statistics", .boolean, default: .boolean(true), text: "true",
                help: "let the engine count: cache and filter hits, bytes written, stalls"),
        ]

        /// The C API does not tell the version, but the name of the loaded library's file does: `librocksdb.so.7.8.3`.
        static let version: String = {
            for line in ((try? SystemFile.read("/proc/self/maps")) ?? "").split(separator: "\n") {
                guard let file = line.split(separator: "/").last, file.hasPrefix("librocksdb.so.") else { continue }
                return "RocksDB " + file.dropFirst("librocksdb.so.".count)
            }
            return "RocksDB"
        }()
    }
#endif
