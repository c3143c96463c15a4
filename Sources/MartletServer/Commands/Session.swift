public import MartletCore
public import MartletRuntime

/// What a client's connection carries from one command to the next.
public final class Session {
    /// Unique on this node since its start, as in CLIENT ID.
    public let id: UInt64
    public let peer: SocketAddress
    public let local: SocketAddress
    /// Whether it came by a cluster port, where commands over a keyspace cover the part that the port's worker answers
    /// for; by the plain port they cover all of the cluster.
    public var isOfClusterPort = false
    /// Wall microseconds at accept.
    public let connectedAt: Int64
    /// CLIENT SETNAME.
    public var name = ""
    /// CLIENT SETINFO.
    public var libraryName = ""
    public var libraryVersion = ""
    public var noEvict = false
    /// CLIENT REPLY; see ``ReplyMode``.
    public var replyMode = ReplyMode.on
    /// Close now and send nothing more: an HTTP request came in on this port (cross-protocol attack).
    public var aborts = false
    /// 2 or 3; set by HELLO, back to 2 by RESET.
    public var protocolVersion = 2
    /// The keyspace that SELECT chose.
    public var keyspace: Int = 0
    /// What reads and writes need that do not say otherwise; nil for the keyspace's own.
    public var readLevel: ConsistencyLevel?
    public var writeLevel: ConsistencyLevel?
    /// Close once the reply is sent (QUIT, CLIENT KILL of oneself).
    public var closesAfterReply = false
    /// The last command's name, for CLIENT LIST.
    public var lastCommand = ""
    /// Wall microseconds of the last command.
    public var lastActiveAt: Int64
    /// What this session may ask of the server: other sessions, counters, configuration.
    public unowned let server: any ServerFacts

    public init(
        id: UInt64, peer: SocketAddress, local: SocketAddress, connectedAt: Int64, server: any ServerFacts
    ) {
        self.id = id
        self.peer = peer
        self.local = local
        self.connectedAt = connectedAt
        lastActiveAt = connectedAt
        self.server = server
    }
}

/// What CLIENT REPLY chose. The connection drops what a command appended while it is not `on`.
public enum ReplyMode: Sendable {
    case on
    case off
    /// CLIENT REPLY SKIP has just run: the next command's reply is dropped, then it is `on` again.
    case skipNext
}

/// What commands ask of the server they run on (INFO, CLIENT LIST, CONFIG GET, CLUSTER ...).
public protocol ServerFacts: AnyObject {
    /// The sessions of this worker, by id ascending.
    var sessions: [Session] { get }
    /// Ends another session of this worker; true if there was one.
    func kill(session id: UInt64) -> Bool
    /// Lines of an INFO section in order, names as Redis has them; our own sections are `martlet` and `backend`.
    func information(section: String) -> [(name: String, value: String)]
    /// CONFIG GET's parameters, sorted by name.
    var parameters: [(name: String, value: String)] { get }
    /// CONFIG SET's parameters that change nothing here, kept so that CONFIG GET gives them back.
    var remembered: RememberedParameters { get set }
    /// 40 hex digits, as CLUSTER MYID.
    var nodeIdentifier: String { get }
    /// The node's name in the cluster file.
    var nodeName: String { get }
    /// Of the topology that the node knows; 1 for a node alone.
    var epoch: UInt64 { get }
    /// Where clients reach this node.
    var address: SocketAddress { get }
    /// The cluster as a session's client is told of it; nil for a node that is alone.
    func clusterView(for session: Session) -> ClusterView?
    /// Names of keyspaces by number.
    var keyspaceNames: [String] { get }
    /// Whether a password is configured (never, in this release).
    var requiresPassword: Bool { get }
    /// Milliseconds since 1970 by the node's clock, and the microseconds within, read anew.
    var wallMicroseconds: Int64 { get }
}

extension ServerFacts {
    /// Alone, unless it knows of others.
    public func clusterView(for session: Session) -> ClusterView? { nil }
}
