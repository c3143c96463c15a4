public import MartletCore
internal import MartletRuntime

/// What a node sees of its cluster at one moment.
public struct ClusterCondition: Sendable {
    /// This node's part in one keyspace.
    public struct Keyspace: Sendable {
        /// Partitions that the node owns a replica of.
        public var partitions = 0
        /// Of these, partitions that do not count yet: they may lack what was acknowledged.
        public var inNeed = 0
        /// Since the start: partitions that every owner had lost, or that are new.
        public var founded = 0
        /// Since the start: partitions in which acknowledged writes may be lost.
        public var lost = 0
    }

    /// Another node as this one sees it.
    public struct Peer: Sendable {
        public var node: UInt32
        /// Links that are open, of ``links``: one for each worker.
        public var openLinks: Int
        public var links: Int
        /// For how long the link has been as it is; the shortest of several.
        public var since: Duration
        /// The data set at the other end of the last link.
        public var incarnation: UInt64?
        /// Partitions shared with this node that it said it is in need of; nil if it has not said.
        public var inNeed: Int?
        /// What this node's failure detector holds of it, and for how long it has.
        public var liveness = Liveness.alive
        public var livenessSince = Duration.zero
        /// How long ago it answered a probe of this node's; nil if it never did.
        public var lastAnswer: Duration?
    }

    /// By keyspace, in the order of the node's settings.
    public var keyspaces: [Keyspace]
    /// By id.
    public var peers: [Peer]
    /// By how many milliseconds this node's wall clock is ahead of the cluster's, as far as is known.
    public var clockOffset: Int64 = 0

    mutating func add(_ other: ClusterCondition) {
        for (index, keyspace) in other.keyspaces.enumerated() {
            keyspaces[index].partitions += keyspace.partitions
            keyspaces[index].inNeed += keyspace.inNeed
            keyspaces[index].founded += keyspace.founded
            keyspaces[index].lost += keyspace.lost
        }
        for (index, peer) in other.peers.enumerated() {
            peers[index].openLinks += peer.openLinks
            peers[index].links += peer.links
            peers[index].since = min(peers[index].since, peer.since)
            if let more = peer.inNeed { peers[index].inNeed = (peers[index].inNeed ?? 0) + more }
        }
    }
}

extension Replication {
    var view: ClusterCondition {
        var keyspaces = membership.keyspaces.map { _ in ClusterCondition.Keyspace() }
        if let catchUp {
            let machine = catchUp.machine
            for (index, unit) in machine.units.enumerated() {
                keyspaces[unit.keyspace].partitions += 1
                if !machine.isCaughtUp(unit: index) { keyspaces[unit.keyspace].inNeed += 1 }
            }
            for (index, outcome) in machine.outcomes.enumerated() { keyspaces[index].founded = outcome.founded }
            for (index, lost) in catchUp.lost.enumerated() { keyspaces[index].lost = lost }
        }
        let all = Set(membership.keyspaces.flatMap { $0.ring.members.map(\.id) })
        let others = all.sorted().filter { $0 != membership.node }
        let peers = others.map { node in
            ClusterCondition.Peer(
                node: node, openLinks: transport.isOpen(to: node) ? 1 : 0, links: 1,
                since: loop.now.since(linkChanges[node] ?? startedAt), incarnation: incarnations[node],
                inNeed: catchUp?.machine.needCount(of: node))
        }
        return ClusterCondition(keyspaces: keyspaces, peers: peers)
    }
}

extension ReplicaCoordinator {
    var clusterCondition: ClusterCondition? {
        guard var view = replication?.view else { return nil }
        view.clockOffset = clockOffset
        let now = loop.now
        for member in watchedMembers {
            guard let index = view.peers.firstIndex(where: { $0.node == member.node }) else { continue }
            view.peers[index].liveness = member.liveness
            view.peers[index].livenessSince = now.since(MonotonicTime(nanoseconds: member.since))
            view.peers[index].lastAnswer = member.lastAnswer.map { now.since(MonotonicTime(nanoseconds: $0)) }
        }
        return view
    }
    var latencies: [PeerLatency] { replication.map { Array($0.latencies.peers.values) } ?? [] }
    /// Has other nodes run a command, all at once; their replies in order, nil for one that nothing is known of, empty
    /// for one that could not even be asked.
    public func forward(_ command: ForwardedCommand, toAll nodes: [UInt32]) async -> [[UInt8]?] {
        guard let replication, !nodes.isEmpty else { return nodes.map { _ in [] } }
        return await withCheckedContinuation { continuation in
            var replies: [[UInt8]?] = nodes.map { _ in [] }
            var missing = nodes.count
            for (place, node) in nodes.enumerated() {
                let answered: ([UInt8]?) -> Void = { reply in
                    replies[place] = reply
                    missing -= 1
                    if missing == 0 { continuation.resume(returning: replies) }
                }
                if !replication.forward(command, to: node, answered: answered) { answered([]) }
            }
        }
    }

    /// The cluster that this worker joined; nil for a node that is alone.
    public var membership: ClusterMembership? { replication?.membership }
}

extension Node {
    /// What this node sees of its cluster; nil for a node that is alone.
    public func clusterCondition() async -> ClusterCondition? {
        var whole: ClusterCondition?
        for coordinator in coordinators {
            guard let view = await coordinator.clusterCondition else { continue }
            if whole == nil { whole = view } else { whole?.add(view) }
        }
        return whole
    }

    /// How long other nodes' replicas took to answer this one, by node's id, since the start.
    public func replicaLatencies() async -> [PeerLatency] {
        var merged: [UInt32: PeerLatency] = [:]
        for coordinator in coordinators {
            for latency in await coordinator.latencies {
                merged[latency.node, default: PeerLatency(node: latency.node)].merge(latency)
            }
        }
        return merged.values.sorted { $0.node < $1.node }
    }

    /// What this node counts of its part in the cluster; all 0 for a node that is alone.
    public nonisolated var clusterStatistics: ClusterStatistics {
        var statistics = ClusterStatistics()
        for counters in clusterCounters { statistics.add(counters) }
        return statistics
    }
}
