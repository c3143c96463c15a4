/// How a client connects and waits.
public struct ClientSettings: Sendable {
    /// How long a call may take that says nothing else.
    public var deadline: Duration = .seconds(5)
    /// How long one attempt to connect may take, greeting included.
    public var connectTimeout: Duration = .seconds(2)
    /// Connections to keep; calls share them, and many calls are under way on each.
    public var connections = 1
    /// Calls under way on one connection; more wait.
    public var callsPerConnection = 1024
    /// Calls that wait for a connection to take them; more fail at once with ``MartletError/Code/busy``.
    public var waitingCalls = 65_536
    /// The number of the keyspace.
    public var keyspace = 0
    /// The name of the keyspace, where that is given instead of ``keyspace``.
    public var keyspaceName: String?
    /// Whether calls go straight to a node that owns their key, over connections of its own, as soon as the client
    /// knows who that is. Off: all go to one of the addresses that were given.
    public var routesToOwners = true
    /// The largest value accepted from a server, in bytes.
    public var maximumValueBytes = 65 * 1024 * 1024
    /// The bound of the first delay before reconnecting; it doubles up to ``maximumReconnectDelay``, and a random part
    /// of it is waited.
    public var reconnectDelay: Duration = .milliseconds(50)
    /// The greatest bound of the delay before reconnecting.
    public var maximumReconnectDelay: Duration = .seconds(2)

    /// The settings above, each of which may then be changed.
    public init() {}
}
