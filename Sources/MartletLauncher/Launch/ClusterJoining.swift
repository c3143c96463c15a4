internal import MartletConfiguration
internal import MartletCore
internal import MartletNode
internal import MartletRuntime
internal import MartletServer

/// The step by which a node becomes one of a cluster: all that the commands know of replication is behind it.
struct ClusterJoining {
    let cluster: ClusterConfiguration
    private let topology: Topology
    /// Of nodes that run in this process all together; nil: they talk over TCP.
    private let network: InProcessNetwork?

    /// - Parameter isInProcess: whether all nodes of the cluster run in this process.
    /// - Throws: nothing that reading the file did not refuse.
    init(_ cluster: ClusterConfiguration, isInProcess: Bool) throws(PlacementError) {
        self.cluster = cluster
        topology = try cluster.topology()
        network = isInProcess ? InProcessNetwork() : nil
    }

    /// Starts a node of the cluster; it serves clients when this returns.
    ///
    /// - Throws: `StorageError` or `StreamError`; nothing is left behind then.
    func start(_ node: ClusterConfiguration.Node, _ opening: NodeOpening, log: Log) async throws -> RunningNode {
        var door = Server.Settings(node)
        if cluster.nodes.count > 1 { door.clusterAddresses = node.clusterAddresses }
        return try await RunningNode.start(
            NodeSettings(node, of: cluster), opening, door, joining: joining(of: node), log: log)
    }

    private func joining(of node: ClusterConfiguration.Node) -> NodeJoining? {
        guard cluster.nodes.count > 1 else { return nil }
        var membership = ClusterMembership(
            epoch: topology.epoch, node: node.id, keyspaces: cluster.keyspaces.map { replication(of: $0, at: node.id) })
        membership.members = cluster.nodes.sorted { $0.id < $1.id }.map { node in
            var member = ClusterMember(
                node.member, clients: node.address, clusterClients: node.clusterAddresses, nodes: node.nodeAddress)
            if node.durability == .none { member.maximumDurability = .none }
            return member
        }
        var joining = NodeJoining(membership)
        joining.secret = cluster.secret.map { ClusterSecret($0) }
        joining.network = network
        return joining
    }

    private func replication(
        of keyspace: ClusterConfiguration.Keyspace, at node: UInt32
    ) -> ClusterMembership.Keyspace {
        guard let place = topology.place(ofKeyspace: keyspace.id) else {
            preconditionFailure("the topology was made of these keyspaces")
        }
        var replication = ClusterMembership.Keyspace(ring: topology.ring(ofKeyspaceAt: place), node: node)
        replication.policy = keyspace.definition.conflicts
        replication.read = keyspace.definition.reads
        replication.write = keyspace.definition.writes
        replication.isSloppy = keyspace.definition.isSloppy
        return replication
    }
}
