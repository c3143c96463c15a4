/// The messages by which replicas catch up and stay converged.
extension MessageKind {
    /// ``CatchUpStates``: what a node says of its data to one that owns some of it too.
    public static let catchUpStates = MessageKind(rawValue: 0x0110)
    /// ``CatchUpPage``, answered by ``catchUpPageReply``.
    public static let catchUpPage = MessageKind(rawValue: 0x0111)
    /// ``CatchUpPageReply``.
    public static let catchUpPageReply = MessageKind(rawValue: 0x0112)
    /// Records that a ``CatchUpPageReply`` wanted, as a ``ReplicaWrite`` that repairs; answered by
    /// ``catchUpRecordsReply``.
    public static let catchUpRecords = MessageKind(rawValue: 0x0113)
    /// A ``ReplicaWriteReply``.
    public static let catchUpRecordsReply = MessageKind(rawValue: 0x0114)
}

/// A node's states in the keyspaces that it shares with a peer.
///
/// ```
/// flags u8: 1 wants the peer's in answer, 2 an owner had taken a write before its present start
/// keyspaces: count varint, then each id u32, generation u32,
///     runs: count varint, then each first slot u16, slots u16, state u8; ascending, disjoint
/// ```
public struct CatchUpStates: Hashable, Sendable {
    public struct Keyspace: Hashable, Sendable {
        public var id: UInt32
        public var generation: UInt32
        public var runs: [CatchUpRun]

        public init(id: UInt32, generation: UInt32, runs: [CatchUpRun]) {
            self.id = id
            self.generation = generation
            self.runs = runs
        }
    }

    public var wantsAnswer: Bool
    public var hasServed: Bool
    public var keyspaces: [Keyspace]

    public init(wantsAnswer: Bool, hasServed: Bool, keyspaces: [Keyspace]) {
        self.wantsAnswer = wantsAnswer
        self.hasServed = hasServed
        self.keyspaces = keyspaces
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append((wantsAnswer ? 1 : 0) | (hasServed ? 2 : 0))
        buffer.append(varint: UInt64(keyspaces.count))
        for keyspace in keyspaces {
            buffer.append(littleEndian: keyspace.id)
            buffer.append(littleEndian: keyspace.generation)
            buffer.append(varint: UInt64(keyspace.runs.count))
            for run in keyspace.runs {
                buffer.append(slots: run.slots)
                buffer.append(run.state.rawValue)
            }
        }
    }

    /// Reads a payload, checked whole.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        let flags = try cursor.byte(of: payload)
        guard flags <= 3 else { throw ByteCursor.Malformed() }
        (wantsAnswer, hasServed) = (flags & 1 != 0, flags & 2 != 0)
        keyspaces = []
        for _ in 0..<(try cursor.number(ofAtLeast: 9, in: payload)) {
            let id = try cursor.littleEndian(of: payload, as: UInt32.self)
            let generation = try cursor.littleEndian(of: payload, as: UInt32.self)
            var runs: [CatchUpRun] = []
            for _ in 0..<(try cursor.number(ofAtLeast: 5, in: payload)) {
                let slots = try cursor.slots(after: runs.last?.slots, of: payload)
                runs.append(CatchUpRun(slots: slots, state: try cursor.code(CatchUpState.self, of: payload)))
            }
            keyspaces.append(Keyspace(id: id, generation: generation, runs: runs))
        }
        try cursor.end(of: payload)
    }
}

extension ByteBuffer {
    /// Appends a range of slots: the first and how many, 2 bytes each.
    mutating func append(slots: Range<Int>) {
        append(littleEndian: UInt16(slots.lowerBound))
        append(littleEndian: UInt16(slots.count))
    }
}

extension ByteCursor {
    /// Takes a number of entries of at least `size` bytes each, 0 included: no more than can be there.
    mutating func number(ofAtLeast size: Int, in bytes: RawSpan) throws(Malformed) -> Int {
        let count = try varint(of: bytes)
        guard count <= UInt64(ReplicaMessageLimits.entries), Int(count) * size <= bytes.byteCount - offset else {
            throw Malformed()
        }
        return Int(count)
    }

    /// Takes a range of slots that lies after the former one.
    mutating func slots(after former: Range<Int>?, of bytes: RawSpan) throws(Malformed) -> Range<Int> {
        let first = Int(try littleEndian(of: bytes, as: UInt16.self))
        let count = Int(try littleEndian(of: bytes, as: UInt16.self))
        guard count > 0, first + count <= Slot.count, first >= former?.upperBound ?? 0 else { throw Malformed() }
        return first..<first + count
    }

    /// Takes a stored key or nothing at all.
    mutating func storedKeyOrNone(of bytes: RawSpan) throws(Malformed) -> Range<Int>? {
        var ahead = self
        if try ahead.varint(of: bytes) == 0 {
            self = ahead
            return nil
        }
        return try storedKey(of: bytes)
    }
}
