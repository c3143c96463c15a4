/// What a client has seen of a key: what MARTLET.GET gives and MARTLET.PUT takes back, as opaque bytes.
///
/// ```
/// version u8 (1)    check u32    history: a version vector as in a record    0 u8 | 1 u8, the write beyond it
/// ```
/// The check is over the rest and what the context is bound to, so that one of another key, keyspace or cluster is
/// told apart from a good one. It is no secret: a client that forges a context harms its own keys alone.
public struct ClientContext: Hashable, Sendable {
    /// All that was seen, as far as it is without gaps.
    public private(set) var history: VersionVector
    /// One's own write, where the history before it has gaps: writes of the same actor that were not seen.
    public private(set) var beyond: Dot?

    public init(_ history: VersionVector = VersionVector(), beyond: Dot? = nil) {
        self.history = history
        if let beyond { add(beyond) }
    }

    /// Why bytes are not taken as a context.
    public enum Fault: Error, Hashable, Sendable {
        /// No bytes that this format has.
        case malformed
        /// Given for another key, keyspace or cluster, or altered.
        case foreign
    }

    public func contains(_ dot: Dot) -> Bool { beyond == dot || history.contains(dot) }

    /// Takes note of a write that supersedes all that was seen so far.
    public mutating func add(_ dot: Dot) {
        beyond = nil
        if history[dot.actor] >= dot.counter - 1 { history.insert(dot) } else { beyond = dot }
    }

    /// Appends it, bound to a number that stands for the cluster, the keyspace and the key.
    public func encode(into buffer: inout ByteBuffer, binding: UInt64) {
        let start = buffer.count
        buffer.append(Self.version)
        buffer.append(littleEndian: UInt32(0))
        history.encode(into: &buffer)
        buffer.append(beyond == nil ? UInt8(0) : 1)
        if let beyond { VersionVector.Entry(actor: beyond.actor, counter: beyond.counter).encode(into: &buffer) }
        let check = buffer.withBytes(start + Self.headerLength..<buffer.count) { Self.check($0, binding) }
        buffer.store(littleEndian: check, at: start + 1)
    }

    /// Reads what ``encode(into:binding:)`` wrote. Safe on any bytes.
    public init(decoding bytes: RawSpan, binding: UInt64) throws(Fault) {
        guard bytes.byteCount > Self.headerLength, bytes.byte(0) == Self.version else { throw .malformed }
        (history, beyond) = try Self.read(bytes)
        let check = Self.check(bytes.extracting(Self.headerLength..<bytes.byteCount), binding)
        guard check == bytes.littleEndian(1, as: UInt32.self) else { throw .foreign }
    }

    private static func read(_ bytes: RawSpan) throws(Fault) -> (VersionVector, Dot?) {
        do throws(ByteCursor.Malformed) {
            var cursor = ByteCursor(at: headerLength)
            let history = try VersionVector(decoding: bytes, at: &cursor)
            var beyond: Dot?
            if try cursor.code(Mark.self, of: bytes) == .beyond {
                let entry = try VersionVector.Entry(decoding: bytes, at: &cursor)
                beyond = Dot(actor: entry.actor, counter: entry.counter)
            }
            try cursor.end(of: bytes)
            guard history.isPlausible, (beyond?.counter ?? 0) <= Dot.maximumCounter else {
                throw ByteCursor.Malformed()
            }
            return (history, beyond)
        } catch {
            throw .malformed
        }
    }

    private enum Mark: UInt8 { case none = 0, beyond = 1 }

    private static let version: UInt8 = 1
    private static let headerLength = 5

    private static func check(_ bytes: RawSpan, _ binding: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: XXH3.hash(bytes, seed: binding))
    }
}
