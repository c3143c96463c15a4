/// The versions that positions answered with. No allocation while all are equal.
struct ReadVersions: Hashable, Sendable {
    /// Positions that have a version.
    private(set) var known = PositionSet()
    /// Of those, the ones with a record.
    private(set) var found = PositionSet()
    /// Of those, the ones whose record is here.
    private(set) var full = PositionSet()
    /// The digest that all with a record have, unless ``digests`` tells them apart.
    private var common: UInt64 = 0
    private var digests: [UInt64]?

    /// Whether all that are known have one version. False only if they may differ.
    @inline(__always)
    var areAllEqual: Bool { digests == nil && (found.isEmpty || found == known) }

    /// What to answer where all are equal; nil if the record is not here.
    @inline(__always)
    var commonSource: ReadSource? { found.isEmpty ? .notFound : full.first.map(ReadSource.replica) }

    /// As ``set(_:_:isFull:)``.
    @inline(__always)
    mutating func add(_ position: Int, _ version: ReplicaVersion, isFull: Bool) {
        guard case .found(let digest) = version, digests == nil, !known.contains(position),
            found.isEmpty || digest == common
        else { return set(position, version, isFull: isFull) }
        common = digest
        known.insert(position)
        found.insert(position)
        if isFull { full.insert(position) }
    }

    mutating func set(_ position: Int, _ version: ReplicaVersion, isFull: Bool) {
        if isFull || self[position] != version { full.remove(position) }
        guard case .found(let digest) = version else {
            known.insert(position)
            found.remove(position)
            return
        }
        if digests == nil, !found.subtracting(PositionSet(position)).isEmpty, digest != common {
            digests = Array(repeating: common, count: PositionSet.capacity)
        }
        if digests == nil { common = digest } else { digests?[position] = digest }
        known.insert(position)
        found.insert(position)
        if isFull { full.insert(position) }
    }

    /// Forgets a position that will not stand by its answer.
    mutating func remove(_ position: Int) {
        known.remove(position)
        found.remove(position)
        full.remove(position)
    }

    subscript(position: Int) -> ReplicaVersion? {
        guard known.contains(position) else { return nil }
        return found.contains(position) ? .found(digests?[position] ?? common) : .notFound
    }

    /// Those of `positions` that have this version.
    func having(_ version: ReplicaVersion, among positions: PositionSet) -> PositionSet {
        switch version {
        case .notFound: return known.subtracting(found).intersection(positions)
        case .found(let digest):
            let candidates = found.intersection(positions)
            guard let digests else { return digest == common ? candidates : PositionSet() }
            var same = PositionSet()
            for position in candidates where digests[position] == digest { same.insert(position) }
            return same
        }
    }

    /// Whether all of `positions` have the same version.
    func areEqual(_ positions: PositionSet) -> Bool {
        guard let first = positions.first, let version = self[first] else { return true }
        return having(version, among: positions) == positions
    }

    /// For each version with a record among `positions`, the positions that have it. O(versions).
    func forEachRecord(among positions: PositionSet, _ body: (PositionSet) -> Void) {
        var rest = found.intersection(positions)
        while let first = rest.first, let version = self[first] {
            let same = having(version, among: rest)
            body(same)
            rest.subtract(same)
        }
    }
}
