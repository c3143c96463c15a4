internal import MartletConfiguration
internal import MartletCore
internal import MartletNode
internal import MartletRuntime
internal import MartletServer

/// The step by which a node becomes one of a cluster: all that the commands know of replication is behind it.
enum ClusterJoining {
    /// Why the nodes of a file cannot be started; nil if they can. Asked before anything is.
    static func refusal(of cluster: ClusterConfiguration, file: String) -> String? {
        if cluster.nodes.count > 1 {
            return "\(file):\(cluster.nodes[1].line): nodes: '\(cluster.nodes.count) nodes': "
                + "one node: replication over several comes with a later release"
        }
        if let keyspace = cluster.keyspaces.first(where: { $0.definition.conflicts == .siblings }) {
            return "\(file):1: keyspaces: 'siblings' in \(keyspace.name): "
                + "latest: siblings come with replication, in a later release"
        }
        return nil
    }

    /// Starts a node of the cluster; it serves clients when this returns.
    ///
    /// - Throws: `StorageError` or `StreamError`; nothing is left behind then.
    static func start(
        _ node: ClusterConfiguration.Node, of cluster: ClusterConfiguration, _ opening: NodeOpening, log: Log
    ) async throws -> RunningNode {
        try await RunningNode.start(NodeSettings(node, of: cluster), opening, Server.Settings(node), log: log)
    }
}
