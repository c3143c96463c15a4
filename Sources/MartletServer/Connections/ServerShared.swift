internal import MartletCore
internal import MartletNode
internal import MartletRuntime
internal import Synchronization

/// What the front doors of a node's workers share.
final class ServerShared: Sendable {
    /// Where clients reach the node; the port is known once the first worker listens.
    var address: SocketAddress { bound.withLock { $0 } }
    private let bound: Lock<SocketAddress>
    /// By worker where cluster-aware clients reach it; none for a node that is alone.
    let clusterAddresses: [SocketAddress]
    let maximumClients: Int
    let startedAt: Int64
    let nodeIdentifier: String
    let software: String
    private let lastIdentifier = Atomic<UInt64>(0)
    private let clients = Atomic<Int>(0)
    private let received = Atomic<UInt64>(0)
    private let rejected = Atomic<UInt64>(0)

    init(node: Node, settings: Server.Settings) {
        bound = Lock(settings.address)
        clusterAddresses = settings.clusterAddresses
        maximumClients = settings.maximumClients
        software = settings.version
        startedAt = node.environment.clock.wallMicroseconds
        nodeIdentifier = ClusterView.identifier(node.settings.cluster, node.settings.name)
    }

    func bind(_ address: SocketAddress) { bound.withLock { $0 = address } }

    /// A number for a new connection; nil if there are too many.
    func admit() -> UInt64? {
        received.add(1, ordering: .relaxed)
        guard clients.add(1, ordering: .relaxed).newValue <= maximumClients else {
            clients.subtract(1, ordering: .relaxed)
            rejected.add(1, ordering: .relaxed)
            return nil
        }
        return lastIdentifier.add(1, ordering: .relaxed).newValue
    }

    func dismiss() { clients.subtract(1, ordering: .relaxed) }

    var connectionCount: Int { clients.load(ordering: .relaxed) }
    var connectionsReceived: UInt64 { received.load(ordering: .relaxed) }
    var connectionsRejected: UInt64 { rejected.load(ordering: .relaxed) }

    /// CONFIG GET's parameters: what Redis' clients and benchmarks look for, and our own settings.
    func parameters(of node: Node) -> [(name: String, value: String)] {
        let pair = node.settings.keyspaces.map(\.maximumPair).max() ?? 0
        return [
            ("appendfsync", node.settings.durability == .always ? "always" : "everysec"),
            ("appendonly", node.backend.properties.isVolatile ? "no" : "yes"),
            ("bind", address.host),
            ("databases", "\(node.settings.keyspaces.count)"),
            ("maxclients", "\(maximumClients)"),
            ("maxmemory", "\(node.load.memoryLimit)"),
            ("maxmemory-policy", "noeviction"),
            ("port", "\(address.port)"),
            ("proto-max-bulk-len", "\(RESPParser.longestBulk)"),
            ("save", ""),
            ("timeout", "0"),
            ("martlet-backend", node.backend.properties.name),
            ("martlet-cache", "\(node.settings.cacheBytes)"),
            ("martlet-durability", node.settings.durability.name),
            ("martlet-max-pair", "\(pair)"),
            ("martlet-workers", "\(node.settings.workers)"),
        ].sorted { $0.0 < $1.0 }
    }
}
