#if RocksDB
    internal import CRocksDB
    internal import MartletRuntime

    /// The engine's options as the settings ask for; owns the C objects.
    @safe
    final class RocksDBOptions: @unchecked Sendable {  // not changed after init
        let handle: OpaquePointer
        /// Whether the engine counts.
        let hasStatistics: Bool
        private let table: OpaquePointer
        private let cache: OpaquePointer

        init(_ settings: BackendSettings) {
            unsafe handle = rocksdb_options_create()
            unsafe table = rocksdb_block_based_options_create()
            unsafe cache = rocksdb_cache_create_lru(settings.number("block_cache", default: RocksDBSettings.blockCache))
            hasStatistics = settings.boolean("statistics", default: true)

            unsafe rocksdb_block_based_options_set_block_cache(table, cache)
            let bits = settings.number("bloom_bits", default: RocksDBSettings.bloomBits)
            if bits > 0 {  // the table's options take the filter over
                unsafe rocksdb_block_based_options_set_filter_policy(
                    table, rocksdb_filterpolicy_create_bloom_full(Double(bits)))
                // A filter of 1 % of the memtable spares walking it for keys that lie in files: 30 % of such a read.
                unsafe rocksdb_options_set_memtable_prefix_bloom_size_ratio(handle, 0.01)
                unsafe rocksdb_options_set_memtable_whole_key_filtering(handle, 1)
            }
            unsafe rocksdb_options_set_block_based_table_factory(handle, table)

            unsafe rocksdb_options_set_create_if_missing(handle, 1)
            unsafe rocksdb_options_set_paranoid_checks(handle, 1)
            unsafe rocksdb_options_set_write_buffer_size(
                handle, settings.number("memtable", default: RocksDBSettings.memtable))
            unsafe rocksdb_options_set_level_compaction_dynamic_level_bytes(handle, 1)
            let jobs = settings.number("background_jobs", default: RocksDBSettings.backgroundJobs)
            unsafe rocksdb_options_set_max_background_jobs(handle, CInt(jobs))
            let files = settings.number("open_files", default: 0)
            unsafe rocksdb_options_set_max_open_files(handle, files == 0 ? -1 : CInt(files))
            // One thread writes, so a memtable for many only costs.
            unsafe rocksdb_options_set_allow_concurrent_memtable_write(handle, 0)
            let compression = settings.text("compression", default: RocksDBSettings.compression)
            unsafe rocksdb_options_set_compression(handle, Self.code(of: compression))
            // A torn tail of the log ends the recovery there: what was synced lies before it.
            unsafe rocksdb_options_set_wal_recovery_mode(handle, CInt(rocksdb_point_in_time_recovery))
            configureObservation()
        }

        deinit {
            unsafe rocksdb_options_destroy(handle)
            unsafe rocksdb_block_based_options_destroy(table)
            unsafe rocksdb_cache_destroy(cache)
        }

        /// Counters on request; the engine's own log and its timers kept small.
        private func configureObservation() {
            if hasStatistics { unsafe rocksdb_options_enable_statistics(handle) }
            unsafe rocksdb_options_set_stats_dump_period_sec(handle, 0)
            unsafe rocksdb_options_set_stats_persist_period_sec(handle, 0)
            unsafe rocksdb_options_set_skip_stats_update_on_db_open(handle, 1)
            // Nothing but fatal: Debian's library asserts, and so ends the process, if a line follows one it failed to
            // write.
            unsafe rocksdb_options_set_info_log_level(handle, 4)
            unsafe rocksdb_options_set_max_log_file_size(handle, 4 << 20)
            unsafe rocksdb_options_set_keep_log_file_num(handle, 4)
        }

        private static func code(of compression: String) -> CInt {
            switch compression {
            case "lz4": CInt(rocksdb_lz4_compression)
            case "zstd": CInt(rocksdb_zstd_compression)
            default: CInt(rocksdb_no_compression)
            }
        }

        /// The engine's counters by name, or none if it does not count. Histograms are left out.
        func counters() -> [String: UInt64] {
            guard hasStatistics, let text = unsafe rocksdb_options_statistics_get_string(handle) else { return [:] }
            defer { unsafe rocksdb_free(text) }
            var result: [String: UInt64] = [:]
            for line in unsafe String(cString: text).split(separator: "\n") {
                // A counter is `rocksdb.memtable.hit COUNT : 7`.
                let words = line.split(separator: " ")
                guard words.count == 4, words[1] == "COUNT", let value = UInt64(words[3]) else { continue }
                result[String(words[0])] = value
            }
            return result
        }

        /// Bytes of the block cache in use.
        var cacheUsage: UInt64 { UInt64(unsafe rocksdb_cache_get_usage(cache)) }
    }
#endif
