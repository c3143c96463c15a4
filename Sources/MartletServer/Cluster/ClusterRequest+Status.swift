internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// What a node says of itself, the members and the ring.
extension ClusterRequest {
    static func status(_ node: Node, _ facts: ServerIdentity, _ writer: inout ReplyWriter) async {
        let membership = await node.coordinators[0].membership
        let view = await node.clusterCondition()
        let settings = node.settings
        writer.map(19)
        writer.pair("cluster", settings.cluster)
        writer.pair("node", settings.name)
        writer.pair("id", Int(membership?.node ?? settings.id))
        writer.pair("incarnation", node.incarnation.hexadecimal)
        writer.pair("epoch", Int(clamping: membership?.epoch ?? 1))
        writer.pair("founding", settings.founding.map { TopologyDigest($0).description } ?? "")
        writer.pair("version", facts.software)
        writer.pair("address", facts.address.description)
        writer.pair("backend", node.backend.properties.name)
        writer.pair("durability", settings.durability.name)
        writer.pair("workers", settings.workers)
        writer.pair("uptime_seconds", Int(facts.uptime))
        writer.pair("started_unclean", node.startedUnclean)
        writer.pair("clock_ahead_ms", Int(view?.clockOffset ?? 0))
        hints(node, &writer)
        tombstones(node, membership, &writer)
        writer.bulk("keyspaces")
        writer.array(settings.keyspaces.count)
        for index in settings.keyspaces.indices {
            await keyspace(index, node, membership?.keyspaces[index], view?.keyspaces[index], &writer)
        }
        writer.bulk("anti_entropy")
        antiEntropy(node, &writer)
        writer.bulk("peers")
        writer.array(view?.peers.count ?? 0)
        for peer in view?.peers ?? [] { append(peer, membership, &writer) }
    }

    /// What this node keeps for others that could not be reached, and what became of it.
    private static func hints(_ node: Node, _ writer: inout ReplyWriter) {
        let hints = node.clusterStatistics.hints
        let wall = node.environment.clock.wallMicroseconds / 1000
        writer.bulk("hints")
        writer.map(9)
        writer.pair("held", hints.held)
        writer.pair("bytes", hints.bytes)
        writer.pair("oldest_seconds", Int(hints.age(wallMilliseconds: wall) / 1000))
        writer.pair("kept", Int(clamping: hints.counters.kept))
        writer.pair("replayed", Int(clamping: hints.counters.replayed))
        writer.pair("dropped", Int(clamping: hints.counters.dropped))
        writer.pair("expired", Int(clamping: hints.counters.expired))
        writer.pair("void", Int(clamping: hints.counters.void))
        writer.pair("damaged", Int(clamping: hints.counters.damaged))
    }

    /// What becomes of deleted and expired records, and what they wait for.
    private static func tombstones(_ node: Node, _ membership: ClusterMembership?, _ writer: inout ReplyWriter) {
        let tombstones = node.clusterStatistics.tombstones
        let blocking = tombstones.blocked.map { membership?.member($0.by)?.member.name ?? "\($0.by)" }
        writer.bulk("tombstones")
        writer.map(6)
        writer.pair("erased", Int(clamping: tombstones.erased))
        writer.pair("awaiting", tombstones.awaiting)
        writer.pair("rounds", Int(clamping: tombstones.rounds))
        writer.pair("rounds_failed", Int(clamping: tombstones.failures))
        writer.pair("blocked_by", blocking ?? "")
        writer.pair("blocked_until", blocking == nil ? "" : tombstones.blocked?.phase.shown ?? "")
    }

    /// Where a keyspace stands here. A node that is alone owns all of it.
    private static func keyspace(
        _ index: Int, _ node: Node, _ replicated: ClusterMembership.Keyspace?, _ view: ClusterCondition.Keyspace?,
        _ writer: inout ReplyWriter
    ) async {
        let settings = node.settings.keyspaces[index]
        let partitions = view?.partitions ?? node.settings.partitions
        writer.map(13)
        writer.pair("name", settings.name)
        writer.pair("id", Int(settings.id))
        writer.pair("n", replicated?.ring.replicas ?? 1)
        writer.pair("r", replicated?.read.name ?? "one")
        writer.pair("w", replicated?.write.name ?? "one")
        writer.pair("conflicts", replicated?.policy == .siblings ? "siblings" : "latest")
        writer.pair("sloppy", replicated?.isSloppy ?? false)
        writer.pair("records", orNull: await node.replicas[0].count(keyspace: index))
        writer.pair("partitions", partitions)
        writer.pair("caught_up", partitions - (view?.inNeed ?? 0))
        writer.pair("in_need", view?.inNeed ?? 0)
        writer.pair("founded", view?.founded ?? 0)
        writer.pair("lost", view?.lost ?? 0)
    }

    private static func antiEntropy(_ node: Node, _ writer: inout ReplyWriter) {
        let status = node.clusterStatistics.antiEntropy
        let now = node.environment.clock.monotonic.nanoseconds
        func age(_ time: UInt64?) -> Int? { time.map { Int(clamping: (now - min(now, $0)) / 1_000_000_000) } }
        writer.map(18)
        writer.pair("trees", status.trees)
        writer.pair("incomplete", status.incomplete)
        writer.pair("pending", status.pending)
        writer.pair("passes", Int(clamping: status.passes))
        writer.pair("last_pass_seconds", orNull: age(status.lastPass))
        writer.pair("compared", Int(clamping: status.compared))
        writer.pair("differing", Int(clamping: status.differing))
        writer.pair("skipped", Int(clamping: status.skipped))
        writer.pair("exchanges", Int(clamping: status.ranges))
        writer.pair("bytes", Int(clamping: status.bytes))
        writer.pair("records_sent", Int(clamping: status.sent))
        writer.pair("records_received", Int(clamping: status.received))
        writer.pair("scans", Int(clamping: status.scans))
        writer.pair("last_scan_seconds", orNull: age(status.lastScan))
        writer.pair("scan_partitions", status.scanned)
        writer.pair("records_read", Int(clamping: status.recordsRead))
        writer.pair("records_damaged", Int(clamping: status.damaged))
        writer.pair("corrected", Int(clamping: status.corrected))
    }

    private static func append(
        _ peer: ClusterCondition.Peer, _ membership: ClusterMembership?, _ writer: inout ReplyWriter
    ) {
        let member = membership?.keyspaces.lazy.flatMap(\.ring.members).first { $0.id == peer.node }
        writer.map(10)
        writer.pair("id", Int(peer.node))
        writer.pair("name", member?.name ?? "")
        writer.pair("address", membership?.member(peer.node)?.clients.description ?? "")
        writer.pair("link", peer.openLinks == peer.links ? "up" : peer.openLinks == 0 ? "down" : "partly up")
        writer.pair("since_seconds", Int(peer.since.components.seconds))
        writer.pair("incarnation", peer.incarnation.map(\.hexadecimal) ?? "")
        writer.pair("in_need", orNull: peer.openLinks > 0 ? peer.inNeed : nil)
        writer.pair("liveness", "\(peer.liveness)")
        writer.pair("liveness_seconds", Int(peer.livenessSince.components.seconds))
        writer.pair("answered_seconds_ago", orNull: peer.lastAnswer.map { Int($0.components.seconds) })
    }

    // MARK: Members

    static func nodes(_ node: Node, _ facts: ServerIdentity, _ writer: inout ReplyWriter) async {
        guard let membership = await node.coordinators[0].membership else {
            writer.array(1)
            let member = Member(id: node.settings.id, name: node.settings.name)
            return append(
                ClusterMember(member, clients: facts.address, clusterClients: [], nodes: facts.address), "self",
                &writer)
        }
        let view = await node.clusterCondition()
        writer.array(membership.members.count)
        for member in membership.members {
            let peer = view?.peers.first { $0.node == member.member.id }
            append(member, peer.map { $0.openLinks > 0 ? "up" : "down" } ?? "self", &writer)
        }
    }

    private static func append(_ member: ClusterMember, _ link: String, _ writer: inout ReplyWriter) {
        writer.map(9)
        writer.pair("id", Int(member.member.id))
        writer.pair("name", member.member.name)
        writer.pair("data_center", member.member.dataCenter)
        writer.pair("rack", member.member.rack)
        writer.pair("weight", member.member.weight)
        writer.pair("clients", member.clients.description)
        writer.bulk("cluster_clients")
        writer.array(member.clusterClients.count)
        for address in member.clusterClients { writer.bulk(address.description) }
        writer.pair("nodes", member.nodes.description)
        writer.pair("link", link)
    }

    // MARK: The ring

    /// Neighbouring partitions of the same owners in the same order are one range.
    static func ring(_ node: Node, _ keyspace: Int, _ writer: inout ReplyWriter) async {
        var ranges: [(slots: Range<Int>, owners: [String])] = [(0..<Slot.count, [node.settings.name])]
        var (partitions, replicas, epoch) = (node.settings.partitions, 1, UInt64(1))
        if let membership = await node.coordinators[0].membership {
            let ring = membership.keyspaces[keyspace].ring
            (partitions, replicas, epoch) = (ring.partitions, ring.replicas, membership.epoch)
            ranges = []
            for partition in 0..<partitions {
                let slots = ring.slots(ofPartition: partition)
                let owners = ring.owners(ofPartition: partition).map { ring.members[$0].name }
                if let last = ranges.last, last.owners == owners {
                    ranges[ranges.count - 1].slots = last.slots.lowerBound..<slots.upperBound
                } else {
                    ranges.append((slots, owners))
                }
            }
        }
        writer.map(5)
        writer.pair("keyspace", node.settings.keyspaces[keyspace].name)
        writer.pair("epoch", Int(clamping: epoch))
        writer.pair("partitions", partitions)
        writer.pair("n", replicas)
        writer.bulk("ranges")
        writer.array(ranges.count)
        for range in ranges {
            writer.array(2 + range.owners.count)
            writer.integer(range.slots.lowerBound)
            writer.integer(range.slots.upperBound - 1)
            for owner in range.owners { writer.bulk(owner) }
        }
    }
}
