internal import MartletCore
internal import MartletNode
public import MartletRuntime
internal import MartletServer

/// Several nodes that act as one store, joined by a ``MessageNetwork``; clients connect to any of them.
///
/// What is lost is told by the nodes themselves: a replica that lost data and came up from too few others that had kept
/// theirs says for which slots, and only what was written there before its start is excused.
public final class ReplicatedCluster: SimulatedCluster, @unchecked Sendable {  // confined to the simulation's thread
    let executor: SimulationExecutor
    let network: SimulatedNetwork
    let messages: MessageNetwork
    let choices: ReplicatedChoices
    let plantedBug: PlantedBug?
    let random: SeededRandomSource
    /// Where what asks the nodes from outside runs.
    let operators: SimulatedEnvironment
    private(set) var nodes: [ReplicatedNode] = []
    let ring: Ring
    /// What nodes of a foreign epoch go by.
    let foreignRing: Ring
    /// The keyspace on the one ring and on the other, as seen from each data center; made once, since it is as large as
    /// the ring.
    private var keyspaces: [String: ClusterMembership.Keyspace] = [:]
    private var foreignKeyspaces: [String: ClusterMembership.Keyspace] = [:]
    /// Hears what nodes hold of others: of whom, and who does.
    var noteLiveness: (Liveness, UInt32, UInt32) -> Void = { _, _, _ in }
    /// How often each way between nodes is blocked by faults that overlap.
    var blockings: [FaultyLinks.Direction: Int] = [:]

    /// The nodes that are gone, if any, and those that were.
    var outage: Outage?
    var absences: [Evidence.Absence] = []
    private var losses: [Evidence.Loss] = []
    /// By key the nodes that did not write what they said they wrote.
    private var phantoms: [History.Key: Set<UInt32>] = [:]
    private var skews: ClosedRange<Int64> = 0...0
    private var digests: [Evidence.ReplicaDigest] = []
    private var complaints: [String] = []
    private(set) public var rarePaths: [String: Int] = [:]

    init(
        executor: SimulationExecutor, network: SimulatedNetwork, choices: ReplicatedChoices, plantedBug: PlantedBug?
    ) {
        self.executor = executor
        self.network = network
        self.choices = choices
        self.plantedBug = plantedBug
        random = executor.random.split()
        messages = MessageNetwork(executor)
        messages.faults.idleTimeout = choices.idleTimeout
        operators = SimulatedEnvironment.make(on: executor, network: network, workers: 1)
        ring = Self.ring(choices)
        foreignRing = choices.hasForeign ? Self.ring(choices, isForeign: true) : ring
        let isSloppy = choices.isSloppy || plantedBug == .hintCountedInStrict
        for member in ring.members where keyspaces[member.dataCenter] == nil {
            let center = member.dataCenter
            keyspaces[center] = Self.keyspace(choices, on: ring, seenBy: member.id, isSloppy)
            guard choices.hasForeign else { continue }
            foreignKeyspaces[center] = Self.keyspace(choices, on: foreignRing, seenBy: member.id, isSloppy)
        }
        nodes = choices.storages.enumerated().map { ReplicatedNode(self, id: UInt32($0 + 1), $1) }
    }

    private static func ring(_ choices: ReplicatedChoices, isForeign: Bool = false) -> Ring {
        let members = choices.racks.enumerated().map { index, rack in
            Member(
                id: UInt32(index + 1), name: "n\(index + 1)", weight: isForeign ? 1 + index % 3 : 1,
                rack: isForeign ? "" : "r\(rack)", dataCenter: choices.centers?[index] ?? "")
        }
        do throws(PlacementError) {
            return try Ring(members: members, partitions: choices.partitions, placement: choices.placement)
        } catch {
            preconditionFailure("no ring of \(choices.shown): \(error)")
        }
    }

    private static func keyspace(
        _ choices: ReplicatedChoices, on ring: Ring, seenBy node: UInt32, _ isSloppy: Bool
    ) -> ClusterMembership.Keyspace {
        var keyspace = ClusterMembership.Keyspace(ring: ring, node: node)
        keyspace.policy = choices.policy
        (keyspace.read, keyspace.write) = choices.levels
        keyspace.isSloppy = isSloppy
        return keyspace
    }

    public var clientAddresses: [SocketAddress] { nodes.map(\.address) }
    public var nodeCount: Int { nodes.count }

    func count(_ path: String, _ times: Int = 1) { rarePaths[path, default: 0] += times }

    /// The node that a fault hits.
    func node(_ fault: PlannedFault) -> ReplicatedNode { nodes[fault.node % nodes.count] }

    // MARK: Processes

    public func start() { for node in nodes { node.start() } }

    func nodeSettings(of node: ReplicatedNode) -> NodeSettings {
        var settings = NodeSettings(
            cluster: "simulation", name: "n\(node.id)", durability: node.storage.durability)
        settings.workers = choices.workers
        settings.cacheBytes = node.storage.cacheBytes
        settings.catchUp = choices.catchUp
        settings.antiEntropy = choices.antiEntropy
        settings.tombstones = choices.tombstones
        (settings.hints.bytes, settings.hints.bytesPerTarget) = (choices.hintBytes, choices.hintBytes)
        settings.hints.rates = choices.hintRate...choices.hintRate
        settings.plantedBugs = plantedBug?.inNodes ?? []
        if plantedBug == .caughtUpFromOne { settings.catchUp.plantedNeed = 1 }
        return settings
    }

    func membership(of node: ReplicatedNode) -> ClusterMembership {
        let center = ring.members[Int(node.id) - 1].dataCenter
        let keyspace = (node.isForeign ? foreignKeyspaces : keyspaces)[center]!
        return ClusterMembership(epoch: node.isForeign ? 2 : 1, node: node.id, keyspaces: [keyspace])
    }

    /// Whether every node runs, is caught up and has a link to every other.
    var isFormed: Bool {
        nodes.allSatisfy { node in
            guard let statistics = node.running?.node.clusterStatistics else { return false }
            return statistics.openLinks == (nodes.count - 1) * choices.workers && statistics.catchUp.inNeed == 0
        }
    }

    // MARK: Losses

    /// A node says that data may be lost that it held before its start.
    func note(_ loss: DataLoss, of node: ReplicatedNode) {
        let path =
            loss.isDamage
            ? "damaged record came back from too few owners"
            : loss.isFounding ? "partition founded anew" : "partition came up from too few owners"
        count(path, loss.slots.count)
        let at = loss.isDamage ? executor.now : node.startedAt
        losses.append(Evidence.Loss(at: at, slots: loss.slots))
    }

    /// One acknowledgement is no replica more than the one that gave it: with W=1 its loss is the write's.
    func noteStart(_ node: ReplicatedNode) {
        guard node.process > 1, choices.write == 1, !node.storage.isSafe else { return }
        noteLossOfSole(node)
    }

    func noteLossOfSole(_ node: ReplicatedNode) {
        guard let index = ring.index(ofNode: node.id) else { return }
        let slots = (0..<ring.partitions).filter { ring.place(of: index, inPartition: $0) != nil }
            .map { ring.slots(ofPartition: $0) }
        losses.append(Evidence.Loss(at: executor.now, slots: slots))
    }

    /// With W=1 what is damaged may be all that there was of a write.
    func noteDamage(of key: [UInt8]) {
        if choices.write == 1 { noteLoss(of: key) }
    }

    /// A second owner that did not write a record may have been the other one that acknowledged it.
    func notePhantom(of key: [UInt8], on node: ReplicatedNode) {
        guard let known = History.Key(wire: key) else { return }
        phantoms[known, default: []].insert(node.id)
        if choices.write == 1 || phantoms[known]!.count > 1 { noteLoss(of: key) }
    }

    private func noteLoss(of key: [UInt8]) {
        let slot = Int(withBytes(of: key) { Slot.of($0) })
        losses.append(Evidence.Loss(at: executor.now, slots: [slot..<slot + 1]))
    }

    /// Hints that a node held are gone, or not what they were: what they were counted for may be.
    func noteLost(hints keys: [[UInt8]]) {
        guard choices.hasStandIns, !keys.isEmpty else { return }
        count("hint lost", keys.count)
        let slots = Set(
            keys.compactMap { key in
                withBytes(of: key) { try? Hint.read(key: $0).storedKey }.map { key in
                    withBytes(of: key) { Int($0.bigEndian(9, as: UInt16.self)) }
                }
            })
        losses.append(Evidence.Loss(at: executor.now, slots: slots.sorted().map { $0..<$0 + 1 }))
    }

    // MARK: The calendars

    /// Notes how far the calendars may be read wrong; called before and after each change.
    func noteSkew() {
        for node in nodes {
            let skew = node.clock.skewMicroseconds
            skews = min(skews.lowerBound, skew)...max(skews.upperBound, skew)
        }
    }

    // MARK: The end

    /// Asks all nodes again and again until each is caught up and all owners of a partition hold the same.
    public func settle(within limit: Duration, _ done: @escaping (Bool) -> Void) {
        let finished = Confined(done)
        let deadline = executor.now.advanced(by: limit)
        operators.environment.spawn("settle") { [self] in
            var isSettled = await isSettled()
            while !isSettled, executor.now < deadline {
                await pause(.milliseconds(500))
                isSettled = await self.isSettled()
            }
            if !isSettled { complaints += differences() + standings() }
            finished.value(isSettled)
        }
    }

    private func pause(_ duration: Duration) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            operators.loops[0].schedule(after: duration) { done.resume() }
        }
    }

    private func isSettled() async -> Bool {
        (digests, complaints) = ([], [])
        for node in nodes { await ask(node) }
        let byPartition = Dictionary(grouping: digests, by: \.partition)
        return complaints.isEmpty && byPartition.allSatisfy { Set($0.value.map(\.digest)).count == 1 }
    }

    private func ask(_ node: ReplicatedNode) async {
        guard let (running, _) = node.running else { return complaints.append("node \(node.id) is not running") }
        var inNeed = 0
        for coordinator in running.coordinators { inNeed += await coordinator.catchUpStatus?.inNeed ?? 1 }
        let trees = running.clusterStatistics.antiEntropy
        if trees.corrected > 0, trees.damaged == 0, node.disk.counters.phantomWrites == 0 {
            complaints.append("node \(node.id) had \(trees.corrected) leaves wrong with no damage")
        }
        let hints = running.clusterStatistics.hints.held
        if hints > 0 { complaints.append("node \(node.id) holds \(hints) hints") }
        if inNeed > 0 { complaints.append("node \(node.id) is not caught up on \(inNeed) partitions") }
        guard let found = try? await running.replicas[0].digests(keyspace: 0, partitions: ring.partitions) else {
            return complaints.append("node \(node.id) cannot be asked for its digests")
        }
        for partition in 0..<ring.partitions {
            let owners = ring.owners(ofPartition: partition).map { ring.members[$0].id }
            if owners.contains(node.id) {
                digests.append(
                    Evidence.ReplicaDigest(
                        partition: partition, node: Int(node.id), digest: found[partition]?.sum ?? 0))
            } else if let foreign = found[partition] {
                complaints.append(
                    "node \(node.id) holds \(foreign.records) records of partition \(partition), not its own")
            }
        }
    }

    public func stop(_ done: @escaping ([String]) -> Void) {
        let finished = Confined(done)
        operators.environment.spawn("stop") { [self] in
            var failures: [String] = []
            for node in nodes {
                guard let (running, server) = node.running else {
                    failures.append("node \(node.id) is not running at the end")
                    continue
                }
                await server.drain()
                noteStatistics(of: running)
                do throws(StorageError) {
                    try await running.stop()
                } catch {
                    failures.append("node \(node.id) did not stop in order: \(error)")
                }
            }
            finished.value(failures)
        }
    }

    func noteStatistics(of node: Node) {
        let statistics = node.statistics
        let hints = node.clusterStatistics.hints.counters
        let tombstones = node.clusterStatistics.tombstones
        count("tombstone erased", Int(tombstones.erased))
        count("collection of tombstones came to nothing", Int(tombstones.failures))
        count("hint stored", Int(hints.kept))
        count("hint replayed", Int(hints.replayed))
        count("hint dropped for want of room", Int(hints.dropped))
        count("hint given up, void or damaged", Int(hints.expired + hints.void + hints.damaged))
        count("damaged record read", Int(statistics.damagedRecords))
        count("record expired", Int(statistics.expiredRecords))
    }

    public func testify(_ evidence: inout Evidence) {
        evidence.losses = losses.sorted { $0.at < $1.at }
        evidence.clockSpread = .microseconds(skews.upperBound - skews.lowerBound)
        evidence.setsAreAtomic = false
        evidence.isReplicated = true
        evidence.readsAreRegular = choices.isStrict
        evidence.readsGoForward = choices.isStrict && choices.readsMeet
        // Where a write need not see the one before, the greater stamp wins, and stamps follow the clocks: these may be
        // ahead by the bound and by a lease that a restart goes on from.
        if !choices.isStrict || choices.policy == .latest {
            evidence.orderTolerance = evidence.clockSpread + .milliseconds(800)
        }
        evidence.phantomKeys = Set(phantoms.keys)
        evidence.absences = absences
        evidence.digests = digests
        evidence.complaints += complaints
        for node in nodes {
            evidence.damagedKeys.formUnion(node.disk.damagedKeys.compactMap { History.Key(wire: $0) })
            noteCounters(node.disk.counters)
        }
        let links = messages.counters
        count("link broken by a fault", Int(links.resets + links.timeouts))
        count("message lost with its link", Int(links.dropped))
        count("message held by a partition", Int(links.held))
        count("message clogged", Int(links.clogged))
        count("message not taken", Int(links.declined))
    }

    private func noteCounters(_ counters: SimulatedDisk.Counters) {
        count("batch refused by a full disk", counters.refusals)
        count("sync failed", counters.failedSyncs)
        count("write failed", counters.failedWrites)
        count("read failed", counters.failedReads)
        count("record not written, as nobody was told", counters.phantomWrites)
        count("unsynced batch survived a crash", counters.unsyncedBatches - counters.lostBatches)
        count("unsynced batch lost at a crash", counters.lostBatches)
    }
}
