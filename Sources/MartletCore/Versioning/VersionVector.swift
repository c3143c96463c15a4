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
        for entry in other.entries { insert(Dot(actor: entry.actor, counter: entry.counter)) }
    }

    /// Drops entries until `limit` remain, those of the smallest counters first. Only a coordinating write may do so.
    public mutating func prune(to limit: Int) {
        guard entries.count > limit else { return }
        let kept = entries.sorted { $0.counter > $1.counter }.prefix(limit)
        entries = kept.sorted { $0.actor < $1.actor }
    }

    private func position(of actor: ReplicaActor) -> Int {
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
