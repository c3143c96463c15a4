public import MartletCore

/// Carries messages between the nodes of a cluster; one per worker, used on its loop only.
///
/// Between two nodes there is at most one open link, whose messages come in the order they were sent, none twice, none
/// altered. Messages are lost only with their link: those that were sent and not received when a link closes are gone,
/// and none of them is delivered after ``TransportReceiver/linkClosed(_:_:)``. A closed link is opened anew, as a new
/// session, without being asked for.
///
/// Everything sent in one turn of the loop goes out at its end, together.
public protocol Transport: AnyObject {
    /// Appends one message for `peer` to what this turn sends; `body` writes the payload straight into the link's
    /// output.
    ///
    /// - Returns: false, with nothing written, if there is no open link, its unsent bytes are past the limit, or the
    ///   message is longer than ``Frame/longest``.
    func send(to peer: UInt32, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool

    /// Like ``send(to:_:_:)``, on the very link that a message came on: for answers, since a node with more workers
    /// than this one has several links to one worker here.
    func reply(to session: PeerSession, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool

    /// Whether there is an open link to `peer`.
    func isOpen(to peer: UInt32) -> Bool

    /// What hears of messages and links; held strongly until ``close()``.
    var receiver: (any TransportReceiver)? { get set }

    /// Closes all links and opens no more; the receiver hears nothing further.
    func close()
}

/// What a transport tells; called on its loop, outside any task.
public protocol TransportReceiver: AnyObject {
    /// A message came. `payload` is borrowed for the call. A receiver skips kinds it does not know.
    func received(_ header: MessageHeader, _ payload: RawSpan, from peer: PeerSession)
    /// A link is open, and messages can be sent.
    func linkOpened(_ peer: PeerSession)
    /// A link is gone, with all that was on its way; `reason` is nil if the peer closed it in order.
    func linkClosed(_ peer: PeerSession, _ reason: StreamError?)
}

/// One link to one peer from its opening to its end.
public struct PeerSession: Hashable, Sendable, CustomStringConvertible {
    public var node: UInt32
    /// Which data set of the node it is.
    public var incarnation: UInt64
    /// Greater than that of every earlier link between the two nodes; the same number on both sides.
    public var session: UInt64

    @inlinable
    public init(node: UInt32, incarnation: UInt64, session: UInt64) {
        self.node = node
        self.incarnation = incarnation
        self.session = session
    }

    public var description: String { "node \(node), session \(session)" }
}
