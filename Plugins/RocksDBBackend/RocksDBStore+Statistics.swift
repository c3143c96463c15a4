#if RocksDB
    internal import MartletRuntime

    extension RocksDBStore {
        /// The engine's counters that are exported, under shorter names.
        private static let exported = [
            ("keys_read", "rocksdb.number.keys.read"),
            ("keys_written", "rocksdb.number.keys.written"),
            ("memtable_hit", "rocksdb.memtable.hit"),
            ("memtable_miss", "rocksdb.memtable.miss"),
            ("get_hit_l0", "rocksdb.l0.hit"),
            ("get_hit_l1", "rocksdb.l1.hit"),
            ("get_hit_l2_and_up", "rocksdb.l2andup.hit"),
            ("bloom_useful", "rocksdb.bloom.filter.useful"),
            ("bloom_full_positive", "rocksdb.bloom.filter.full.positive"),
            ("bloom_full_true_positive", "rocksdb.bloom.filter.full.true.positive"),
            ("block_cache_hit", "rocksdb.block.cache.hit"),
            ("block_cache_miss", "rocksdb.block.cache.miss"),
            ("block_cache_data_hit", "rocksdb.block.cache.data.hit"),
            ("block_cache_data_miss", "rocksdb.block.cache.data.miss"),
            ("wal_bytes", "rocksdb.wal.bytes"),
            ("wal_syncs", "rocksdb.wal.synced"),
            ("flush_write_bytes", "rocksdb.flush.write.bytes"),
            ("compaction_read_bytes", "rocksdb.compact.read.bytes"),
            ("compaction_write_bytes", "rocksdb.compact.write.bytes"),
            ("stall_microseconds", "rocksdb.stall.micros"),
        ]

        /// Numbers of the engine's state that are exported, under shorter names.
        private static let properties = [
            ("memtable_bytes", "rocksdb.cur-size-all-mem-tables"),
            ("table_reader_bytes", "rocksdb.estimate-table-readers-mem"),
            ("sorted_file_bytes", "rocksdb.total-sst-files-size"),
            ("pending_compaction_bytes", "rocksdb.estimate-pending-compaction-bytes"),
            ("running_compactions", "rocksdb.num-running-compactions"),
            ("snapshots", "rocksdb.num-snapshots"),
            ("background_errors", "rocksdb.background-errors"),
        ]

        /// Adds the engine's figures.
        ///
        /// Levels of reads are the engine's own counts: a read that consults several files counts at several of them,
        /// and blocks read by scans are among those from cache and disk.
        func report(into result: inout StorageStatistics) {
            let counters = options.counters()
            func counter(_ name: String) -> UInt64 { counters[name] ?? 0 }
            result.keys = property("rocksdb.estimate-num-keys")
            result.bytesInMemory =
                property("rocksdb.cur-size-all-mem-tables") + property("rocksdb.estimate-table-readers-mem")
                + options.cacheUsage
            result.bytesWritten =
                counter("rocksdb.wal.bytes") + counter("rocksdb.flush.write.bytes")
                + counter("rocksdb.compact.write.bytes")
            if options.hasStatistics {
                result.reads[.memtable] = counter("rocksdb.memtable.hit")
                result.reads[.bloomNegative] = counter("rocksdb.bloom.filter.useful")
                result.reads[.blockCache] = counter("rocksdb.block.cache.data.hit")
                result.reads[.disk] = counter("rocksdb.block.cache.data.miss")
                for (name, source) in Self.exported { result.counters.append((name, counter(source))) }
            }
            for (name, source) in Self.properties { result.counters.append((name, property(source))) }
            result.counters.append(("block_cache_bytes", options.cacheUsage))
        }
    }
#endif
