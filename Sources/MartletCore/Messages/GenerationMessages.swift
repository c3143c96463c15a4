/// The messages by which keyspaces are emptied.
extension MessageKind {
    /// ``KeyspaceGenerations``: asks for a node's, answered by ``generationsReply``; the first step of a flush.
    public static let generationsQuery = MessageKind(rawValue: 0x0162)
    /// ``KeyspaceGenerations``: the second step: a node in a lower one enters it, durably; answered by
    /// ``generationsReply``. Not answered where no answer is awaited: what a node says of itself when a link opens.
    public static let generationsRaise = MessageKind(rawValue: 0x0163)
    /// ``KeyspaceGenerations``, those that the node is in now; empty if it can raise none.
    public static let generationsReply = MessageKind(rawValue: 0x0164)
}

/// Generations of keyspaces: part of every stored key, so that raising one empties its keyspace. The greater one rules.
///
/// ```
/// count varint, then each keyspace u32, generation u32; ascending by keyspace
/// ```
public struct KeyspaceGenerations: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        /// The keyspace's id.
        public var keyspace: UInt32
        public var generation: UInt32

        public init(keyspace: UInt32, generation: UInt32) {
            self.keyspace = keyspace
            self.generation = generation
        }
    }

    public var entries: [Entry]

    /// - Parameter entries: of different keyspaces, in any order.
    public init(_ entries: [Entry]) { self.entries = entries.sorted { $0.keyspace < $1.keyspace } }

    /// The generation of a keyspace; nil if nothing is said of it.
    public subscript(keyspace: UInt32) -> UInt32? { entries.first { $0.keyspace == keyspace }?.generation }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(varint: UInt64(entries.count))
        for entry in entries {
            buffer.append(littleEndian: entry.keyspace)
            buffer.append(littleEndian: entry.generation)
        }
    }

    /// The greatest generation that may be entered: one is left, so that raising it never goes beyond what there is.
    public static let greatest = UInt32.max - 1

    /// Reads a payload, checked whole.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        entries = []
        for _ in 0..<(try cursor.number(ofAtLeast: 8, in: payload)) {
            let id = try cursor.littleEndian(of: payload, as: UInt32.self)
            let generation = try cursor.littleEndian(of: payload, as: UInt32.self)
            guard generation <= Self.greatest, entries.last.map({ $0.keyspace < id }) ?? true else {
                throw ByteCursor.Malformed()
            }
            entries.append(Entry(keyspace: id, generation: generation))
        }
        try cursor.end(of: payload)
    }
}
