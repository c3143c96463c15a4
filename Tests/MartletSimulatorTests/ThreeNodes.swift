import MartletCore
import MartletNode
import MartletRuntime
import MartletServer
import MemoryBackend
import Testing

@testable import MartletSimulator

/// Three nodes, or as many as it is given, joined by messages, and clients of another host. Disks, clocks and marks
/// outlive the processes.
final class ThreeNodes: @unchecked Sendable {  // confined to the simulation's thread
    /// What a node keeps its data on.
    enum Storage: Sendable {
        case memory
        case disk(Durability)
    }

    let host: SimulatedEnvironment
    let messages: MessageNetwork
    private let executor: SimulationExecutor
    private let network: SimulatedNetwork
    private let storages: [Storage]
    private var disks: [SimulatedDisk?] = []
    private let served: [ServedMark]
    private var worlds: [SimulatedEnvironment?]
    private(set) var nodes: [Node?]
    private var clients: [(node: Int, port: UInt16, client: OneCall, isFree: Bool)] = []
    /// Of each node; set before the start.
    var workers = 1
    /// For planted bugs.
    var settings = CatchUpSettings()
    var antiEntropy = AntiEntropySettings()
    var plantedBugs: PlantedNodeBugs = []
    var policy = ConflictPolicy.latest
    /// Who the nodes are, and how many of them hold a key. Set before the start.
    var members: [Member]
    var placement = Placement.count(3)
    /// Of nodes that know another epoch than 1.
    var epochs: [Int: UInt64] = [:]
    /// What commands need that do not say otherwise.
    var level = ConsistencyLevel.quorum
    /// Whether other nodes stand in for owners.
    var isSloppy = false
    var hints = HintedHandoffSettings()
    var tombstones = TombstoneCollectionSettings()

    convenience init(_ executor: SimulationExecutor, isVolatile: Bool) {
        self.init(executor, Array(repeating: isVolatile ? .memory : .disk(.always), count: 3))
    }

    init(_ executor: SimulationExecutor, _ storages: [Storage]) {
        self.executor = executor
        self.storages = storages
        served = storages.map { _ in ServedMark.inMemory() }
        worlds = storages.map { _ in nil }
        nodes = storages.map { _ in nil }
        members = storages.indices.map { Member(id: UInt32($0 + 1), name: "n\($0 + 1)") }
        network = SimulatedNetwork(executor)
        messages = MessageNetwork(executor)
        host = SimulatedEnvironment.make(on: executor, network: network, workers: 1)
        disks = storages.map { storage in
            if case .memory = storage { return nil }
            return SimulatedDisk(SimulatedDisk.Settings(readsMayBlock: true), on: executor)
        }
    }

    private func address(_ node: Int, _ port: UInt16 = 7001) -> SocketAddress {
        SocketAddress(host: "10.0.0.\(node + 1)", port: port)
    }

    private func clusterAddresses(_ node: Int) -> [SocketAddress] {
        (0..<workers).map { address(node, 27001 + UInt16($0)) }
    }

    func start() async {
        for node in storages.indices { await start(node) }
        await pause(.seconds(1))  // until all links are open and all that is empty is founded
    }

    /// Starts a node, or its next process.
    func start(_ node: Int) async {
        let world = SimulatedEnvironment.make(on: executor, network: network, workers: workers, disk: disks[node])
        worlds[node] = world
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            world.environment.spawn("node") { [self] in
                await run(node, world)
                done.resume()
            }
        }
    }

    private func run(_ index: Int, _ world: SimulatedEnvironment) async {
        do {
            let ring = try Ring(members: members, placement: placement)
            var durability = Durability.none
            if case .disk(let asked) = storages[index] { durability = asked }
            var settings = NodeSettings(cluster: "sim", name: "n\(index + 1)", durability: durability)
            settings.catchUp = self.settings
            settings.antiEntropy = antiEntropy
            settings.plantedBugs = plantedBugs
            settings.workers = workers
            settings.hints = hints
            settings.tombstones = tombstones
            settings.keyspaces[0].conflicts = policy
            var opening = NodeOpening(kind: disks[index]?.kind ?? .memory, path: "")
            opening.served = served[index]
            let node = try Node.open(settings, opening, in: world.environment)
            var transports: [Confined<any Transport>] = []
            for (worker, loop) in world.loops.enumerated() {
                let transport = messages.makeTransport(
                    node: UInt32(index + 1), incarnation: node.incarnation, worker: worker, of: workers, on: loop)
                for peer in members.map(\.id) where peer != UInt32(index + 1) { transport.connect(to: peer) }
                transports.append(Confined(transport, on: loop))
            }
            await node.start()
            var keyspace = ClusterMembership.Keyspace(ring: ring, node: UInt32(index + 1))
            keyspace.policy = policy
            (keyspace.read, keyspace.write) = (level, level)
            keyspace.isSloppy = isSloppy
            var membership = ClusterMembership(
                epoch: epochs[index] ?? 1, node: UInt32(index + 1), keyspaces: [keyspace])
            membership.members = members.map(member)
            await node.join(membership, over: transports)
            var door = Server.Settings(address: address(index))
            door.clusterAddresses = clusterAddresses(index)
            _ = try await Server.open(door, for: node)
            nodes[index] = node
        } catch {
            Issue.record("node \(index): \(error)")
        }
    }

    private func member(_ member: Member) -> ClusterMember {
        let index = Int(member.id) - 1
        var known = ClusterMember(
            member, clients: address(index), clusterClients: clusterAddresses(index), nodes: address(index, 17001))
        if case .memory = storages[index] { known.maximumDurability = .none }
        return known
    }

    /// Ends a node's process as a power failure does.
    func crash(_ node: Int) {
        messages.crash(node: UInt32(node + 1))
        worlds[node]?.crash()
        worlds[node] = nil
        nodes[node] = nil
        disks[node]?.crash()
        for index in clients.indices where clients[index].node == node { clients[index].client.isGone = true }
    }

    /// Gives a node that is down another disk, with nothing on it.
    func wipe(_ node: Int) { disks[node] = SimulatedDisk(SimulatedDisk.Settings(readsMayBlock: true), on: executor) }

    /// Flips a bit of a record that a node stores; the client's key of it.
    func flipBit(_ node: Int) -> [UInt8]? { disks[node]?.flipBit() }

    /// Has a node's disk answer its next read of a client's key with another record.
    func misdirectRead(_ node: Int) { disks[node]?.misdirectedReads = 1 }

    /// Has a node's disk not write the next record of a client's key, and say that it has.
    func losePut(_ node: Int) { disks[node]?.phantomWrites = 1 }

    /// Has a node's disk take nothing more, or again.
    func fill(_ node: Int, _ isFull: Bool = true) { disks[node]?.isFull = isFull }

    /// Ends a node's process in order.
    func stop(_ node: Int) async {
        do throws(StorageError) {
            try await nodes[node]?.stop()
        } catch {
            Issue.record("node \(node): \(error)")
        }
        crash(node)
    }

    /// Takes away the links between some nodes and the others, until ``heal()``.
    func separate(_ nodes: Range<Int>) {
        let others = storages.indices.filter { !nodes.contains($0) }
        messages.faults.partition(nodes.map { UInt32($0 + 1) }, from: others.map { UInt32($0 + 1) })
    }

    func heal() { messages.faults.heal() }

    /// Sets a node's calendar.
    func jump(_ node: Int, by duration: Duration) {
        worlds[node]?.clock.jump(microseconds: duration.inNanoseconds / 1000)
    }

    /// Has a node do nothing more; its links stay open.
    func freeze(_ node: Int) { worlds[node]?.process.pause() }

    /// Has it go on.
    func thaw(_ node: Int) { worlds[node]?.process.resume() }

    /// What a running node holds for others.
    func hints(_ node: Int) -> HintStatus { nodes[node]?.clusterStatistics.hints ?? HintStatus() }

    var now: MonotonicTime { executor.now }

    func pause(_ duration: Duration) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            host.loops[0].schedule(after: duration) { done.resume() }
        }
    }

    /// How far each running node's replicas are.
    func status(_ node: Int) async -> CatchUpStatus? {
        guard let node = nodes[node] else { return nil }
        var sum = await node.coordinators[0].catchUpStatus
        for coordinator in node.coordinators.dropFirst() {
            guard let more = await coordinator.catchUpStatus else { continue }
            sum?.inNeed += more.inNeed
            sum?.founded += more.founded
            sum?.lost += more.lost
        }
        return sum
    }

    /// How many milliseconds a node holds its own calendar to be ahead.
    func clockOffset(_ node: Int) async -> Int64 { await nodes[node]?.coordinators[0].clockOffset ?? 0 }

    /// What each node holds, as one number; equal numbers are equal data.
    func digests() async -> [String] {
        var digests: [String] = []
        for node in nodes {
            guard let node, let digest = try? await node.replicas[0].digest(keyspace: 0) else {
                digests.append("down")
                continue
            }
            digests.append("\(digest.records) records, \(digest.sum)")
        }
        return digests
    }

    /// Sends one command to a node, by its plain port or a worker's cluster port; the reply in short, as ``OneCall``
    /// has it.
    func call(_ node: Int, _ arguments: [String], byPortOf worker: Int? = nil) async -> String {
        OneCall.short(await ask(node, arguments.map { Array($0.utf8) }, byPortOf: worker))
    }

    /// Sends one command to a node.
    func ask(_ node: Int, _ arguments: [[UInt8]], byPortOf worker: Int? = nil) async -> ReplyReader.Reply {
        guard nodes[node] != nil else { return .malformed("down") }
        let index: Int
        let port = worker.map { UInt16(27001 + $0) } ?? 7001
        let free = clients.firstIndex {
            $0.node == node && $0.port == port && $0.isFree && !$0.client.isGone
        }
        if let free {
            index = free
        } else {
            index = clients.count
            let client = OneCall()
            clients.append((node, port, client, false))
            await client.connect(to: address(node, port), on: host.loops[0])
        }
        clients[index].isFree = false
        defer { clients[index].isFree = true }
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { bytes += Array("$\(argument.count)\r\n".utf8) + argument + [13, 10] }
        return await clients[index].client.call(bytes)
    }
}

/// A connection that asks one thing at a time.
final class OneCall: StreamHandler {
    private var stream: (any ByteStream)?
    private var replies = ReplyReader()
    private var waiter: CheckedContinuation<ReplyReader.Reply, Never>?
    private var whenOpen: CheckedContinuation<Void, Never>?
    /// Its node's process ended.
    var isGone = false

    func connect(to address: SocketAddress, on loop: SimulatedEventLoop) async {
        let me = Confined(self)
        await withCheckedContinuation { (open: CheckedContinuation<Void, Never>) in
            loop.post {
                me.value.whenOpen = open
                me.value.stream = try? loop.connect(to: address, handler: me.value)
            }
        }
    }

    func call(_ command: [UInt8]) async -> ReplyReader.Reply {
        guard !isGone else { return .malformed("closed") }
        return await withCheckedContinuation { continuation in
            waiter = continuation
            _ = stream?.write { $0.append(command) }
        }
    }

    func opened() {
        whenOpen?.resume()
        whenOpen = nil
    }

    func received(_ bytes: RawSpan) {
        replies.append(bytes.array)
        guard let waiter, let reply = replies.next() else { return }
        self.waiter = nil
        waiter.resume(returning: reply)
    }

    func closed(_ error: StreamError?) {
        isGone = true
        opened()
        waiter?.resume(returning: .malformed("closed"))
        waiter = nil
    }

    /// A reply in short: its mark and text, of an array its elements' after it.
    static func short(_ reply: ReplyReader.Reply) -> String {
        switch reply {
        case .line(let text): "+" + text
        case .error(let text): "-" + text
        case .integer(let number): ":\(number)"
        case .bulk(let bytes): "$" + (bytes.map { String(decoding: $0, as: UTF8.self) } ?? "-")
        case .array(let elements): "*" + elements.map(short).joined()
        case .malformed(let text): text == "closed" || text == "down" ? text : "malformed: " + text
        }
    }
}
