/// A coordinator's request that a replica merge records: one key's, or several of an MSET.
///
/// ```
/// purpose u8: 0 as owner, 1 as a hint, 2 repair    durability u8    [node of the owner hinted for u32]
/// entries: count varint, then per entry the stored key and the encoded record, each a varint length and bytes
/// ```
/// A value of this type says what a payload holds; the entries are read from the payload in place (``entries()``).
public struct ReplicaWrite: Hashable, Sendable {
    /// What the replica takes the records for.
    public enum Purpose: Hashable, Sendable {
        /// As one of the keys' owners.
        case owner
        /// To keep for the owner with this node id, until it can be reached.
        case hint(node: UInt32)
        /// As one of the owners, found to lack them by a read.
        case repair
    }

    public var purpose: Purpose
    /// What is to be met before it is acknowledged.
    public var durability: ReplicaDurability
    /// Entries, at least one.
    public var count: Int
    private var firstEntry: Int

    /// Appends all but the entries, of which `count` have to follow (``append(key:record:to:)``).
    public static func begin(
        _ purpose: Purpose, durability: ReplicaDurability, count: Int, in buffer: inout ByteBuffer
    ) {
        precondition(count >= 1 && count <= ReplicaMessageLimits.entries)
        switch purpose {
        case .owner: buffer.append(0)
        case .hint: buffer.append(1)
        case .repair: buffer.append(2)
        }
        buffer.append(durability.rawValue)
        if case .hint(let node) = purpose { buffer.append(littleEndian: node) }
        buffer.append(varint: UInt64(count))
    }

    /// Appends one entry.
    @inlinable
    public static func append(key: RawSpan, record: RawSpan, to buffer: inout ByteBuffer) {
        buffer.append(field: key)
        buffer.append(field: record)
    }

    /// Reads a payload, all entries' bounds included. O(entries), no allocation.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        let purpose = try cursor.byte(of: payload)
        durability = try cursor.code(ReplicaDurability.self, of: payload)
        switch purpose {
        case 0: self.purpose = .owner
        case 1: self.purpose = .hint(node: try cursor.littleEndian(of: payload, as: UInt32.self))
        case 2: self.purpose = .repair
        default: throw ByteCursor.Malformed()
        }
        count = try cursor.entryCount(ofAtLeast: StoredKey.prefixLength + 3, in: payload)
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
        public mutating func next(of payload: RawSpan) throws(ByteCursor.Malformed) -> KeyedRecord? {
            guard left > 0 else { return nil }
            left -= 1
            let key = try cursor.storedKey(of: payload)
            let record = try cursor.field(upTo: ReplicaMessageLimits.record, of: payload)
            guard !record.isEmpty else { throw ByteCursor.Malformed() }
            return KeyedRecord(key: key, record: record)
        }
    }
}

/// What became of the entries of a ``ReplicaWrite``, in their order.
///
/// ```
/// count varint, then per entry: 0 u8, durability met u8, stamp u64 | refusal u8
/// ```
public struct ReplicaWriteReply: Hashable, Sendable {
    /// What became of one entry.
    public enum Outcome: Hashable, Sendable {
        /// Merged, this durably; `stamp` is the greatest that the replica's record has since.
        case acknowledged(ReplicaDurability, stamp: UInt64)
        /// Not merged.
        case refused(ReplicaRefusal)
        /// The storage engine failed over it: it may or may not be there after the next start.
        case unknown

        /// The same as an event of the operation that waits for it.
        @inlinable
        public func event(at position: Int) -> WriteEvent {
            switch self {
            case .acknowledged(let durability, stamp: _): .acknowledged(position, durability)
            case .refused(let reason): .refused(position, reason)
            case .unknown: .lost(position)
            }
        }
    }

    public var count: Int
    private var firstEntry: Int

    /// Appends the count; as many outcomes have to follow (``append(_:to:)``).
    public static func begin(count: Int, in buffer: inout ByteBuffer) {
        precondition(count >= 1 && count <= ReplicaMessageLimits.entries)
        buffer.append(varint: UInt64(count))
    }

    /// Appends one outcome.
    public static func append(_ outcome: Outcome, to buffer: inout ByteBuffer) {
        switch outcome {
        case .acknowledged(let durability, let stamp):
            buffer.append(0)
            buffer.append(durability.rawValue)
            buffer.append(littleEndian: stamp)
        case .refused(let reason):
            buffer.append(reason.rawValue)
        case .unknown: buffer.append(unknownCode)
        }
    }

    /// No refusal's.
    fileprivate static let unknownCode: UInt8 = 255

    /// Reads a payload, checked whole. O(entries), no allocation.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        count = try cursor.entryCount(ofAtLeast: 1, in: payload)
        firstEntry = cursor.offset
        var outcomes = outcomes()
        while try outcomes.next(of: payload) != nil {}
        try outcomes.cursor.end(of: payload)
    }

    /// The outcomes, from the first.
    public func outcomes() -> Outcomes { Outcomes(cursor: ByteCursor(at: firstEntry), left: count) }

    /// Reads outcomes one after another.
    public struct Outcomes: Sendable {
        fileprivate var cursor: ByteCursor
        private var left: Int

        fileprivate init(cursor: ByteCursor, left: Int) {
            self.cursor = cursor
            self.left = left
        }

        /// The next outcome; nil after the last. Throws only for a payload other than the one that was read.
        public mutating func next(of payload: RawSpan) throws(ByteCursor.Malformed) -> Outcome? {
            guard left > 0 else { return nil }
            left -= 1
            let code = try cursor.byte(of: payload)
            if code == ReplicaWriteReply.unknownCode { return .unknown }
            guard code == 0 else { return .refused(ReplicaRefusal(code: code)) }
            let durability = try cursor.code(ReplicaDurability.self, of: payload)
            return .acknowledged(durability, stamp: try cursor.littleEndian(of: payload, as: UInt64.self))
        }
    }
}
