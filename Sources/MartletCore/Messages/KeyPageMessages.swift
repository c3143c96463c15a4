/// The messages by which a node walks over keys that others own.
extension MessageKind {
    /// ``KeyPageRequest``, answered by ``keyPageReply``.
    public static let keyPage = MessageKind(rawValue: 0x0160)
    /// ``KeyPageReply``.
    public static let keyPageReply = MessageKind(rawValue: 0x0161)
}

/// Asks a replica for live keys in stretches of slots, in the order of slot and hash; or for their number alone.
///
/// ```
/// keyspace u32    generation u32    limit u32 (0: count all)    from: slot and hash, u64
/// slots: count varint, at least 1, then each first u16, count u16; ascending, disjoint
/// ```
public struct KeyPageRequest: Hashable, Sendable {
    public var keyspace: UInt32
    public var generation: UInt32
    /// Records to look at, about; 0: all, and only their number is answered.
    public var limit: UInt32
    /// Where in the slots to begin: a slot and a hash (``StoredKey/place(of:)``), or a place before them.
    public var from: UInt64
    public var slots: [Range<Int>]

    public init(keyspace: UInt32, generation: UInt32, limit: UInt32, from: UInt64, slots: [Range<Int>]) {
        self.keyspace = keyspace
        self.generation = generation
        self.limit = limit
        self.from = from
        self.slots = slots
    }

    public var countsOnly: Bool { limit == 0 }

    public func append(to buffer: inout ByteBuffer) {
        precondition(!slots.isEmpty)
        buffer.append(littleEndian: keyspace)
        buffer.append(littleEndian: generation)
        buffer.append(littleEndian: limit)
        buffer.append(littleEndian: from)
        buffer.append(varint: UInt64(slots.count))
        for range in slots { buffer.append(slots: range) }
    }

    /// Reads a payload, checked whole.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        keyspace = try cursor.littleEndian(of: payload, as: UInt32.self)
        generation = try cursor.littleEndian(of: payload, as: UInt32.self)
        limit = try cursor.littleEndian(of: payload, as: UInt32.self)
        from = try cursor.littleEndian(of: payload, as: UInt64.self)
        slots = []
        guard from <= KeyPageReply.end else { throw ByteCursor.Malformed() }
        for _ in 0..<(try cursor.number(ofAtLeast: 4, in: payload)) {
            slots.append(try cursor.slots(after: slots.last, of: payload))
        }
        guard !slots.isEmpty else { throw ByteCursor.Malformed() }
        try cursor.end(of: payload)
    }
}

/// What a replica answers to a ``KeyPageRequest``.
///
/// ```
/// status u8: 0 done, 1 refused (and nothing follows)
/// next: slot and hash from which on nothing was looked at, u64; 16384 * 2^40: all was
/// seen: records looked at, varint    live: keys found, varint
/// keys: count varint (live, or 0 if only their number was asked for), then each a varint length and bytes
/// ```
public struct KeyPageReply: Hashable, Sendable {
    /// It does not count for the first of the slots, or is in another generation of the keyspace.
    public var isRefused: Bool
    /// Where the next page begins; nil: the stretches are done.
    public var next: UInt64?
    /// Records looked at, those of deleted and expired keys included.
    public var seen: Int
    public var live: Int
    public var keys: [[UInt8]]

    public static let refused = KeyPageReply(isRefused: true, next: nil, seen: 0, live: 0, keys: [])
    /// The place after all slots.
    public static let end = UInt64(Slot.count) << 40

    public init(isRefused: Bool = false, next: UInt64?, seen: Int, live: Int, keys: [[UInt8]]) {
        self.isRefused = isRefused
        self.next = next
        self.seen = seen
        self.live = live
        self.keys = keys
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(isRefused ? 1 : 0)
        guard !isRefused else { return }
        buffer.append(littleEndian: next ?? Self.end)
        buffer.append(varint: UInt64(seen))
        buffer.append(varint: UInt64(live))
        buffer.append(varint: UInt64(keys.count))
        for key in keys { withBytes(of: key) { buffer.append(field: $0) } }
    }

    /// Reads a payload, checked whole.
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        let status = try cursor.byte(of: payload)
        guard status <= 1 else { throw ByteCursor.Malformed() }
        (isRefused, next, seen, live, keys) = (status == 1, nil, 0, 0, [])
        if !isRefused {
            let place = try cursor.littleEndian(of: payload, as: UInt64.self)
            guard place <= Self.end else { throw ByteCursor.Malformed() }
            next = place == Self.end ? nil : place
            let (seen, live) = (try cursor.varint(of: payload), try cursor.varint(of: payload))
            guard live <= seen, let all = Int(exactly: seen) else { throw ByteCursor.Malformed() }
            (self.seen, self.live) = (all, Int(live))
            for _ in 0..<(try cursor.number(ofAtLeast: 1, in: payload)) {
                let place = try cursor.field(upTo: ReplicaMessageLimits.storedKey, of: payload)
                keys.append(payload.extracting(place).array)
            }
            guard keys.isEmpty || keys.count == self.live else { throw ByteCursor.Malformed() }
        }
        try cursor.end(of: payload)
    }
}
