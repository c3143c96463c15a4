/// One page of an exchange: all that the sender holds in a stretch of stored keys, by digest.
///
/// ```
/// keyspace u32    generation u32
/// slots: count varint, at least 1, then each first u16, count u16; ascending, disjoint
/// from: stored key or empty: the start of the first slots    up to: stored key, excluded, or empty: the last one's end
/// entries: count varint, then each stored key, digest u64; ascending
/// ```
/// Stored keys are a varint length and bytes. The entries are read from the payload in place (``entries()``).
public struct CatchUpPage: Hashable, Sendable {
    public var keyspace: UInt32
    public var generation: UInt32
    public var slots: [Range<Int>]
    public var from: [UInt8]
    public var upTo: [UInt8]
    /// Entries.
    public var count: Int
    private var firstEntry = 0

    public init(
        keyspace: UInt32, generation: UInt32, slots: [Range<Int>], from: [UInt8], upTo: [UInt8], count: Int
    ) {
        self.keyspace = keyspace
        self.generation = generation
        self.slots = slots
        self.from = from
        self.upTo = upTo
        self.count = count
    }

    /// Appends all but the entries, of which ``count`` have to follow (``append(key:digest:to:)``).
    public func append(to buffer: inout ByteBuffer) {
        precondition(!slots.isEmpty && count <= ReplicaMessageLimits.entries)
        buffer.append(littleEndian: keyspace)
        buffer.append(littleEndian: generation)
        buffer.append(varint: UInt64(slots.count))
        for range in slots { buffer.append(slots: range) }
        withBytes(of: from) { buffer.append(field: $0) }
        withBytes(of: upTo) { buffer.append(field: $0) }
        buffer.append(varint: UInt64(count))
    }

    public static func append(key: RawSpan, digest: UInt64, to buffer: inout ByteBuffer) {
        buffer.append(field: key)
        buffer.append(littleEndian: digest)
    }

    /// Reads a payload, checked whole: all keys are of the keyspace, its generation and the slots, and ascend.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        keyspace = try cursor.littleEndian(of: payload, as: UInt32.self)
        generation = try cursor.littleEndian(of: payload, as: UInt32.self)
        slots = []
        for _ in 0..<(try cursor.number(ofAtLeast: 4, in: payload)) {
            slots.append(try cursor.slots(after: slots.last, of: payload))
        }
        guard !slots.isEmpty else { throw ByteCursor.Malformed() }
        from = try cursor.storedKeyOrNone(of: payload).map { payload.extracting($0).array } ?? []
        upTo = try cursor.storedKeyOrNone(of: payload).map { payload.extracting($0).array } ?? []
        count = try cursor.number(ofAtLeast: StoredKey.prefixLength + 9, in: payload)
        firstEntry = cursor.offset
        guard isWithin(from), isWithin(upTo) else { throw ByteCursor.Malformed() }
        var entries = entries()
        var last: Range<Int>?
        while let entry = try entries.next(of: payload) {
            let key = payload.extracting(entry.key)
            let isAscending = last.map { payload.extracting($0).compare(key) < 0 } ?? true
            let isInside =
                withBytes(of: from) { $0.byteCount == 0 || $0.compare(key) <= 0 }
                && withBytes(of: upTo) { $0.byteCount == 0 || key.compare($0) < 0 }
            guard isAscending, isInside, isWithin(key) else { throw ByteCursor.Malformed() }
            last = entry.key
        }
        try entries.cursor.end(of: payload)
    }

    private func isWithin(_ key: [UInt8]) -> Bool { key.isEmpty || withBytes(of: key) { isWithin($0) } }

    /// Whether a stored key lies in the keyspace's generation and in the slots. O(log slots).
    public func isWithin(_ key: RawSpan) -> Bool {
        guard key.byteCount >= StoredKey.prefixLength, key.bigEndian(1, as: UInt32.self) == keyspace,
            key.bigEndian(5, as: UInt32.self) == generation
        else { return false }
        let slot = Int(key.bigEndian(9, as: UInt16.self))
        let at = slots.partitionIndex { $0.upperBound <= slot }
        return at < slots.count && slots[at].contains(slot)
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
        public mutating func next(
            of payload: RawSpan
        ) throws(ByteCursor.Malformed) -> (key: Range<Int>, digest: UInt64)? {
            guard left > 0 else { return nil }
            left -= 1
            let key = try cursor.storedKey(of: payload)
            return (key, try cursor.littleEndian(of: payload, as: UInt64.self))
        }
    }
}

/// What a replica answers to a ``CatchUpPage``.
///
/// ```
/// status u8: 0 done, 1 refused (and nothing follows)
/// up to: the stored key from which on nothing was compared, or empty: the whole page was
/// wanted: count varint, then for each its distance from the one before, varint: entries of the page to be sent
/// records: count varint, then each stored key and record, a varint length and bytes each
/// ```
public struct CatchUpPageReply: Hashable, Sendable {
    /// It does not know the keyspace or its generation, or is closing.
    public var isRefused: Bool
    public var upTo: [UInt8]
    /// Entries of the page, by index, that the replica lacks or has otherwise.
    public var wanted: [Int]
    /// Records that the page lacks or has otherwise.
    public var count: Int
    private var firstRecord = 0

    public static let refused = CatchUpPageReply(isRefused: true, upTo: [], wanted: [], count: 0)

    public init(isRefused: Bool = false, upTo: [UInt8], wanted: [Int], count: Int) {
        self.isRefused = isRefused
        self.upTo = upTo
        self.wanted = wanted
        self.count = count
    }

    /// Appends all but the records, of which ``count`` have to follow (``ReplicaWrite/append(key:record:to:)``).
    public func append(to buffer: inout ByteBuffer) {
        buffer.append(isRefused ? 1 : 0)
        guard !isRefused else { return }
        withBytes(of: upTo) { buffer.append(field: $0) }
        buffer.append(varint: UInt64(wanted.count))
        var last = -1
        for index in wanted {
            buffer.append(varint: UInt64(index - last - 1))
            last = index
        }
        buffer.append(varint: UInt64(count))
    }

    /// Reads a payload, checked whole: what is wanted is of a page with so many entries, record keys ascend.
    public init(_ payload: RawSpan, entries: Int) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        let status = try cursor.byte(of: payload)
        guard status <= 1 else { throw ByteCursor.Malformed() }
        (isRefused, upTo, wanted, count) = (status == 1, [], [], 0)
        if !isRefused {
            upTo = try cursor.storedKeyOrNone(of: payload).map { payload.extracting($0).array } ?? []
            var next = 0
            for _ in 0..<(try cursor.number(ofAtLeast: 1, in: payload)) {
                let gap = try cursor.varint(of: payload)
                guard gap < UInt64(entries), next + Int(gap) < entries else { throw ByteCursor.Malformed() }
                wanted.append(next + Int(gap))
                next += Int(gap) + 1
            }
            count = try cursor.number(ofAtLeast: StoredKey.prefixLength + 3, in: payload)
        }
        firstRecord = cursor.offset
        var records = records()
        var last: Range<Int>?
        while let record = try records.next(of: payload) {
            let key = payload.extracting(record.key)
            guard last.map({ payload.extracting($0).compare(key) < 0 }) ?? true else { throw ByteCursor.Malformed() }
            last = record.key
        }
        try records.cursor.end(of: payload)
    }

    /// The records, from the first.
    public func records() -> Records { Records(cursor: ByteCursor(at: firstRecord), left: count) }

    /// Reads records one after another.
    public struct Records: Sendable {
        fileprivate var cursor: ByteCursor
        private var left: Int

        fileprivate init(cursor: ByteCursor, left: Int) {
            self.cursor = cursor
            self.left = left
        }

        /// The next record; nil after the last. Throws only for a payload other than the one that was read.
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
