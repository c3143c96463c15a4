/// The messages between a coordinator and the replicas of its keys.
extension MessageKind {
    /// ``ReplicaWrite``, answered by ``replicaWriteReply``.
    public static let replicaWrite = MessageKind(rawValue: 0x0101)
    /// ``ReplicaWriteReply``.
    public static let replicaWriteReply = MessageKind(rawValue: 0x0102)
    /// ``ReplicaRead``, answered by ``replicaReadReply``.
    public static let replicaRead = MessageKind(rawValue: 0x0103)
    /// ``ReplicaReadReply``.
    public static let replicaReadReply = MessageKind(rawValue: 0x0104)
}

/// Bounds on what a peer's message may hold. What is beyond them is malformed: the frame is dropped, counted, and the
/// link closed, nothing of it is merged. Above any limit that a cluster can be configured with.
public enum ReplicaMessageLimits {
    /// Bytes of a stored key: the prefix and a key of 64 KiB.
    public static let storedKey = StoredKey.prefixLength + 65_536
    /// Bytes of a record or a value; a frame's own limit is as large.
    public static let record = 64 << 20
    /// Keys in one message.
    public static let entries = 65_536
}

/// Where a key and what belongs to it lie in a payload, counted from the payload's first byte.
public struct KeyedRecord: Hashable, Sendable {
    /// The stored key.
    public var key: Range<Int>
    /// The encoded record.
    public var record: Range<Int>

    @inlinable
    public init(key: Range<Int>, record: Range<Int>) {
        self.key = key
        self.record = record
    }
}

extension ByteBuffer {
    /// Appends a length and as many bytes.
    @inlinable
    mutating func append(field bytes: RawSpan) {
        append(varint: UInt64(bytes.byteCount))
        append(bytes)
    }
}

extension ByteCursor {
    /// Takes a length and as many bytes, at most `limit`.
    @inlinable
    mutating func field(upTo limit: Int, of bytes: RawSpan) throws(Malformed) -> Range<Int> {
        let length = try varint(of: bytes)
        guard length <= UInt64(limit) else { throw Malformed() }
        return try take(Int(length), of: bytes)
    }

    /// Takes a stored key: of data, with a whole prefix, so that nobody writes a node's own entries.
    @inlinable
    mutating func storedKey(of bytes: RawSpan) throws(Malformed) -> Range<Int> {
        let key = try field(upTo: ReplicaMessageLimits.storedKey, of: bytes)
        guard key.count >= StoredKey.prefixLength, bytes.byte(key.lowerBound) == StoredKey.Class.data.rawValue,
            bytes.bigEndian(key.lowerBound + 9, as: UInt16.self) < UInt16(Slot.count)
        else { throw Malformed() }
        return key
    }

    /// Takes a number of entries of at least `size` bytes each: no more than can be there.
    @inlinable
    mutating func entryCount(ofAtLeast size: Int, in bytes: RawSpan) throws(Malformed) -> Int {
        let count = try varint(of: bytes)
        guard count >= 1, count <= UInt64(ReplicaMessageLimits.entries),
            Int(count) * size <= bytes.byteCount - offset
        else { throw Malformed() }
        return Int(count)
    }

    /// Takes a byte that has to be one of an enumeration's.
    @inlinable
    mutating func code<T: RawRepresentable>(_ type: T.Type, of bytes: RawSpan) throws(Malformed) -> T
    where T.RawValue == UInt8 {
        guard let value = T(rawValue: try byte(of: bytes)) else { throw Malformed() }
        return value
    }

    /// There is nothing left.
    @inlinable
    func end(of bytes: RawSpan) throws(Malformed) {
        guard offset == bytes.byteCount else { throw Malformed() }
    }
}

extension ReplicaRefusal {
    /// What a byte from a peer stands for: a reason that this version does not know is still a refusal.
    @inlinable
    init(code: UInt8) { self = ReplicaRefusal(rawValue: code) ?? .other }
}
