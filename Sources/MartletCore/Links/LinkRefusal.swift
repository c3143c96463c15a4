/// Why one node does not take a link from, or to, another.
public struct LinkRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of reason; a number on the wire, so that a newer node's reasons can be told by an older one.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public var rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// A message that cannot stand where it came, or whose fields cannot be read.
        public static let malformed = Code(rawValue: 1)
        /// No version of the protocol that both speak.
        public static let version = Code(rawValue: 2)
        /// The other belongs to another cluster.
        public static let cluster = Code(rawValue: 3)
        /// The other is not the node it is taken for, or not a member.
        public static let node = Code(rawValue: 4)
        /// The cluster was founded with other settings.
        public static let digest = Code(rawValue: 5)
        /// The cluster secret is not the same.
        public static let secret = Code(rawValue: 6)
        /// Both connected at once and this link is the one too many; no fault.
        public static let duplicate = Code(rawValue: 7)
        /// The other did not say what it should in time.
        public static let timeout = Code(rawValue: 8)
        /// The node ends.
        public static let stopping = Code(rawValue: 9)
    }

    public var code: Code
    /// A sentence for the log, without a full stop.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether an operator should hear of it.
    public var isFault: Bool { code != .duplicate && code != .stopping }

    public var description: String { message }
}

extension LinkRefusal {
    /// The payload that tells it to the other side, with this node's founding description if that is what differs.
    func encoded(founding: [UInt8] = []) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 64)
        buffer.append(code.rawValue)
        let text = Array(message.utf8.prefix(Self.longestMessage))
        buffer.append(varint: UInt64(text.count))
        buffer.append(text)
        buffer.append(varint: UInt64(founding.count))
        buffer.append(founding)
        return buffer.copy()
    }

    /// Reads ``encoded(founding:)``.
    static func decode(_ bytes: RawSpan) throws(ByteCursor.Malformed) -> (LinkRefusal, founding: [UInt8]) {
        var cursor = ByteCursor()
        let code = Code(rawValue: try cursor.byte(of: bytes))
        let text = try cursor.run(of: bytes, upTo: longestMessage)
        let founding = try cursor.run(of: bytes, upTo: LinkHello.longestFounding)
        return (LinkRefusal(code, bytes.extracting(text).text), bytes.extracting(founding).array)
    }

    /// Bytes of a refusal's text.
    private static let longestMessage = 4096
}

extension ByteCursor {
    /// A run of bytes after its length, which is at most `limit`.
    mutating func run(of bytes: RawSpan, upTo limit: Int) throws(Malformed) -> Range<Int> {
        let length = try varint(of: bytes)
        guard length <= UInt64(limit) else { throw Malformed() }
        return try take(Int(length), of: bytes)
    }
}
