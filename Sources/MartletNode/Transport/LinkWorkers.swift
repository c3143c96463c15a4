public import MartletCore
public import MartletRuntime

/// The transports of a node's workers, which hand each other the connections that another one accepted: all of them
/// listen on the node's one port, and a hello names the worker it is meant for.
public final class LinkWorkers: Sendable {
    struct Member: Sendable {
        var loop: any EventLoop
        var transport: Confined<LinkTransport>
    }

    private let members = Lock<[Member]>([])

    init() {}

    /// Makes the transports of a node, one for each of its loops.
    ///
    /// - Parameters:
    ///   - settings: the same for all nodes of a cluster, best; each side goes by its own.
    ///   - network: makes the streams of a loop; the loop's own unless another is given.
    /// - Returns: each worker's transport, to be used on its loop.
    public static func make(
        _ identity: LinkIdentity, settings: LinkSettings = LinkSettings(), in environment: NodeEnvironment,
        network: (any EventLoop) -> any StreamNetwork = { LoopNetwork($0) }
    ) -> [Confined<LinkTransport>] {
        precondition(identity.workers == environment.loops.count)
        let workers = LinkWorkers()
        let members = environment.loops.enumerated().map { worker, loop in
            let transport = LinkTransport(
                identity, settings: settings, worker: worker, loop: loop, network: network(loop),
                environment: environment, workers: workers)
            return Member(loop: loop, transport: Confined(transport, handedTo: loop))
        }
        workers.members.withLock { $0 = members }
        return members.map(\.transport)
    }

    /// A worker's transport; nil once it is closed.
    func transport(_ worker: Int) -> Member? {
        members.withLock { $0.indices.contains(worker) ? $0[worker] : nil }
    }

    /// Forgets all of them, so that they can be released. Called as each closes; a node closes all together.
    func close() { members.withLock { $0 = [] } }
}
