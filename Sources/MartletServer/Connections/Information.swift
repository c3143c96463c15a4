internal import Glibc
internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// The sections of INFO.
struct Information {
    let door: FrontDoor
    let shared: ServerShared

    private typealias Lines = [(name: String, value: String)]

    func lines(of section: String) -> [(name: String, value: String)] {
        switch section {
        case "server": server
        case "clients":
            [("connected_clients", "\(shared.connectionCount)"), ("maxclients", "\(shared.maximumClients)")]
        case "memory": memory
        case "persistence": [("loading", "0"), ("async_loading", "0")]
        case "stats": stats
        case "replication": [("role", "master"), ("connected_slaves", "0"), ("master_repl_offset", "0")]
        case "cpu": cpu
        case "cluster": [("cluster_enabled", isOneOfSeveral ? "1" : "0")]
        case "keyspace": keyspaces
        case "martlet": martlet
        case "replicas": replicas
        case "backend": backend
        default: []
        }
    }

    private var isOneOfSeveral: Bool { door.coordinator.assumeIsolated { $0.replication != nil } }

    private var uptime: Int64 { max(0, (door.wallMicroseconds - shared.startedAt) / 1_000_000) }

    private var server: Lines {
        [
            ("redis_version", "7.0.15"), ("redis_mode", isOneOfSeveral ? "cluster" : "standalone"),
            ("server_name", "martlet"),
            ("martlet_version", shared.software), ("os", "Linux"), ("arch_bits", "64"),
            ("process_id", "\(getpid())"), ("run_id", shared.nodeIdentifier), ("tcp_port", "\(shared.address.port)"),
            ("server_time_usec", "\(door.wallMicroseconds)"), ("uptime_in_seconds", "\(uptime)"),
            ("uptime_in_days", "\(uptime / 86400)"),
        ]
    }

    private var memory: Lines {
        let load = door.node.load
        if load.memoryLimit == 0 { load.measure() }
        let (resident, used) = (Self.residentBytes, load.usedBytes)
        return [
            ("used_memory", "\(used)"), ("used_memory_rss", "\(resident)"), ("maxmemory", "\(load.memoryLimit)"),
            ("maxmemory_policy", "noeviction"),
            ("mem_fragmentation_ratio", Self.ratio(resident, used)),
            ("commit_backlog_bytes", "\(load.backlogBytes)"),
            ("refused_for_memory", "\(load.memoryRefusals)"), ("refused_for_backlog", "\(load.backlogRefusals)"),
        ]
    }

    /// `1.07`, in digits as Redis gives it.
    private static func ratio(_ a: Int, _ b: Int) -> String {
        let hundredths = b > 0 ? a * 100 / b : 100
        return "\(hundredths / 100)." + (hundredths % 100 < 10 ? "0" : "") + "\(hundredths % 100)"
    }

    private var stats: Lines {
        [
            ("total_connections_received", "\(shared.connectionsReceived)"),
            ("total_commands_processed", "\(door.commands)"), ("standstills", "\(door.node.load.standstills)"),
            ("rejected_connections", "\(shared.connectionsRejected)"),
            ("expired_keys", "\(door.node.statistics.expiredRecords)"),
        ]
    }

    private var cpu: Lines {
        var usage = rusage()
        guard unsafe getrusage(0, &usage) == 0 else { return [] }
        func seconds(_ time: timeval) -> String {
            let micro = String(time.tv_usec)
            return "\(time.tv_sec)." + String(repeating: "0", count: 6 - micro.count) + micro
        }
        return [("used_cpu_sys", seconds(usage.ru_stime)), ("used_cpu_user", seconds(usage.ru_utime))]
    }

    /// As Redis: a line for each keyspace that holds keys; those not counted yet are left out.
    private var keyspaces: Lines {
        let counts = door.coordinator.assumeIsolated { $0.counts }
        return counts.enumerated().compactMap { index, count in
            guard let count, count.records > 0 else { return nil }
            return ("db\(index)", "keys=\(count.records),expires=\(max(0, count.expiring)),avg_ttl=0")
        }
    }

    private var martlet: Lines {
        let settings = door.node.settings
        let statistics = door.node.statistics
        return [
            ("node", settings.name), ("cluster", settings.cluster), ("workers", "\(settings.workers)"),
            ("durability", settings.durability.name), ("incarnation", String(door.node.incarnation, radix: 16)),
            ("started_unclean", door.node.startedUnclean ? "1" : "0"),
            ("record_cache_hits", "\(statistics.cacheHits)"),
            ("record_cache_misses", "\(statistics.cacheMisses)"),
            ("damaged_records", "\(statistics.damagedRecords)"),
            ("commits", "\(statistics.commits)"),
            ("commit_operations", "\(statistics.commitOperations)"),
            ("commit_syncs", "\(statistics.commitSyncs)"),
            ("commit_p50_microseconds", "\(statistics.commitMedianNanoseconds / 1000)"),
            ("commit_p99_microseconds", "\(statistics.commitP99Nanoseconds / 1000)"),
        ]
    }

    /// This node's part in its cluster; all 0 on a node that is alone.
    private var replicas: Lines {
        let statistics = door.node.clusterStatistics
        let (catchUp, hints) = (statistics.catchUp, statistics.hints)
        let (trees, tombstones) = (statistics.antiEntropy, statistics.tombstones)
        let now = door.node.environment.clock.monotonic.nanoseconds
        func age(_ time: UInt64?) -> String { time.map { "\(now > $0 ? (now - $0) / 1_000_000_000 : 0)" } ?? "-1" }
        return [
            ("links_up", "\(statistics.openLinks)"), ("partitions", "\(catchUp.units)"),
            ("partitions_caught_up", "\(catchUp.units - catchUp.inNeed)"),
            ("partitions_founded", "\(catchUp.founded)"), ("partitions_lost", "\(catchUp.lost)"),
            ("quorum_writes", "\(statistics.writes)"),
            ("quorum_writes_not_applied", "\(statistics.writesNotApplied)"),
            ("quorum_writes_unknown", "\(statistics.writesUnknown)"), ("quorum_reads", "\(statistics.reads)"),
            ("quorum_reads_refused", "\(statistics.readsRefused)"),
            ("read_write_backs", "\(statistics.writeBacks)"), ("read_repairs", "\(statistics.repairs)"),
            ("commands_forwarded", "\(statistics.forwarded)"), ("commands_taken", "\(statistics.taken)"),
            ("catch_up_pages", "\(catchUp.pages)"), ("catch_up_records_sent", "\(catchUp.sent)"),
            ("catch_up_records_received", "\(catchUp.received)"), ("catch_up_failures", "\(catchUp.failures)"),
            ("hints_held", "\(hints.held)"), ("hint_bytes", "\(hints.bytes)"),
            ("hint_oldest_seconds", "\(hints.age(wallMilliseconds: door.wallMicroseconds / 1000) / 1000)"),
            ("hints_kept", "\(hints.counters.kept)"), ("hints_replayed", "\(hints.counters.replayed)"),
            ("hints_dropped", "\(hints.counters.dropped)"), ("hints_expired", "\(hints.counters.expired)"),
            ("hints_void", "\(hints.counters.void)"), ("hints_damaged", "\(hints.counters.damaged)"),
            ("tombstones_erased", "\(tombstones.erased)"), ("tombstones_awaiting", "\(tombstones.awaiting)"),
            ("tombstone_rounds", "\(tombstones.rounds)"), ("tombstone_rounds_failed", "\(tombstones.failures)"),
            ("anti_entropy_passes", "\(trees.passes)"), ("anti_entropy_last_pass_seconds", age(trees.lastPass)),
            ("anti_entropy_trees", "\(trees.trees)"), ("anti_entropy_trees_incomplete", "\(trees.incomplete)"),
            ("anti_entropy_trees_compared", "\(trees.compared)"),
            ("anti_entropy_trees_differing", "\(trees.differing)"), ("anti_entropy_pending", "\(trees.pending)"),
            ("anti_entropy_exchanges", "\(trees.ranges)"), ("anti_entropy_bytes", "\(trees.bytes)"),
            ("anti_entropy_records_sent", "\(trees.sent)"), ("anti_entropy_records_received", "\(trees.received)"),
            ("anti_entropy_failures", "\(trees.failures)"), ("bit_rot_scans", "\(trees.scans)"),
            ("bit_rot_last_scan_seconds", age(trees.lastScan)), ("bit_rot_scan_partitions", "\(trees.scanned)"),
            ("bit_rot_records_read", "\(trees.recordsRead)"), ("bit_rot_records_damaged", "\(trees.damaged)"),
            ("tree_leaves_corrected", "\(trees.corrected)"), ("malformed_messages", "\(statistics.malformed)"),
            ("expired_requests", "\(statistics.expired)"),
        ]
    }

    private var backend: Lines {
        let storage = door.node.backend.statistics()
        var lines: Lines = [
            ("backend", door.node.backend.properties.name),
            ("bytes_on_disk", "\(storage.bytesOnDisk)"), ("bytes_in_memory", "\(storage.bytesInMemory)"),
            ("bytes_applied", "\(storage.bytesApplied)"), ("bytes_written", "\(storage.bytesWritten)"),
            ("syncs", "\(storage.syncs)"),
        ]
        if let keys = storage.keys { lines.append(("keys", "\(keys)")) }
        for level in ReadLevel.allCases {
            if let count = storage.reads[level] { lines.append(("reads_\(level.rawValue)", "\(count)")) }
        }
        for counter in storage.counters { lines.append((counter.name, "\(counter.value)")) }
        return lines
    }

    /// The process's resident set, from /proc/self/statm.
    static var residentBytes: Int {
        let text = (try? SystemFile.read("/proc/self/statm")) ?? nil
        let fields = (text ?? "").split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }
}
