/// The messages of hinted handoff; hints reach their holder as a ``ReplicaWrite`` with the purpose
/// ``ReplicaWrite/Purpose/hint(node:)``.
extension MessageKind {
    /// Hints for the receiver, as a ``ReplicaWrite`` that repairs; answered by ``hintReplayReply``. A kind of its own,
    /// so that it can be served behind what clients wait for.
    public static let hintReplay = MessageKind(rawValue: 0x0140)
    /// A ``ReplicaWriteReply``.
    public static let hintReplayReply = MessageKind(rawValue: 0x0141)
    /// ``HintsHeld``; no answer.
    public static let hintsHeld = MessageKind(rawValue: 0x0142)
}

/// How many hints for the receiver a node holds; told when a link opens, and when the last was replayed. A replica that
/// lost data does not count before it has them.
///
/// ```
/// count varint
/// ```
public struct HintsHeld: Hashable, Sendable {
    public var count: UInt64

    public init(_ count: UInt64) { self.count = count }

    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        count = try cursor.varint(of: payload)
        guard cursor.offset == payload.byteCount else { throw ByteCursor.Malformed() }
    }

    public func append(to buffer: inout ByteBuffer) { buffer.append(varint: count) }
}
