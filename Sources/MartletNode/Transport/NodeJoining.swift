public import MartletCore
public import MartletRuntime

/// What makes a node one of several: the cluster as it sees it, and the way to the others.
public struct NodeJoining: Sendable {
    public var membership: ClusterMembership
    /// What nodes prove to each other that they know; nil: nothing.
    public var secret: ClusterSecret?
    public var links = LinkSettings()
    /// Where the streams between nodes come from; nil: each loop's own network.
    public var network: InProcessNetwork?

    public init(_ membership: ClusterMembership) { self.membership = membership }
}

extension Node {
    /// Makes the node one of several over links of its own: from now on it serves its peers, and what clients write is
    /// replicated. Called once, before clients are let in.
    ///
    /// - Throws: if the node's address cannot be listened on. The node has to be stopped then.
    public func join(_ joining: NodeJoining) async throws(StreamError) {
        guard let founding = settings.founding, let own = joining.membership.member(settings.id) else {
            preconditionFailure("a node joins the cluster that it was founded in")
        }
        var identity = LinkIdentity(
            cluster: settings.cluster, node: settings.id, incarnation: incarnation,
            digest: TopologyDigest(founding).bytes, founding: founding.encoded(), workers: settings.workers,
            authenticator: joining.secret, firstDifference: FoundingDescription.firstDifference)
        identity.epoch = joining.membership.epoch
        let network = joining.network
        let transports = LinkWorkers.make(identity, settings: joining.links, in: environment) { loop in
            if let network { network.streams(of: loop) } else { LoopNetwork(loop) }
        }
        await join(
            joining.membership,
            over: zip(transports, environment.loops).map { transport, loop in
                Confined(transport.handedOver as any Transport, handedTo: loop)
            })
        for (worker, transport) in transports.enumerated() {
            let result: Result<Void, StreamError> = await onLoop(worker) {
                Result { () throws(StreamError) in
                    try transport.value.listen(on: own.nodes)
                    for peer in joining.membership.members where peer.member.id != own.member.id {
                        transport.value.connect(to: peer.member.id, at: peer.nodes)
                    }
                }
            }
            try result.get()
        }
    }

    private func onLoop<R: Sendable>(_ worker: Int, _ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            environment.loops[worker].post { continuation.resume(returning: body()) }
        }
    }
}
