/// Writes that a node which owns none of their keys hands to a live owner: that one mints their dots and coordinates.
///
/// ```
/// level u8 (ConsistencyLevel.code)    durability u8
/// entries: count varint, then per entry
///     flags u8: 1 tombstone, 2 expiry, 4 token, 8 context
///     the stored key: a varint length and bytes
///     [expiry i64, milliseconds since 1970]    [token 16 bytes]    [context: a varint length and bytes]
///     the value, unless a tombstone: a varint length and bytes
/// ```
public struct CoordinateWrite: Hashable, Sendable {
    /// One key's write, with places counted from the payload's first byte.
    public struct Entry: Hashable, Sendable {
        /// The stored key.
        public var key: Range<Int>
        /// Milliseconds since 1970; `Int64.max` for never.
        public var expiry: Int64
        /// The 16 bytes of the retry token.
        public var token: Range<Int>?
        /// What the client knew, an encoded ``VersionVector``; nil to supersede what the minting owner holds.
        public var context: Range<Int>?
        /// The value; nil for a delete.
        public var value: Range<Int>?
    }

    fileprivate enum Flags {
        static let tombstone: UInt8 = 1
        static let expiry: UInt8 = 2
        static let token: UInt8 = 4
        static let context: UInt8 = 8
        static let all: UInt8 = 15
    }

    public var level: ConsistencyLevel
    /// What an acknowledgement has to meet to be counted.
    public var durability: ReplicaDurability
    /// Entries, at least one.
    public var count: Int
    private var firstEntry: Int

    /// Appends all but the entries, of which `count` have to follow.
    public static func begin(
        _ level: ConsistencyLevel, durability: ReplicaDurability, count: Int, in buffer: inout ByteBuffer
    ) {
        precondition(count >= 1 && count <= ReplicaMessageLimits.entries)
        buffer.append(level.code)
        buffer.append(durability.rawValue)
        buffer.append(varint: UInt64(count))
    }

    /// Appends a write of a value, or a delete where `value` is nil.
    ///
    /// - Parameters:
    ///   - expiry: milliseconds since 1970; `Int64.max` for never. A delete has none.
    ///   - token: 16 bytes.
    ///   - context: an encoded ``VersionVector``.
    public static func append(
        key: RawSpan, value: RawSpan?, expiry: Int64 = .max, token: RawSpan? = nil, context: RawSpan? = nil,
        to buffer: inout ByteBuffer
    ) {
        var flags: UInt8 = 0
        if value == nil { flags |= Flags.tombstone }
        if value != nil, expiry != .max { flags |= Flags.expiry }
        if token != nil { flags |= Flags.token }
        if context != nil { flags |= Flags.context }
        buffer.append(flags)
        buffer.append(field: key)
        if flags & Flags.expiry != 0 { buffer.append(littleEndian: expiry) }
        if let token {
            precondition(token.byteCount == 16)
            buffer.append(token)
        }
        if let context { buffer.append(field: context) }
        if let value { buffer.append(field: value) }
    }

    /// Reads a payload, checked whole, contexts included. O(entries and contexts).
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        guard let level = ConsistencyLevel(code: try cursor.byte(of: payload)) else { throw ByteCursor.Malformed() }
        self.level = level
        durability = try cursor.code(ReplicaDurability.self, of: payload)
        count = try cursor.entryCount(ofAtLeast: StoredKey.prefixLength + 2, in: payload)
        firstEntry = cursor.offset
        var entries = entries()
        while let entry = try entries.next(of: payload) {
            if let context = entry.context { try VersionVector.check(payload.extracting(context)) }
        }
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
            let flags = try cursor.byte(of: payload)
            let isTombstone = flags & Flags.tombstone != 0
            guard flags & ~Flags.all == 0, !(isTombstone && flags & Flags.expiry != 0) else {
                throw ByteCursor.Malformed()
            }
            var entry = Entry(key: try cursor.storedKey(of: payload), expiry: .max)
            if flags & Flags.expiry != 0 { entry.expiry = try cursor.littleEndian(of: payload, as: Int64.self) }
            if flags & Flags.token != 0 { entry.token = try cursor.take(16, of: payload) }
            if flags & Flags.context != 0 {
                entry.context = try cursor.field(upTo: ReplicaMessageLimits.context, of: payload)
            }
            if !isTombstone { entry.value = try cursor.field(upTo: ReplicaMessageLimits.record, of: payload) }
            return entry
        }
    }
}

extension VersionVector {
    /// Whether these bytes are one encoded vector, and no counter of it is at its end.
    static func check(_ bytes: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        let vector = try VersionVector(decoding: bytes, at: &cursor)
        try cursor.end(of: bytes)
        guard vector.entries.allSatisfy({ $0.counter < .max }) else { throw ByteCursor.Malformed() }
    }
}
