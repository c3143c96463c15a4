/// The messages of the collection of tombstones by proof.
extension MessageKind {
    /// ``CollectionMessage``; its body says which.
    public static let tombstoneCollection = MessageKind(rawValue: 0x0150)
}

/// One attempt to collect some of a partition's tombstones: who leads it, in which of its lives, and which of its
/// attempts.
public struct CollectionRound: Hashable, Sendable {
    public var leader: UInt32
    public var incarnation: UInt64
    public var number: UInt64

    public init(leader: UInt32, incarnation: UInt64, number: UInt64) {
        self.leader = leader
        self.incarnation = incarnation
        self.number = number
    }
}

/// Which partition a collection is about.
public struct CollectionPlace: Hashable, Sendable {
    public var keyspace: UInt32
    public var generation: UInt32
    public var slots: Range<Int>

    public init(keyspace: UInt32, generation: UInt32, slots: Range<Int>) {
        self.keyspace = keyspace
        self.generation = generation
        self.slots = slots
    }
}

/// A tombstone: its stored key, and the digest of its record.
public struct CollectionEntry: Hashable, Sendable {
    public var key: [UInt8]
    public var digest: UInt64

    public init(key: [UInt8], digest: UInt64) {
        self.key = key
        self.digest = digest
    }
}

/// What members are asked for, one after the other, each once all members have passed the one before: a deleted value
/// can move from work into a hint, and from a hint, through a read that it fills in for, into work again.
public enum CollectionStage: UInt8, Hashable, Sendable, CaseIterable {
    /// All work on the place that was under way has ended: old values are in hints at most.
    case work = 0
    /// There was a moment without any hint for the place: old values are in work at most that read one.
    case hints = 1
    /// All work that was under way has ended, and each owner has heard so behind all that was sent to it.
    case links = 2
}

/// A message of the collection of tombstones.
///
/// ```
/// leader u32    incarnation u64    number u64    epoch u64    body u8, then by body:
///     place: keyspace u32, generation u32, first slot u16, slots u16, owners: count varint, then each u32 ascending
///     0 propose: place, entries: count varint, then each stored key, digest u64; ascending
///     2 fence: place, stage u8    10 drained: stage u8    3 clear: lane u16, of lanes u16
///     4 cleared, 8 erased, 9 abandon: nothing
///     1 agree, 7 erase: places among the entries: count varint, then each places left out varint
/// ```
public struct CollectionMessage: Hashable, Sendable {
    public enum Body: Hashable, Sendable {
        /// Leader to owners: do you hold just these, durably?
        case propose(CollectionPlace, owners: [UInt32], [CollectionEntry])
        /// Owner to leader: all but these.
        case agree(except: [Int])
        /// Leader to all members: say when a stage is passed.
        case fence(CollectionPlace, owners: [UInt32], CollectionStage)
        /// Member to leader: it is, of the first two.
        case drained(CollectionStage)
        /// Member to owner, on each of its links with it, behind all it has sent before.
        case clear(lane: Int, of: Int)
        /// Owner to leader: all members are clear.
        case cleared
        /// Leader to owners: these are proved: erase them, if nothing was written since.
        case erase([Int])
        /// Owner to leader.
        case erased
        /// Either way: it comes to nothing.
        case abandon
    }

    public var round: CollectionRound
    public var epoch: UInt64
    public var body: Body

    public init(_ round: CollectionRound, epoch: UInt64, _ body: Body) {
        self.round = round
        self.epoch = epoch
        self.body = body
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(littleEndian: round.leader)
        buffer.append(littleEndian: round.incarnation)
        buffer.append(littleEndian: round.number)
        buffer.append(littleEndian: epoch)
        switch body {
        case .propose(let place, let owners, let entries):
            buffer.append(0)
            Self.append(place, owners, to: &buffer)
            buffer.append(varint: UInt64(entries.count))
            for entry in entries {
                withBytes(of: entry.key) { buffer.append(field: $0) }
                buffer.append(littleEndian: entry.digest)
            }
        case .agree(let except):
            buffer.append(1)
            buffer.append(ascending: except)
        case .fence(let place, let owners, let stage):
            buffer.append(2)
            Self.append(place, owners, to: &buffer)
            buffer.append(stage.rawValue)
        case .drained(let stage):
            buffer.append(10)
            buffer.append(stage.rawValue)
        case .clear(let lane, let lanes):
            buffer.append(3)
            buffer.append(littleEndian: UInt16(clamping: lane))
            buffer.append(littleEndian: UInt16(clamping: lanes))
        case .cleared: buffer.append(4)
        case .erase(let places):
            buffer.append(7)
            buffer.append(ascending: places)
        case .erased: buffer.append(8)
        case .abandon: buffer.append(9)
        }
    }

    private static func append(_ place: CollectionPlace, _ owners: [UInt32], to buffer: inout ByteBuffer) {
        buffer.append(littleEndian: place.keyspace)
        buffer.append(littleEndian: place.generation)
        buffer.append(slots: place.slots)
        buffer.append(varint: UInt64(owners.count))
        for owner in owners { buffer.append(littleEndian: owner) }
    }

    /// Reads a payload, checked whole. O(entries).
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        round = CollectionRound(
            leader: try cursor.littleEndian(of: payload, as: UInt32.self),
            incarnation: try cursor.littleEndian(of: payload, as: UInt64.self),
            number: try cursor.littleEndian(of: payload, as: UInt64.self))
        epoch = try cursor.littleEndian(of: payload, as: UInt64.self)
        switch try cursor.byte(of: payload) {
        case 0:
            let (place, owners) = try Self.place(of: payload, &cursor)
            body = .propose(place, owners: owners, try Self.entries(in: place, of: payload, &cursor))
        case 1: body = .agree(except: try cursor.ascending(of: payload))
        case 2:
            let (place, owners) = try Self.place(of: payload, &cursor)
            body = .fence(place, owners: owners, try cursor.code(CollectionStage.self, of: payload))
        case 3:
            let lane = Int(try cursor.littleEndian(of: payload, as: UInt16.self))
            let lanes = Int(try cursor.littleEndian(of: payload, as: UInt16.self))
            guard lane < lanes else { throw ByteCursor.Malformed() }
            body = .clear(lane: lane, of: lanes)
        case 4: body = .cleared
        case 7: body = .erase(try cursor.ascending(of: payload))
        case 8: body = .erased
        case 9: body = .abandon
        case 10: body = .drained(try cursor.code(CollectionStage.self, of: payload))
        default: throw ByteCursor.Malformed()
        }
        try cursor.end(of: payload)
    }

    private static func place(
        of payload: RawSpan, _ cursor: inout ByteCursor
    ) throws(ByteCursor.Malformed) -> (CollectionPlace, [UInt32]) {
        let keyspace = try cursor.littleEndian(of: payload, as: UInt32.self)
        let generation = try cursor.littleEndian(of: payload, as: UInt32.self)
        let slots = try cursor.slots(after: nil, of: payload)
        var owners: [UInt32] = []
        for _ in 0..<(try cursor.entryCount(ofAtLeast: 4, in: payload)) {
            let owner = try cursor.littleEndian(of: payload, as: UInt32.self)
            guard owners.last.map({ $0 < owner }) ?? true else { throw ByteCursor.Malformed() }
            owners.append(owner)
        }
        return (CollectionPlace(keyspace: keyspace, generation: generation, slots: slots), owners)
    }

    /// Entries whose keys lie in the place and ascend.
    private static func entries(
        in place: CollectionPlace, of payload: RawSpan, _ cursor: inout ByteCursor
    ) throws(ByteCursor.Malformed) -> [CollectionEntry] {
        var entries: [CollectionEntry] = []
        for _ in 0..<(try cursor.entryCount(ofAtLeast: StoredKey.prefixLength + 9, in: payload)) {
            let key = payload.extracting(try cursor.storedKey(of: payload))
            let isAfter = entries.last.map { withBytes(of: $0.key) { $0.compare(key) < 0 } } ?? true
            guard isAfter, key.bigEndian(1, as: UInt32.self) == place.keyspace,
                key.bigEndian(5, as: UInt32.self) == place.generation,
                place.slots.contains(Int(key.bigEndian(9, as: UInt16.self)))
            else { throw ByteCursor.Malformed() }
            entries.append(
                CollectionEntry(key: key.array, digest: try cursor.littleEndian(of: payload, as: UInt64.self)))
        }
        return entries
    }
}

extension ByteBuffer {
    /// Appends ascending numbers: how many, then how many are left out before each.
    mutating func append(ascending numbers: [Int]) {
        append(varint: UInt64(numbers.count))
        var next = 0
        for number in numbers {
            append(varint: UInt64(number - next))
            next = number + 1
        }
    }
}

extension ByteCursor {
    /// Takes ascending numbers, each below ``ReplicaMessageLimits/entries``.
    mutating func ascending(of bytes: RawSpan) throws(Malformed) -> [Int] {
        var numbers: [Int] = []
        var next = 0
        for _ in 0..<(try number(ofAtLeast: 1, in: bytes)) {
            let gap = try varint(of: bytes)
            guard gap < UInt64(ReplicaMessageLimits.entries - next) else { throw Malformed() }
            numbers.append(next + Int(gap))
            next += Int(gap) + 1
        }
        return numbers
    }
}
