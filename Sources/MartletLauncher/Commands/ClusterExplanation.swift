internal import MartletConfiguration
internal import MartletCore
internal import MartletRuntime

/// What a valid cluster file means, for a person: who keeps how much, and what may fail.
struct ClusterExplanation {
    private let cluster: ClusterConfiguration
    private let topology: Topology

    init(_ cluster: ClusterConfiguration) throws(PlacementError) {
        self.cluster = cluster
        topology = try cluster.topology()
    }

    /// A line for the cluster, then one for each node and keyspace. O(keyspaces Q N).
    var lines: [String] {
        let count = cluster.nodes.count
        let shares = topology.rings.map(Self.copies)
        return [
            "cluster \(cluster.name): \(count) \(count == 1 ? "node" : "nodes"), \(cluster.partitions) partitions, "
                + "founding digest \(cluster.digest)"
        ] + cluster.nodes.map { line($0, shares) } + cluster.keyspaces.map(line)
    }

    private func line(_ node: ClusterConfiguration.Node, _ shares: [[(all: Int, first: Int)]]) -> String {
        let member = node.member
        var facts = ["id \(member.id)"]
        if member.weight != 1 { facts.append("weight \(member.weight)") }
        if !member.rack.isEmpty { facts.append("rack \(member.rack)") }
        if !member.dataCenter.isEmpty { facts.append("data center \(member.dataCenter)") }
        let ports = node.clusterAddresses.map { $0.port == 0 ? "any" : "\($0.port)" }.joined(separator: ", ")
        let index = topology.members.firstIndex { $0.id == member.id } ?? 0
        // Keyspaces of different placements have rings of their own.
        let parts = shares.enumerated().map { place, counts in
            let names = zip(cluster.keyspaces, cluster.keyspaces.map { topology.place(ofKeyspace: $0.id) ?? 0 })
                .filter { topology.ring(ofKeyspaceAt: $0.1) == topology.rings[place] }.map(\.0.name)
            let whose = shares.count == 1 ? "" : " of " + names.joined(separator: ", ")
            return "\(counts[index].all) partitions\(whose) (first owner of \(counts[index].first))"
        }
        return "node \(member.name) (\(facts.joined(separator: ", "))): clients \(node.address), nodes "
            + "\(node.nodeAddress), cluster ports \(ports); backend \(node.backend), durability "
            + "\(node.durability.name); " + parts.joined(separator: ", ")
    }

    private func line(_ keyspace: ClusterConfiguration.Keyspace) -> String {
        let definition = keyspace.definition
        let ring = topology.ring(ofKeyspaceAt: topology.place(ofKeyspace: keyspace.id) ?? 0)
        let reads = FailureTolerance(definition.reads, on: ring).text
        let writes = FailureTolerance(definition.writes, on: ring).text
        let per = if case .perDataCenter = definition.placement { " (\(definition.placement.text))" } else { "" }
        var text = "keyspace \(definition.name) (id \(definition.id)): N=\(ring.replicas)\(per), "
        text += "R=\(definition.reads.name), W=\(definition.writes.name), \(definition.mode.name), "
        text += "conflicts \(definition.conflicts == .latest ? "latest" : "siblings"); "
        text += reads == writes ? "reads and writes \(reads)" : "reads \(reads); writes \(writes)"
        let spare = topology.members.count - ring.replicas
        if definition.isSloppy, spare > 0 {
            text +=
                "; sloppy: beyond that, writes go on with \(spare == 1 ? "1 other node" : "\(spare) other nodes") "
                + "standing in"
        }
        return text
    }

    /// Of each member, the partitions that it owns and those that it is first owner of.
    private static func copies(_ ring: Ring) -> [(all: Int, first: Int)] {
        var counts = [(all: Int, first: Int)](repeating: (0, 0), count: ring.members.count)
        for partition in 0..<ring.partitions {
            for (place, node) in ring.owners(ofPartition: partition).enumerated() {
                counts[node].all += 1
                if place == 0 { counts[node].first += 1 }
            }
        }
        return counts
    }
}
