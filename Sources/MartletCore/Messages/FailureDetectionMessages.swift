/// The messages of failure detection. They go over the links of all others, in order with them: a probe also tells
/// whether the link is alive.
extension MessageKind {
    /// ``FailureMessage/Body/probe(sequence:)``.
    public static let failureProbe = MessageKind(rawValue: 0x0120)
    /// ``FailureMessage/Body/reply(sequence:isReached:)``.
    public static let failureReply = MessageKind(rawValue: 0x0121)
    /// ``FailureMessage/Body/indirectProbe(sequence:target:)``.
    public static let failureIndirectProbe = MessageKind(rawValue: 0x0122)
    /// ``FailureMessage/Body/view(wantsAnswer:)``.
    public static let failureView = MessageKind(rawValue: 0x0123)
}

/// A message of failure detection: what it is for, what the sender says of itself, and gossip.
///
/// ```
/// refutation varint    incarnation u64    clock varint    claims: count varint, then each as in ``LivenessClaim``
/// probe, reply, indirect probe: sequence u32
/// reply: reached u8    indirect probe: target u32    view: wants answer u8
/// ```
public struct FailureMessage: Hashable, Sendable {
    /// What a message is for; by it the frame's kind.
    public enum Body: Hashable, Sendable {
        /// Answer with a reply of this sequence.
        case probe(sequence: UInt32)
        /// The answer to a probe, or the word of one asked to help: whether the target answered it.
        case reply(sequence: UInt32, isReached: Bool)
        /// Probe the target in the sender's stead.
        case indirectProbe(sequence: UInt32, target: UInt32)
        /// The claims are all that the sender knows.
        case view(wantsAnswer: Bool)
    }

    public var body: Body
    public var refutation: UInt64
    public var incarnation: UInt64
    /// The sender's wall clock as it sent, in milliseconds since 1970; 0 if it does not say.
    public var clock: UInt64 = 0
    public var claims: [LivenessClaim]

    public init(_ body: Body, refutation: UInt64, incarnation: UInt64, claims: [LivenessClaim] = []) {
        self.body = body
        self.refutation = refutation
        self.incarnation = incarnation
        self.claims = claims
    }

    public var kind: MessageKind {
        switch body {
        case .probe: .failureProbe
        case .reply: .failureReply
        case .indirectProbe: .failureIndirectProbe
        case .view: .failureView
        }
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(varint: refutation)
        buffer.append(littleEndian: incarnation)
        buffer.append(varint: clock)
        buffer.append(varint: UInt64(claims.count))
        for claim in claims { claim.append(to: &buffer) }
        switch body {
        case .probe(let sequence): buffer.append(littleEndian: sequence)
        case .reply(let sequence, let isReached):
            buffer.append(littleEndian: sequence)
            buffer.append(isReached ? 1 : 0)
        case .indirectProbe(let sequence, let target):
            buffer.append(littleEndian: sequence)
            buffer.append(littleEndian: target)
        case .view(let wantsAnswer): buffer.append(wantsAnswer ? 1 : 0)
        }
    }

    /// Reads a payload of one of the four kinds, checked whole. O(claims).
    public init(_ kind: MessageKind, _ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        refutation = try cursor.refutation(of: payload)
        incarnation = try cursor.littleEndian(of: payload, as: UInt64.self)
        clock = try cursor.varint(of: payload)
        claims = []
        let count = try cursor.number(ofAtLeast: LivenessClaim.shortest, in: payload)
        claims.reserveCapacity(count)
        for _ in 0..<count { claims.append(try LivenessClaim(payload, at: &cursor)) }
        switch kind {
        case .failureProbe: body = .probe(sequence: try cursor.littleEndian(of: payload, as: UInt32.self))
        case .failureReply:
            let sequence = try cursor.littleEndian(of: payload, as: UInt32.self)
            body = .reply(sequence: sequence, isReached: try cursor.flag(of: payload))
        case .failureIndirectProbe:
            let sequence = try cursor.littleEndian(of: payload, as: UInt32.self)
            body = .indirectProbe(
                sequence: sequence, target: try cursor.littleEndian(of: payload, as: UInt32.self))
        case .failureView: body = .view(wantsAnswer: try cursor.flag(of: payload))
        default: throw ByteCursor.Malformed()
        }
        try cursor.end(of: payload)
    }
}

extension ByteCursor {
    /// Takes a byte that is 0 or 1.
    mutating func flag(of bytes: RawSpan) throws(Malformed) -> Bool {
        let flag = try byte(of: bytes)
        guard flag <= 1 else { throw Malformed() }
        return flag == 1
    }
}
