/// What a node holds of another, by SWIM's words. An opinion on reachability only: who is a member, and what it owns,
/// is decided by epochs alone, and a dead member is still one.
public enum Liveness: UInt8, Hashable, Sendable, CaseIterable {
    case alive = 0
    /// It did not answer, directly or through others, and has not refuted that yet.
    case suspect = 1
    /// It was a suspect for too long.
    case dead = 2
}

/// One piece of what is gossiped: what somebody says of a member.
///
/// A member's *refutation* (SWIM's incarnation number; that word is taken for data sets) is raised by the member alone,
/// to contradict what is said of it. Of two claims the one with the higher refutation holds; of two with the same, dead
/// before suspect before alive.
public struct LivenessClaim: Hashable, Sendable {
    public var node: UInt32
    public var liveness: Liveness
    public var refutation: UInt64
    /// Which data set of the member is meant, in claims that it is alive; else 0. 0 if it is not known.
    public var incarnation: UInt64
    /// Who found it suspect or dead: independent suspicions confirm one another. In claims that it is alive, itself.
    public var accuser: UInt32

    /// No node comes to raise its refutation this far; a claim beyond is malformed.
    public static let greatestRefutation: UInt64 = 1 << 48

    /// A member's claim of itself, or what it last said.
    public static func alive(_ node: UInt32, refutation: UInt64, incarnation: UInt64) -> Self {
        Self(node: node, liveness: .alive, refutation: refutation, incarnation: incarnation, accuser: node)
    }

    public static func suspect(_ node: UInt32, refutation: UInt64, by accuser: UInt32) -> Self {
        Self(node: node, liveness: .suspect, refutation: refutation, incarnation: 0, accuser: accuser)
    }

    public static func dead(_ node: UInt32, refutation: UInt64, by accuser: UInt32) -> Self {
        Self(node: node, liveness: .dead, refutation: refutation, incarnation: 0, accuser: accuser)
    }

    init(node: UInt32, liveness: Liveness, refutation: UInt64, incarnation: UInt64, accuser: UInt32) {
        self.node = node
        self.liveness = liveness
        self.refutation = refutation
        self.incarnation = incarnation
        self.accuser = accuser
    }

    /// Bytes of the shortest claim's encoded form.
    static let shortest = 10

    /// `node u32, liveness u8, refutation varint, then of one alive its incarnation u64, else the accuser u32`.
    func append(to buffer: inout ByteBuffer) {
        buffer.append(littleEndian: node)
        buffer.append(liveness.rawValue)
        buffer.append(varint: refutation)
        if liveness == .alive {
            buffer.append(littleEndian: incarnation)
        } else {
            buffer.append(littleEndian: accuser)
        }
    }

    init(_ bytes: RawSpan, at cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        node = try cursor.littleEndian(of: bytes, as: UInt32.self)
        liveness = try cursor.code(Liveness.self, of: bytes)
        refutation = try cursor.refutation(of: bytes)
        if liveness == .alive {
            incarnation = try cursor.littleEndian(of: bytes, as: UInt64.self)
            accuser = node
        } else {
            incarnation = 0
            accuser = try cursor.littleEndian(of: bytes, as: UInt32.self)
        }
    }
}

extension ByteCursor {
    mutating func refutation(of bytes: RawSpan) throws(Malformed) -> UInt64 {
        let number = try varint(of: bytes)
        guard number <= LivenessClaim.greatestRefutation else { throw Malformed() }
        return number
    }
}
