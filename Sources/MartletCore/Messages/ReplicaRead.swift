/// A coordinator's request for what a replica holds of one key, or of several of an MGET.
///
/// ```
/// what u8: 0 records, 1 digests only    count varint, then per entry the stored key: a varint length and bytes
/// ```
public struct ReplicaRead: Hashable, Sendable {
    /// Whether digests suffice.
    public var isDigestOnly: Bool
    /// Keys, at least one.
    public var count: Int
    private var firstKey: Int

    /// Appends all but the keys, of which `count` have to follow (``append(key:to:)``).
    public static func begin(isDigestOnly: Bool, count: Int, in buffer: inout ByteBuffer) {
        precondition(count >= 1 && count <= ReplicaMessageLimits.entries)
        buffer.append(isDigestOnly ? 1 : 0)
        buffer.append(varint: UInt64(count))
    }

    /// Appends one key.
    @inlinable
    public static func append(key: RawSpan, to buffer: inout ByteBuffer) { buffer.append(field: key) }

    /// Reads a payload, checked whole. O(keys), no allocation.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        let what = try cursor.byte(of: payload)
        guard what <= 1 else { throw ByteCursor.Malformed() }
        isDigestOnly = what == 1
        count = try cursor.entryCount(ofAtLeast: StoredKey.prefixLength + 1, in: payload)
        firstKey = cursor.offset
        var keys = keys()
        while try keys.next(of: payload) != nil {}
        try keys.cursor.end(of: payload)
    }

    /// The stored keys, from the first.
    public func keys() -> Keys { Keys(cursor: ByteCursor(at: firstKey), left: count) }

    /// Reads stored keys one after another.
    public struct Keys: Sendable {
        fileprivate var cursor: ByteCursor
        private var left: Int

        fileprivate init(cursor: ByteCursor, left: Int) {
            self.cursor = cursor
            self.left = left
        }

        /// Where the next key lies; nil after the last. Throws only for a payload other than the one that was read.
        public mutating func next(of payload: RawSpan) throws(ByteCursor.Malformed) -> Range<Int>? {
            guard left > 0 else { return nil }
            left -= 1
            return try cursor.storedKey(of: payload)
        }
    }
}

/// What a replica holds of the keys of a ``ReplicaRead``, in their order.
///
/// ```
/// count varint, then per entry: status u8, and
///     1 digest:  digest u64
///     2 record:  digest u64, the record: a varint length and bytes
///     others (0 not found, 3 unknown here, 4 damaged, from 16 on 16 + refusal): nothing
/// ```
public struct ReplicaReadReply: Hashable, Sendable {
    /// What is said of one key.
    public struct Entry: Hashable, Sendable {
        public var reply: ReadReply
        /// Where the record lies, if it was asked for and found.
        public var record: Range<Int>?
    }

    public var count: Int
    private var firstEntry: Int

    /// Appends the count; as many entries have to follow.
    public static func begin(count: Int, in buffer: inout ByteBuffer) {
        precondition(count >= 1 && count <= ReplicaMessageLimits.entries)
        buffer.append(varint: UInt64(count))
    }

    /// Appends an entry without a record.
    public static func append(_ reply: ReadReply, to buffer: inout ByteBuffer) {
        switch reply {
        case .version(.notFound): buffer.append(0)
        case .version(.found(let digest)):
            buffer.append(1)
            buffer.append(littleEndian: digest)
        case .unknownHere: buffer.append(3)
        case .damaged: buffer.append(4)
        case .refused(let reason): buffer.append(16 + reason.rawValue)
        }
    }

    /// Appends an entry with a record, whose digest is given.
    @inlinable
    public static func append(record: RawSpan, digest: UInt64, to buffer: inout ByteBuffer) {
        buffer.append(2)
        buffer.append(littleEndian: digest)
        buffer.append(field: record)
    }

    /// Reads a payload, checked whole. O(entries), no allocation.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        count = try cursor.entryCount(ofAtLeast: 1, in: payload)
        firstEntry = cursor.offset
        var entries = entries()
        while try entries.next(of: payload) != nil {}
        try entries.cursor.end(of: payload)
    }

    /// The entries, from the first.
    public func entries() -> Entries { Entries(cursor: ByteCursor(at: firstEntry), left: count) }

    /// Reads entries one after another.
    public struct Entries: Sendable {
        fileprivate var cursor: ByteCursor
        private var left: Int

        fileprivate init(cursor: ByteCursor, left: Int) {
            self.cursor = cursor
            self.left = left
        }

        /// The next entry; nil after the last. Throws only for a payload other than the one that was read.
        public mutating func next(of payload: RawSpan) throws(ByteCursor.Malformed) -> Entry? {
            guard left > 0 else { return nil }
            left -= 1
            let status = try cursor.byte(of: payload)
            switch status {
            case 0: return Entry(reply: .version(.notFound))
            case 1, 2:
                let digest = try cursor.littleEndian(of: payload, as: UInt64.self)
                guard status == 2 else { return Entry(reply: .version(.found(digest))) }
                let record = try cursor.field(upTo: ReplicaMessageLimits.record, of: payload)
                guard !record.isEmpty else { throw ByteCursor.Malformed() }
                return Entry(reply: .version(.found(digest)), record: record)
            case 3: return Entry(reply: .unknownHere)
            case 4: return Entry(reply: .damaged)
            case 16...: return Entry(reply: .refused(ReplicaRefusal(code: status - 16)))
            default: throw ByteCursor.Malformed()
            }
        }
    }
}
