/// Where the parts of an encoded record lie: read without copying or allocating. O(context entries).
///
/// It describes the newest sibling (the greatest stamp, then dot), which is what a plain read answers.
public struct RecordView: Sendable {
    /// Why a record cannot be used; such a record is answered as unknown, never served.
    public enum Damage: Error, Sendable {
        /// Too short, a field out of bounds, or a checksum that does not match.
        case damaged
        /// Written by a later version.
        case unknownVersion
    }

    /// Where the context lies, its count included.
    public var context: Range<Int>
    public var contextCount: Int
    /// Where the context entry of the newest sibling's actor lies; its counter is the sibling's or a later one.
    public var siblingCount: Int
    public var actorIndex: Int
    public var counter: UInt64
    public var stamp: UInt64
    /// Milliseconds since 1970; `Int64.max` if it does not expire.
    public var expiry: Int64
    public var isTombstone: Bool
    public var codec: RecordFormat.Codec
    /// Bytes of the value before compression.
    public var length: Int
    /// Where the value's stored bytes lie.
    public var value: Range<Int>
    /// Where the retry token lies, if there is one.
    public var token: Range<Int>?

    /// Reads a record found under `storedKey`, checking it whole.
    @inlinable
    public init(_ record: RawSpan, storedKey: RawSpan) throws(Damage) {
        guard record.byteCount > RecordFormat.headerLength else { throw .damaged }
        guard record.byte(0) == RecordFormat.version else {
            throw record.byte(0) > RecordFormat.version ? .unknownVersion : .damaged
        }
        guard record.littleEndian(4, as: UInt64.self) == RecordFormat.checksum(of: record, storedKey: storedKey) else {
            throw .damaged
        }
        do throws(ByteCursor.Malformed) { try self.init(parsing: record) } catch { throw .damaged }
    }

    @inlinable
    init(parsing record: RawSpan) throws(ByteCursor.Malformed) {
        guard let codec = RecordFormat.Codec(rawValue: record.byte(3)) else { throw ByteCursor.Malformed() }
        self.codec = codec
        var cursor = ByteCursor(at: RecordFormat.headerLength)
        let count = try cursor.varint(of: record)
        for _ in 0..<count {
            _ = try cursor.take(12, of: record)
            _ = try cursor.varint(of: record)
            _ = try cursor.varint(of: record)
        }
        context = RecordFormat.headerLength..<cursor.offset
        contextCount = Int(truncatingIfNeeded: count)
        let siblings = try cursor.varint(of: record)
        guard siblings > 0 else { throw ByteCursor.Malformed() }
        siblingCount = Int(truncatingIfNeeded: siblings)
        (actorIndex, counter, stamp, expiry, isTombstone, length, value) = (0, 0, 0, .max, false, 0, 0..<0)
        token = nil
        for index in 0..<siblings { try takeSibling(of: record, at: &cursor, isFirst: index == 0) }
    }

    @inlinable
    mutating func takeSibling(of record: RawSpan, at cursor: inout ByteCursor, isFirst: Bool) throws(ByteCursor
        .Malformed)
    {
        let flags = RecordFormat.SiblingFlags(rawValue: try cursor.byte(of: record))
        let index = try cursor.varint(of: record)
        guard index < UInt64(contextCount) else { throw ByteCursor.Malformed() }
        let counter = try cursor.varint(of: record)
        let stamp = try cursor.littleEndian(of: record, as: UInt64.self)
        let expiry = flags.contains(.expiry) ? try cursor.littleEndian(of: record, as: Int64.self) : .max
        let token: Range<Int>? = flags.contains(.token) ? try cursor.take(16, of: record) : nil
        let plain = codec == .none ? nil : try cursor.varint(of: record)
        let length = try cursor.varint(of: record)
        guard length <= UInt64(record.byteCount), (plain ?? 0) <= 1 << 32 else { throw ByteCursor.Malformed() }
        let value = try cursor.take(Int(length), of: record)
        guard isFirst || (stamp, counter) > (self.stamp, self.counter) else { return }
        actorIndex = Int(index)
        self.counter = counter
        self.stamp = stamp
        self.expiry = expiry
        self.token = token
        isTombstone = flags.contains(.tombstone)
        self.length = Int(plain ?? length)
        self.value = value
    }

    /// The context's entries. O(entries), allocates.
    public func versionVector(of record: RawSpan) -> VersionVector {
        var cursor = ByteCursor(at: context.lowerBound)
        return (try? VersionVector(decoding: record, at: &cursor)) ?? VersionVector()
    }
}
