/// The messages of hinted handoff; hints reach their holder as a ``ReplicaWrite`` with the purpose
/// ``ReplicaWrite/Purpose/hint(node:)``.
extension MessageKind {
    /// Hints for the receiver, as a ``ReplicaWrite`` that repairs; answered by ``hintReplayReply``. A kind of its own,
    /// so that it can be served behind what clients wait for.
    public static let hintReplay = MessageKind(rawValue: 0x0140)
    /// A ``ReplicaWriteReply``.
    public static let hintReplayReply = MessageKind(rawValue: 0x0141)
}
