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
    public var siblingCount: Int
    /// Position in the context of the newest sibling's actor; the entry's counter is the sibling's or a later one.
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
    /// Where the siblings lie, without their count.
    public var siblings: Range<Int>
    /// The codec of siblings that have none of their own.
    @usableFromInline var commonCodec: RecordFormat.Codec
    /// Where the context's first entry lies.
    @usableFromInline var firstEntry: Int

    /// Whether a read at that time, in milliseconds since 1970, finds a value: an expired one is a tombstone.
    @inlinable public func isLive(at milliseconds: Int64) -> Bool { !isTombstone && expiry > milliseconds }

    /// Reads a record found under `storedKey`, checking it whole.
    @inlinable
    public init(_ record: RawSpan, storedKey: RawSpan) throws(Damage) {
        try self.init(record, keyHash: XXH3.hash(storedKey, seed: 0))
    }

    /// Reads a record that was checked, or made, just now.
    @inlinable
    public init(ofSound record: RawSpan) throws(Damage) {
        do throws(ByteCursor.Malformed) { try self.init(parsing: record) } catch { throw .damaged }
    }

    /// The same from the stored key's hash, for those who read several records of one key.
    @inlinable
    init(_ record: RawSpan, keyHash: UInt64) throws(Damage) {
        try Self.check(record, keyHash: keyHash)
        do throws(ByteCursor.Malformed) { try self.init(parsing: record) } catch { throw .damaged }
    }

    /// Checks all of a record but its form: that its bytes are those that were written under that key.
    @inlinable
    static func check(_ record: RawSpan, keyHash: UInt64) throws(Damage) {
        guard record.byteCount > RecordFormat.headerLength else { throw .damaged }
        guard record.byte(0) == RecordFormat.version else {
            throw record.byte(0) > RecordFormat.version ? .unknownVersion : .damaged
        }
        guard record.littleEndian(4, as: UInt64.self) == RecordFormat.checksum(of: record, keyHash: keyHash) else {
            throw .damaged
        }
        guard RecordFormat.Kind(rawValue: record.byte(1)) != nil, record.byte(2) == 0 else { throw .unknownVersion }
    }

    @inlinable
    init(parsing record: RawSpan) throws(ByteCursor.Malformed) {
        guard let common = RecordFormat.Codec(rawValue: record.byte(3)) else { throw ByteCursor.Malformed() }
        commonCodec = common
        var cursor = ByteCursor(at: RecordFormat.headerLength)
        let count = try cursor.varint(of: record)
        firstEntry = cursor.offset
        for _ in 0..<count {
            _ = try cursor.take(12, of: record)
            _ = try cursor.varint(of: record)
            _ = try cursor.varint(of: record)
        }
        context = RecordFormat.headerLength..<cursor.offset
        contextCount = Int(truncatingIfNeeded: count)
        let number = try cursor.varint(of: record)
        guard number > 0 else { throw ByteCursor.Malformed() }
        siblingCount = Int(truncatingIfNeeded: number)
        let start = cursor.offset
        var newest = try RecordSibling(decoding: record, at: &cursor, codec: common, actors: contextCount)
        for _ in 1..<number {
            let sibling = try RecordSibling(decoding: record, at: &cursor, codec: common, actors: contextCount)
            if sibling.isNewer(than: newest) { newest = sibling }
        }
        siblings = start..<cursor.offset
        actorIndex = newest.actorIndex
        counter = newest.counter
        stamp = newest.stamp
        expiry = newest.expiry
        isTombstone = newest.isTombstone
        codec = newest.codec
        length = newest.length
        value = newest.value
        token = newest.token
    }

    /// The context's entries. O(entries), allocates.
    public func versionVector(of record: RawSpan) -> VersionVector {
        var cursor = ByteCursor(at: context.lowerBound)
        return (try? VersionVector(decoding: record, at: &cursor)) ?? VersionVector()
    }
}
