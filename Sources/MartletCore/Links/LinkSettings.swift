/// The times and limits of a node's links.
public struct LinkSettings: Sendable {
    /// How long a stream may take from its making to an open link.
    public var handshakeTimeout: Duration = .seconds(3)
    /// How often a link on which nothing else is sent shows a sign of life.
    public var pingInterval: Duration = .seconds(1)
    /// How long a peer may be silent before its link is closed.
    public var idleTimeout: Duration = .seconds(5)
    /// The bound of the wait after the first failure to connect; each further failure doubles it.
    public var firstBackoff: Duration = .milliseconds(50)
    /// The greatest bound of the wait between attempts.
    public var longestBackoff: Duration = .seconds(5)
    /// A link that lasted this long was a good one: the next wait starts from the first bound again.
    public var provenAfter: Duration = .seconds(1)
    /// For how long after a link was opened another one by the peer is taken for one made at the same time.
    public var tieWindow: Duration = .seconds(2)
    /// Bytes sent and not yet taken by the system, from which on nothing more is taken for a peer.
    public var unsentLimit = 16 << 20
    /// Streams that may be in their handshake at once, in one worker; one more ends the oldest that a stranger made.
    public var handshakeLimit = 256

    public init() {}
}
