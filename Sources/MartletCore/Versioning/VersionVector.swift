/// For each actor the greatest counter seen: a set of dots without gaps, the causal history of a record.
///
/// Entries are sorted by actor, so that equal histories have equal encodings. (Parker et al. 1983; as the context of
/// dotted version vector sets, Preguiça et al. 2012.)
public struct VersionVector: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        public var actor: ReplicaActor
        public var counter: UInt64

        @inlinable
        public init(actor: ReplicaActor, counter: UInt64) {
            self.actor = actor
            self.counter = counter
        }
    }

    public private(set) var entries: [Entry]

    public init() { entries = [] }

    /// The vector of one dot.
    public init(_ dot: Dot) { entries = [Entry(actor: dot.actor, counter: dot.counter)] }

    /// The vector of these entries in whatever order they stand; nil if an actor stands twice.
    init?(unordered: [Entry]) {
        entries = unordered
        if zip(entries, entries.dropFirst()).allSatisfy({ $0.actor < $1.actor }) { return }
        entries.sort { $0.actor < $1.actor }
        guard zip(entries, entries.dropFirst()).allSatisfy({ $0.actor < $1.actor }) else { return nil }
    }

    /// The greatest counter seen of `actor`; 0 if none. O(log entries).
    public subscript(actor: ReplicaActor) -> UInt64 {
        let index = position(of: actor)
        return index < entries.count && entries[index].actor == actor ? entries[index].counter : 0
    }

    /// Whether the dot is part of this history.
    public func contains(_ dot: Dot) -> Bool { self[dot.actor] >= dot.counter }

    /// Whether all of `other` is part of this history. O(entries).
    public func descends(from other: VersionVector) -> Bool {
        other.entries.allSatisfy { self[$0.actor] >= $0.counter }
    }

    /// Adds the dot and all of its actor's before it.
    public mutating func insert(_ dot: Dot) {
        let index = position(of: dot.actor)
        if index < entries.count, entries[index].actor == dot.actor {
            entries[index].counter = max(entries[index].counter, dot.counter)
        } else {
            entries.insert(Entry(actor: dot.actor, counter: dot.counter), at: index)
        }
    }

    /// Adds all of `other`: the least history that holds both. O(entries).
    public mutating func merge(_ other: VersionVector) {
        if entries.isEmpty { return entries = other.entries }
        if descends(from: other) { return }
        var union: [Entry] = []
        union.reserveCapacity(entries.count + other.entries.count)
        var (mine, theirs) = (entries[...], other.entries[...])
        while let a = mine.first, let b = theirs.first {
            if a.actor == b.actor {
                union.append(a.counter < b.counter ? b : a)
                mine.removeFirst()
                theirs.removeFirst()
            } else {
                union.append(a.actor < b.actor ? mine.removeFirst() : theirs.removeFirst())
            }
        }
        entries = union + mine + theirs
    }

    /// Drops entries until `limit` remain, those of the smallest counters, then births, first: with replicas as actors
    /// these are the ones that have written least and longest ago. Only a coordinating write may do so.
    ///
    /// - Parameter kept: actors whose entries stay, whatever their number: those of a record's siblings.
    /// - Returns: how many were dropped. O(entries log entries) if any is, else O(1).
    @discardableResult
    public mutating func prune(to limit: Int, keeping kept: [ReplicaActor] = []) -> Int {
        let excess = entries.count - max(0, limit)
        guard excess > 0 else { return 0 }
        let oldest = entries.filter { !kept.contains($0.actor) }.sorted {
            ($0.counter, $0.actor.birth, $0.actor) < ($1.counter, $1.actor.birth, $1.actor)
        }
        let dropped = Set(oldest.prefix(excess).map(\.actor))
        entries.removeAll { dropped.contains($0.actor) }
        return dropped.count
    }

    /// Where the actor's entry stands or would stand. O(log entries).
    func position(of actor: ReplicaActor) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].actor < actor { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension VersionVector {
    /// Entries that a vector read from a peer or a client may have.
    public static let maximumEntries = 1024

    /// Appends: count, then each entry's node u32, incarnation u64, birth and counter as varints.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.append(varint: UInt64(entries.count))
        for entry in entries { entry.encode(into: &buffer) }
    }

    /// Reads what ``encode(into:)`` wrote; refuses disorder, duplicates and more than ``maximumEntries``.
    public init(decoding bytes: RawSpan, at cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        let count = try cursor.varint(of: bytes)
        guard count <= UInt64(Self.maximumEntries) else { throw ByteCursor.Malformed() }
        entries = []
        entries.reserveCapacity(min(Int(count), max(0, bytes.byteCount - cursor.offset) / 14) + 1)  // and one's own
        for _ in 0..<count {
            let entry = try Entry(decoding: bytes, at: &cursor)
            if let last = entries.last, !(last.actor < entry.actor) { throw ByteCursor.Malformed() }
            entries.append(entry)
        }
    }
}

extension VersionVector.Entry {
    @inlinable
    public func encode(into buffer: inout ByteBuffer) {
        buffer.append(littleEndian: actor.node)
        buffer.append(littleEndian: actor.incarnation)
        buffer.append(varint: actor.birth)
        buffer.append(varint: counter)
    }

    @inlinable
    public init(decoding bytes: RawSpan, at cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        let node = try cursor.littleEndian(of: bytes, as: UInt32.self)
        let incarnation = try cursor.littleEndian(of: bytes, as: UInt64.self)
        let birth = try cursor.varint(of: bytes)
        let counter = try cursor.varint(of: bytes)
        guard counter > 0 else { throw ByteCursor.Malformed() }
        self.init(actor: ReplicaActor(node: node, incarnation: incarnation, birth: birth), counter: counter)
    }
}
