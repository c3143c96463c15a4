internal import MartletCore
internal import MartletNode
internal import MartletRuntime
internal import MartletServer

/// One of the nodes of a ``ReplicatedCluster``: what outlives its processes, and the one that runs.
final class ReplicatedNode: @unchecked Sendable {  // confined to the simulation's thread
    let id: UInt32
    let storage: ReplicatedChoices.Storage
    let address: SocketAddress
    let clock: VirtualClock
    private(set) var disk: SimulatedDisk
    let served = ServedMark.inMemory()
    private unowned let cluster: ReplicatedCluster

    private(set) var world: SimulatedEnvironment?
    private(set) var running: (node: Node, server: Server)?
    /// Counts processes, so that word of a former one is not taken for the present one's.
    private(set) var process = 0
    /// Whether it knows another topology than the others.
    var isForeign = false
    /// When the present process began.
    private(set) var startedAt = MonotonicTime(nanoseconds: 0)

    init(_ cluster: ReplicatedCluster, id: UInt32, _ storage: ReplicatedChoices.Storage) {
        self.cluster = cluster
        self.id = id
        self.storage = storage
        address = SocketAddress(host: "10.0.0.\(id)", port: 7001)
        clock = VirtualClock(cluster.executor)
        disk = SimulatedDisk(storage.disk, on: cluster.executor)
        disk.plantedBug = cluster.plantedBug
    }

    /// Whether a process of the node is there, well or paused.
    var isUp: Bool { world != nil }

    // MARK: Processes

    func start() {
        guard world == nil else { return }
        process += 1
        startedAt = cluster.executor.now
        let world = SimulatedEnvironment.make(
            on: cluster.executor, network: cluster.network, workers: cluster.choices.workers, clock: clock, disk: disk)
        self.world = world
        let number = process
        cluster.noteStart(self)
        world.environment.spawn("node") { [self] in
            do {
                try await open(world, number)
            } catch {
                failedToStart(number)
            }
        }
    }

    private func open(_ world: SimulatedEnvironment, _ number: Int) async throws {
        var settings = cluster.nodeSettings(of: self)
        settings.id = id
        var opening = NodeOpening(kind: disk.kind, path: "")
        opening.served = served
        opening.noteLoss = { [self] loss in cluster.note(loss, of: self) }
        opening.noteLiveness = { [self] of, liveness in
            if number == process { cluster.heard(liveness, of: of, by: id) }
        }
        let node = try Node.open(settings, opening, in: world.environment)
        var transports: [Confined<any Transport>] = []
        for (worker, loop) in world.loops.enumerated() {
            let transport = cluster.messages.makeTransport(
                node: id, incarnation: node.incarnation, worker: worker, of: world.loops.count, on: loop)
            for peer in cluster.nodes where peer.id != id { transport.connect(to: peer.id) }
            transports.append(Confined(transport, on: loop))
        }
        await node.start()
        await node.join(cluster.membership(of: self), over: transports)
        let server = try await Server.open(Server.Settings(address: address), for: node)
        if number == process { running = (node, server) }
    }

    private func failedToStart(_ number: Int) {
        guard number == process else { return }
        cluster.count("start failed")
        cluster.executor.schedule(after: .milliseconds(100)) { [self] in
            guard number == process else { return }
            crash()
            start()
        }
    }

    /// Ends the process as a power failure does.
    func crash() {
        guard let world else { return }
        cluster.count("process killed")
        if let running { cluster.noteStatistics(of: running.node) }
        cluster.messages.crash(node: id)
        world.crash()
        self.world = nil
        running = nil
        process += 1
        let held = disk.hints()
        disk.crash()
        let kept = disk.hints()
        cluster.noteLost(hints: held.keys.filter { kept[$0] != held[$0] })
    }

    /// Takes away all that it stored, with its process.
    func wipe() {
        crash()
        cluster.noteLost(hints: Array(disk.hints().keys))
        disk = SimulatedDisk(storage.disk, on: cluster.executor)
        disk.plantedBug = cluster.plantedBug
    }

    /// A node that takes no writes any more is started anew, as its supervisor would.
    func replaceIfPoisoned() {
        guard disk.isPoisoned else { return }
        cluster.count("poisoned backend replaced")
        crash()
        start()
    }

    func pause() -> (() -> Void)? {
        guard let process = world?.process, process.state == .running else { return nil }
        process.pause()
        return { process.resume() }
    }
}
