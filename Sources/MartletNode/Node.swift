internal import MartletCore
public import MartletRuntime
internal import Synchronization

/// One node: its backend, its workers and what holds them together.
///
/// ```swift
/// let node = try Node.open(settings, kind: .memory, in: environment)
/// await node.start()
/// ...
/// try await node.stop()
/// ```
public actor Node {
    public nonisolated let settings: NodeSettings
    public nonisolated let environment: NodeEnvironment
    /// One per worker.
    public nonisolated let coordinators: [ReplicaCoordinator]
    public nonisolated let replicas: [Replica]
    public nonisolated let backend: any StorageBackend
    public nonisolated let incarnation: UInt64
    /// Whether the node found data of a former run that was not closed in order.
    public nonisolated let startedUnclean: Bool
    /// Passed by commands over the keys of several workers.
    public nonisolated let multiKeyGate: MultiKeyGate
    /// How much it has taken on, and whether it takes more.
    public nonisolated let load: NodeLoad
    private let directory: DataDirectory?
    private let committer: Committer?
    private let counters: [Lock<StoreCounters>]
    /// One per worker.
    nonisolated let clusterCounters: [ClusterCounters]
    private let reads: [BlockingReads]
    private let writer: (any BlockingExecutor)?
    private let noteLoss: (@Sendable (DataLoss) -> Void)?
    private let noteLiveness: (@Sendable (UInt32, Liveness) -> Void)?
    private var syncTimer: (any LoopTimer)?
    private var loadTimer: (any LoopTimer)?
    private var isStopped = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe environment.loops[0].asUnownedSerialExecutor()
    }

    init(_ assembly: NodeAssembly) {
        settings = assembly.settings
        load = assembly.load
        environment = assembly.environment
        coordinators = assembly.coordinators
        replicas = assembly.replicas
        backend = assembly.backend
        incarnation = assembly.incarnation
        startedUnclean = assembly.startedUnclean
        multiKeyGate = MultiKeyGate(loop: assembly.environment.loops[0])
        directory = assembly.directory
        committer = assembly.committer
        counters = assembly.counters
        clusterCounters = assembly.coordinators.map { _ in ClusterCounters() }
        reads = assembly.reads
        writer = assembly.writer
        noteLoss = assembly.noteLoss
        noteLiveness = assembly.noteLiveness
    }

    /// Begins the node's own work: interval syncs, sweeps, the watch for standstills, the rest of a flush that a crash
    /// cut short.
    public func start() {
        for (worker, replica) in replicas.enumerated() {
            environment.spawn("sweep", on: worker) { await replica.sweep() }
        }
        let first = replicas[0]
        for keyspace in settings.keyspaces.indices {
            environment.spawn("reclaim") { await first.reclaim(keyspace: keyspace) }
        }
        for coordinator in coordinators {
            coordinator.loop.post { coordinator.assumeIsolated { $0.watchForStandstills() } }
        }
        if settings.durability == .interval { scheduleSync() }
        if settings.memoryLimit > 0 { measureLoad() }
    }

    /// Makes the node one of several: from now on it serves its peers, and what clients write is replicated.
    ///
    /// Called once, before clients are let in; `transports` are the workers', in order, on their loops.
    public func join(_ membership: ClusterMembership, over transports: [Confined<any Transport>]) async {
        for (worker, (coordinator, transport)) in zip(coordinators, transports).enumerated() {
            let opening = CatchUpOpening(
                settings: settings.catchUp, hints: settings.hints, seed: environment.random.next(),
                log: environment.log,
                noteLoss: noteLoss, counters: clusterCounters[worker])
            await coordinator.join(membership, over: transport, opening)
        }
        for worker in coordinators.indices { await coordinators[worker].raiseGenerations(of: self, worker) }
        let all = coordinators
        await coordinators[0].watch(
            incarnation: incarnation, seed: environment.random.next(), log: environment.log, noteLiveness: noteLiveness
        ) { node, isAvoided in
            for coordinator in all {
                coordinator.loop.post { coordinator.assumeIsolated { $0.avoid(node, isAvoided) } }
            }
        } setClock: { reference in
            for coordinator in all {
                coordinator.loop.post { coordinator.assumeIsolated { $0.setClock(reference) } }
            }
        }
    }

    private func measureLoad() {
        load.measure()
        let me = self
        loadTimer = environment.loops[0].schedule(after: NodeLoad.period) {
            me.assumeIsolated { if !$0.isStopped { $0.measureLoad() } }
        }
    }

    private func scheduleSync() {
        let loop = environment.loops[0]
        let me = self
        syncTimer = loop.schedule(after: settings.syncInterval) {
            me.assumeIsolated { node in
                guard !node.isStopped else { return }
                node.committer?.syncInterval()
                node.scheduleSync()
            }
        }
    }

    /// The worker that a key belongs to.
    public nonisolated func worker(of key: RawSpan) -> Int {
        Partition.worker(of: key, workers: coordinators.count, partitions: settings.partitions)
    }

    /// Records of a keyspace, counted if their number is not known.
    public func count(keyspace: Int) async throws(StorageError) -> Int {
        if let count = await replicas[0].count(keyspace: keyspace) { return count }
        var count = 0
        var place: UInt64? = 0
        while let from = place {
            let page = try await replicas[0].page(keyspace: keyspace, from: from, limit: 10_000)
            count += page.records
            place = page.next
        }
        return count
    }

    /// Finishes what is under way, syncs, and closes the backend. The front doors are closed before.
    ///
    /// - Throws: what failed last; the backend is closed all the same, but not as one that was closed in order.
    public func stop() async throws(StorageError) {
        guard !isStopped else { return }
        isStopped = true
        syncTimer?.cancel()
        loadTimer?.cancel()
        for coordinator in coordinators { await coordinator.leave() }
        for replica in replicas { await replica.stop() }
        for coordinator in coordinators { await coordinator.keepTrees() }
        var counts: [Int?] = []
        for keyspace in settings.keyspaces.indices { counts.append(await replicas[0].count(keyspace: keyspace)) }
        var failure: StorageError?
        do throws(StorageError) {
            try await replicas[0].recordCounts(counts, marksClose: directory == nil)
        } catch {
            failure = error
        }
        await replicas[0].settled()
        for reads in reads { reads.shutdown() }
        writer?.shutdown()
        for replica in replicas { await replica.releaseReader() }
        do throws(StorageError) {
            try backend.close()
            if failure == nil { try directory?.update { $0.marks["clean"] = "yes" } }
        } catch {
            failure = error
        }
        directory?.close()
        if let failure { throw failure }
    }

    /// The workers' and the committer's counters, for INFO.
    public nonisolated var statistics: NodeStatistics {
        var statistics = NodeStatistics()
        for published in counters {
            let counters = published.withLock { $0 }
            statistics.cacheHits += counters.cacheHits
            statistics.cacheMisses += counters.cacheMisses
            statistics.damagedRecords += counters.damaged
            statistics.expiredRecords += counters.expired
        }
        if let committer {
            committer.counters.withLock { counters in
                statistics.commits = counters.batches
                statistics.commitOperations = counters.operations
                statistics.commitSyncs = counters.syncs
                statistics.commitMedianNanoseconds = counters.durations.percentile(50)
                statistics.commitP99Nanoseconds = counters.durations.percentile(99)
            }
        }
        return statistics
    }
}

/// What a node counts.
public struct NodeStatistics: Sendable {
    public var cacheHits: UInt64 = 0
    public var cacheMisses: UInt64 = 0
    public var damagedRecords: UInt64 = 0
    public var expiredRecords: UInt64 = 0
    public var commits: UInt64 = 0
    public var commitOperations: UInt64 = 0
    public var commitSyncs: UInt64 = 0
    /// How long the backend takes for a batch, its sync included; since the start.
    public var commitMedianNanoseconds: UInt64 = 0
    public var commitP99Nanoseconds: UInt64 = 0
}
