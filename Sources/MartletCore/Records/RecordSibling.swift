/// One written value within an encoded record: its facts, and where its bytes lie. Offsets count from the record's
/// first byte.
public struct RecordSibling: Sendable {
    /// Position in the record's context of the actor that minted the value's dot.
    public let actorIndex: Int
    public let counter: UInt64
    public let stamp: UInt64
    /// Milliseconds since 1970; `Int64.max` if it does not expire.
    public let expiry: Int64
    public let flags: RecordFormat.SiblingFlags
    public let codec: RecordFormat.Codec
    /// Bytes of the value before compression.
    public let length: Int
    /// Where the value's stored bytes lie.
    public let value: Range<Int>
    /// Where the 16 bytes of the retry token lie, if there is one.
    public let token: Range<Int>?
    /// Where the stamp lies: from here to the value's end the bytes are the same in whatever record it stands.
    @usableFromInline let tail: Int

    /// Reads what stands at the cursor in a record with `actors` entries in its context. O(1).
    @inlinable
    init(
        decoding record: RawSpan, at cursor: inout ByteCursor, codec common: RecordFormat.Codec, actors: Int
    ) throws(ByteCursor.Malformed) {
        flags = RecordFormat.SiblingFlags(rawValue: try cursor.byte(of: record))
        guard flags.isSubset(of: .known) else { throw ByteCursor.Malformed() }
        if flags.contains(.ownCodec) {
            guard let own = RecordFormat.Codec(rawValue: try cursor.byte(of: record)) else {
                throw ByteCursor.Malformed()
            }
            codec = own
        } else {
            codec = common
        }
        let index = try cursor.varint(of: record)
        guard index < UInt64(actors) else { throw ByteCursor.Malformed() }
        actorIndex = Int(index)
        counter = try cursor.varint(of: record)
        tail = cursor.offset
        stamp = try cursor.littleEndian(of: record, as: UInt64.self)
        expiry = flags.contains(.expiry) ? try cursor.littleEndian(of: record, as: Int64.self) : .max
        token = flags.contains(.token) ? try cursor.take(16, of: record) : nil
        let plain = codec == .none ? nil : try cursor.varint(of: record)
        let stored = try cursor.varint(of: record)
        guard stored <= UInt64(record.byteCount), (plain ?? 0) <= 1 << 32 else { throw ByteCursor.Malformed() }
        value = try cursor.take(Int(stored), of: record)
        length = Int(plain ?? stored)
    }

    @inlinable public var isTombstone: Bool { flags.contains(.tombstone) }

    /// Whether it is a value whose bytes were dropped after it had expired, no client's delete.
    @inlinable public var isDropped: Bool { flags.isSuperset(of: [.tombstone, .expiry]) }

    /// Whether a read at that time, in milliseconds since 1970, finds a value here.
    @inlinable public func isLive(at milliseconds: Int64) -> Bool { !isTombstone && expiry > milliseconds }

    /// Whether this is later than another sibling of the same record, by stamp, then by dot.
    @inlinable
    func isNewer(than other: RecordSibling) -> Bool {
        if stamp != other.stamp { return stamp > other.stamp }
        return actorIndex == other.actorIndex ? counter > other.counter : actorIndex > other.actorIndex
    }

    /// Whether both carry the same retry token.
    func hasToken(of other: RecordSibling, in otherRecord: RawSpan, of record: RawSpan) -> Bool {
        guard let token, let others = other.token else { return false }
        return record.extracting(token).equals(otherRecord.extracting(others))
    }
}

/// Goes through all siblings of a record, which ``RecordView`` shows only the newest of.
///
/// ```
/// var siblings = RecordSiblings(view)
/// while let (dot, sibling) = try siblings.next(of: record) { ... }
/// ```
/// Safe on any bytes. Allocates nothing. O(siblings + context entries) for a record in its canonical order.
public struct RecordSiblings: Sendable {
    /// Those not yet given out.
    private var remaining: Int
    private var cursor: ByteCursor
    private let codec: RecordFormat.Codec
    private let contextStart: Int
    private let contextCount: Int
    private var entries: ByteCursor
    /// Position of the entry that ``entries`` stands before.
    private var position = 0
    private var entry: VersionVector.Entry?

    /// The siblings of the record that `view` is of.
    public init(_ view: RecordView) {
        remaining = view.siblingCount
        cursor = ByteCursor(at: view.siblings.lowerBound)
        codec = view.commonCodec
        contextStart = view.firstEntry
        contextCount = view.contextCount
        entries = ByteCursor(at: view.firstEntry)
    }

    /// The next sibling and its dot, in the order in which they are stored; nil after the last.
    public mutating func next(
        of record: RawSpan
    ) throws(RecordView.Damage) -> (dot: Dot, sibling: RecordSibling)? {
        guard remaining > 0 else { return nil }
        do throws(ByteCursor.Malformed) {
            let sibling = try RecordSibling(decoding: record, at: &cursor, codec: codec, actors: contextCount)
            let entry = try entry(at: sibling.actorIndex, of: record)
            guard sibling.counter > 0, sibling.counter <= entry.counter else { throw ByteCursor.Malformed() }
            remaining -= 1
            return (Dot(actor: entry.actor, counter: sibling.counter), sibling)
        } catch {
            throw .damaged
        }
    }

    private mutating func entry(
        at index: Int, of record: RawSpan
    ) throws(ByteCursor.Malformed) -> VersionVector.Entry {
        if let entry, index == position - 1 { return entry }
        if index < position {
            position = 0
            entries = ByteCursor(at: contextStart)
        }
        var found: VersionVector.Entry
        repeat {
            found = try VersionVector.Entry(decoding: record, at: &entries)
            position += 1
        } while position <= index
        entry = found
        return found
    }
}
