internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// Commands about the cluster, which ask workers and other nodes.
extension ClientConnection {
    /// Runs it apart; the connection stalls until its reply is there.
    func runApart(_ request: ClusterRequest) {
        stall = .running
        let me = Confined(self, on: coordinator.loop)
        let (node, facts) = (door.node, door.identity)
        let (keyspace, version) = (session.keyspace, session.protocolVersion)
        node.environment.spawn("cluster command", on: door.worker) {
            let reply = await request.reply(by: node, keyspace: keyspace, version: version, facts: facts)
            me.post { $0.finishApart(reply) }
        }
    }
}
