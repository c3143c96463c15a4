internal import MartletNode
public import MartletRuntime
internal import MartletServer

/// One node alone, with its disk and its calendar, which outlive its processes.
public final class OneNodeCluster: SimulatedCluster, @unchecked Sendable {  // confined to the simulation's thread
    private let executor: SimulationExecutor
    private let network: SimulatedNetwork
    private let choices: WorldChoices
    let disk: SimulatedDisk
    let clock: VirtualClock
    private let address = SocketAddress(host: "10.0.0.1", port: 7001)

    private var world: SimulatedEnvironment?
    private var running: (node: Node, server: Server)?
    /// Counts processes, so that word of a former one is not taken for the present one's.
    private var process = 0
    private var losses: [Evidence.Loss] = []
    private var skews: ClosedRange<Int64> = 0...0
    private var failures: [String] = []
    private(set) public var rarePaths: [String: Int] = [:]

    init(executor: SimulationExecutor, network: SimulatedNetwork, choices: WorldChoices) {
        self.executor = executor
        self.network = network
        self.choices = choices
        disk = SimulatedDisk(choices.disk, on: executor)
        clock = VirtualClock(executor)
    }

    public var clientAddresses: [SocketAddress] { [address] }
    public let nodeCount = 1

    /// It has nobody to agree with.
    public func settle(within limit: Duration, _ done: @escaping (Bool) -> Void) { done(true) }

    func count(_ path: String, _ times: Int = 1) { rarePaths[path, default: 0] += times }

    // MARK: Processes

    /// Whether a process of the node is there, well or paused.
    var isUp: Bool { world != nil }

    public func start() {
        guard world == nil else { return }
        process += 1
        let number = process
        let world = SimulatedEnvironment.make(
            on: executor, network: network, workers: choices.workers, clock: clock, disk: disk)
        self.world = world
        var settings = NodeSettings(cluster: "simulation", name: "node-0", durability: choices.durability)
        settings.workers = choices.workers
        settings.cacheBytes = choices.cacheBytes
        let (opening, environment) = (NodeOpening(kind: disk.kind, path: ""), world.environment)
        environment.spawn("node") { [self, settings] in
            do {
                let node = try Node.open(settings, opening, in: environment)
                await node.start()
                let server = try await Server.open(Server.Settings(address: address), for: node)
                if number == process { running = (node, server) }
            } catch {
                failedToStart(number, "\(error)")
            }
        }
    }

    private func failedToStart(_ number: Int, _ reason: String) {
        guard number == process else { return }
        count("start failed")
        executor.schedule(after: .milliseconds(100)) { [self] in
            guard number == process else { return }
            crash()
            start()
        }
    }

    /// Ends the process as a power failure does.
    func crash() {
        guard let world else { return }
        count("process killed")
        if let running { noteStatistics(running.node.statistics) }
        world.crash()
        self.world = nil
        running = nil
        process += 1
        accept(disk.crash())
    }

    /// A loss that the durability allows is told to the checkers; what was synced before it was acknowledged is not.
    private func accept(_ loss: SimulatedDisk.Loss?) {
        guard let loss else { return }
        count("batches lost at a crash")
        if choices.durability != .always { losses.append(Evidence.Loss(from: loss.from, at: executor.now)) }
    }

    /// A node that takes no writes any more is started anew, as its supervisor would.
    func replaceIfPoisoned() {
        guard disk.isPoisoned else { return }
        count("poisoned backend replaced")
        crash()
        start()
    }

    func pause() -> (() -> Void)? {
        guard let process = world?.process, process.state == .running else { return nil }
        process.pause()
        return { process.resume() }
    }

    /// Has each turn of its threads come late.
    func slow(_ lateness: Duration) -> (() -> Void)? {
        guard let process = world?.process, process.lateness == .zero else { return nil }
        process.lateness = lateness
        return { process.lateness = .zero }
    }

    // MARK: The calendar

    /// Notes how far the calendar may be read wrong; called before and after each change.
    func noteSkew() {
        let skew = clock.skewMicroseconds
        skews = min(skews.lowerBound, skew)...max(skews.upperBound, skew)
    }

    var time: MonotonicTime { executor.now }

    func breakConnections(probability: Double) -> Bool {
        network.breakStreams(to: address, probability: probability) > 0
    }

    var latency: ClosedRange<Int> {
        get { network.latency }
        set { network.latency = newValue }
    }

    // MARK: The end

    public func standings(of key: [UInt8]) -> [String] { [] }

    public func stop(_ done: @escaping ([String]) -> Void) {
        guard let world, let running else { return done(["no node is running at the end"]) }
        let finished = Confined(done)
        world.environment.spawn("stop") { [self] in
            await running.server.drain()
            do throws(StorageError) {
                noteStatistics(running.node.statistics)
                try await running.node.stop()
            } catch {
                failures.append("the node did not stop in order: \(error)")
            }
            finished.value(failures)
        }
    }

    private func noteStatistics(_ statistics: NodeStatistics) {
        count("damaged record read", Int(statistics.damagedRecords))
        count("record expired", Int(statistics.expiredRecords))
    }

    public func testify(_ evidence: inout Evidence) {
        evidence.losses = losses.sorted { $0.at < $1.at }
        evidence.clockSpread = .microseconds(skews.upperBound - skews.lowerBound)
        evidence.damagedKeys.formUnion(disk.damagedKeys.compactMap { History.Key(wire: $0) })
        let counters = disk.counters
        count("batch refused by a full disk", counters.refusals)
        count("sync failed", counters.failedSyncs)
        count("write failed", counters.failedWrites)
        count("read failed", counters.failedReads)
        count("unsynced batch survived a crash", counters.unsyncedBatches - counters.lostBatches)
        count("unsynced batch lost at a crash", counters.lostBatches)
    }
}
