/// The writes of a key that carried a retry token, as far as they are remembered: what answers a repetition with the
/// first outcome, and what tells that two dots are one write.
///
/// It is part of the record, so it is replicated with the data and as durable. A record's memory is what its siblings'
/// own tokens say and a section for the writes that are siblings no more (``RecordFormat``'s tag 1):
///
/// ```
/// per write, by dot: token 16 bytes, node u32, incarnation u64, birth varint, counter varint, stamp u64, flags u8
/// ```
/// Flags: 1 there was a live value before it, 2 a client that had seen it replaced it.
///
/// The section is a set of which the newest are kept: the 16 of the greatest (stamp, dot), and of these none that is
/// older than the newest by a minute and the clock bound. What is kept of a union is the same whatever was dropped of
/// its parts before, so that merging stays a join. A minute is counted by the stamps of later writes: without any, all
/// are kept.
public struct RetryMemory: Sendable, Equatable {
    /// One write and how it ended.
    public struct Write: Hashable, Sendable {
        /// As the record has its bytes: two little-endian words.
        public var token: (UInt64, UInt64) {
            get { (first, second) }
            set { (first, second) = newValue }
        }
        private var first: UInt64
        private var second: UInt64
        public var dot: Dot
        public var stamp: UInt64
        /// Whether there was a live value before it.
        public var existed: Bool
        /// Whether a client that had seen it replaced it; not where it went because another dot is the same write's.
        public var isSuperseded = false

        public init(token: (UInt64, UInt64), dot: Dot, stamp: UInt64, existed: Bool) {
            (first, second) = token
            self.dot = dot
            self.stamp = stamp
            self.existed = existed
        }

        func isNewer(than other: Write) -> Bool { (stamp, dot) > (other.stamp, other.dot) }

        func isSameWrite(as other: Write) -> Bool { first == other.first && second == other.second }
    }

    /// The section's tag in a record.
    public static let tag: UInt64 = 1
    /// Writes that a section holds at most.
    public static let limit = 16
    /// How much older than the newest a remembered write may be, in milliseconds.
    public static let milliseconds: Int64 = 60_000 + HybridLogicalClock.defaultBound

    /// By dot, each once.
    private(set) var writes: [Write] = []

    public init() {}

    var isEmpty: Bool { writes.isEmpty }

    /// What a record remembers: its section's writes and its siblings'.
    init(_ parts: RecordParts, of record: RawSpan) throws(RecordView.Damage) {
        for section in parts.sections where section.tag == Self.tag {
            do throws(ByteCursor.Malformed) {
                try read(record.extracting(section.bytes))
            } catch {
                throw .damaged
            }
        }
        for sibling in parts.siblings {
            guard let place = sibling.place.token else { continue }
            let token = record.extracting(place)
            insert(
                Write(
                    token: (token.littleEndian(0, as: UInt64.self), token.littleEndian(8, as: UInt64.self)),
                    dot: sibling.dot, stamp: sibling.place.stamp, existed: sibling.place.flags.contains(.replaced)))
        }
    }

    /// What became of the write with a token: the first of its outcomes; nil if none is remembered. O(writes).
    public func outcome(of token: (UInt64, UInt64)) -> Write? {
        writes.filter { $0.token == token }.min { $1.isNewer(than: $0) }
    }

    mutating func insert(_ write: Write) {
        let at = writes.firstIndex { !($0.dot < write.dot) } ?? writes.count
        if at < writes.count, writes[at].dot == write.dot {
            if write.isSuperseded { writes[at].isSuperseded = true }
            return
        }
        writes.insert(write, at: at)
    }

    mutating func formUnion(_ other: RetryMemory) { for write in other.writes { insert(write) } }

    /// Whether another dot is the same write's, and the earlier one.
    func isRepetition(_ dot: Dot) -> Bool {
        guard let write = writes.first(where: { $0.dot == dot }) else { return false }
        return writes.contains { $0.isSameWrite(as: write) && write.isNewer(than: $0) }
    }

    /// Whether the write of a dot was replaced by a client that had seen it under this dot or another: a try that comes
    /// to light later is no sibling of what replaced it.
    func isSuperseded(_ dot: Dot) -> Bool {
        guard let write = writes.first(where: { $0.dot == dot }) else { return false }
        return writes.contains { $0.isSuperseded && $0.isSameWrite(as: write) }
    }

    /// Notes that a client replaced the writes that it had seen.
    mutating func supersede(where isSeen: (Dot) -> Bool) {
        for index in writes.indices where isSeen(writes[index].dot) { writes[index].isSuperseded = true }
    }

    /// Forgets all but the newest.
    mutating func trim() {
        guard let newest = writes.max(by: { $1.isNewer(than: $0) }) else { return }
        let age = HybridLogicalClock.stamp(milliseconds: Self.milliseconds)
        let oldest = newest.stamp > age ? newest.stamp - age : 0
        writes.removeAll { $0.stamp < oldest }
        guard writes.count > Self.limit else { return }
        let kept = writes.sorted { $0.isNewer(than: $1) }[Self.limit - 1]
        writes.removeAll { kept.isNewer(than: $0) }
    }

    /// The section of a record with these siblings: what is not said by them. Nil if there is nothing to say.
    func section(beside siblings: [Dot]) -> [UInt8]? {
        var buffer = ByteBuffer()
        for write in writes where !siblings.contains(write.dot) {
            buffer.append(littleEndian: write.token.0)
            buffer.append(littleEndian: write.token.1)
            VersionVector.Entry(actor: write.dot.actor, counter: write.dot.counter).encode(into: &buffer)
            buffer.append(littleEndian: write.stamp)
            buffer.append((write.existed ? 1 : 0) | (write.isSuperseded ? 2 : 0))
        }
        return buffer.isEmpty ? nil : buffer.copy()
    }

    private mutating func read(_ section: RawSpan) throws(ByteCursor.Malformed) {
        var reader = Reader(section)
        while let write = try reader.next(of: section) { insert(write) }
    }

    /// Goes through a section's writes, checking them. Allocates nothing.
    struct Reader {
        private var cursor = ByteCursor()
        private var former: Dot?
        private var count = 0

        init(_ section: RawSpan) {}

        /// Nil after the last; throws what no replica wrote.
        mutating func next(of section: RawSpan) throws(ByteCursor.Malformed) -> Write? {
            guard cursor.offset < section.byteCount else { return nil }
            let first = try cursor.littleEndian(of: section, as: UInt64.self)
            let second = try cursor.littleEndian(of: section, as: UInt64.self)
            let entry = try VersionVector.Entry(decoding: section, at: &cursor)
            let stamp = try cursor.littleEndian(of: section, as: UInt64.self)
            let flags = try cursor.byte(of: section)
            let dot = Dot(actor: entry.actor, counter: entry.counter)
            count += 1
            guard count <= RetryMemory.limit, entry.counter <= Dot.maximumCounter, flags <= 3,
                stamp <= HybridLogicalClock.maximum, former.map({ $0 < dot }) ?? true
            else { throw ByteCursor.Malformed() }
            former = dot
            var write = Write(token: (first, second), dot: dot, stamp: stamp, existed: flags & 1 != 0)
            write.isSuperseded = flags & 2 != 0
            return write
        }
    }
}

extension RetryMemory {
    /// What became of the write with a token, as far as a record that was checked tells; nil if it tells nothing.
    ///
    /// - Returns: the first outcome, and the context that its writer is given.
    public static func outcome(
        of token: (UInt64, UInt64), in record: RawSpan, storedKey: RawSpan
    ) throws(RecordView.Damage) -> (write: Write, context: ClientContext)? {
        let view = try RecordView(record, storedKey: storedKey)
        // Nearly always: a sole sibling without token, and no section.
        if view.siblingCount == 1, view.token == nil, view.siblings.upperBound == record.byteCount { return nil }
        let parts = try RecordParts(view, of: record)
        guard let write = try RetryMemory(parts, of: record).outcome(of: token) else { return nil }
        let isAlone = parts.siblings.count == 1 && parts.siblings[0].dot == write.dot
        return (write, isAlone ? ClientContext(parts.context) : ClientContext(beyond: write.dot))
    }
}
