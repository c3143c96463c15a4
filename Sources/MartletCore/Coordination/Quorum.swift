/// Where the places of a preference list are: how many own the key, and which share a data center.
public struct ReplicaPlacement: Hashable, Sendable {
    /// Positions 0..<owners own the key.
    public var owners: Int
    /// Owners and fallbacks together, at most 64.
    public var count: Int
    /// For each data center its positions, fallbacks included; empty where there is one data center only.
    public var centers: [PositionSet]
    /// The index in ``centers`` of the coordinator's own; nil if none of the positions is in it.
    public var localCenter: Int?

    /// A placement in one data center unless `centers` says otherwise.
    public init(owners: Int, count: Int, centers: [PositionSet] = [], localCenter: Int? = nil) {
        precondition(owners >= 1 && owners <= count && count <= PositionSet.capacity)
        precondition(localCenter.map(centers.indices.contains) ?? true)
        self.owners = owners
        self.count = count
        self.centers = centers
        self.localCenter = localCenter
    }
}

/// What a ``ConsistencyLevel`` means for one preference list: how many acknowledgements are needed, and from where.
///
/// Made once per keyspace, level and preference list, then copied into operations; only `each_quorum` over several data
/// centers holds memory of its own.
public struct Quorum: Hashable, Sendable {
    /// So many of a set of positions.
    public struct Part: Hashable, Sendable {
        public var scope: PositionSet
        public var needed: Int

        @inlinable
        public init(scope: PositionSet, needed: Int) {
            self.scope = scope
            self.needed = needed
        }
    }

    /// The first part; the only one of every level but `each_quorum`.
    public let first: Part
    /// The parts beyond the first.
    public let others: [Part]?

    /// So many of all positions.
    public init(needed: Int) {
        self.init(first: Part(scope: PositionSet(mask: .max), needed: needed))
    }

    /// So many of one set of positions, and of each of `others`.
    public init(first: Part, others: [Part]? = nil) {
        self.first = first
        self.others = others
    }

    /// Acknowledgements needed in all.
    public var needed: Int { others?.reduce(first.needed) { $0 + $1.needed } ?? first.needed }

    /// Whether answers from these positions suffice.
    @inlinable
    public func isMet(by positions: PositionSet) -> Bool {
        guard positions.intersection(first.scope).hasAtLeast(first.needed) else { return false }
        return others == nil || areOthersMet(by: positions)
    }

    @usableFromInline
    func areOthersMet(by positions: PositionSet) -> Bool {
        others?.allSatisfy { positions.intersection($0.scope).hasAtLeast($0.needed) } ?? true
    }

    /// Whether answers from `sure` and for any `spare` more of `maybe` would suffice: an upper bound.
    func isMet(by sure: PositionSet, andAny spare: Int, of maybe: PositionSet) -> Bool {
        forAllParts {
            let more = Swift.min(spare, maybe.subtracting(sure).intersection($0.scope).count)
            return sure.intersection($0.scope).count + more >= $0.needed
        }
    }

    /// The first of `candidates` that fill up what `have` lacks.
    func choose(from candidates: PositionSet, having have: PositionSet) -> PositionSet {
        var chosen = PositionSet()
        _ = forAllParts { part in
            let short = part.needed - have.intersection(part.scope).count
            chosen.formUnion(candidates.intersection(part.scope).prefix(short))
            return true
        }
        return chosen
    }

    /// All of `candidates` wherever `have` lacks any.
    func chooseAll(from candidates: PositionSet, having have: PositionSet) -> PositionSet {
        var chosen = PositionSet()
        _ = forAllParts { part in
            if !have.intersection(part.scope).hasAtLeast(part.needed) {
                chosen.formUnion(candidates.intersection(part.scope))
            }
            return true
        }
        return chosen
    }

    /// One more of `candidates` wherever `have` lacks any.
    func chooseOneMore(from candidates: PositionSet, having have: PositionSet) -> PositionSet {
        var chosen = PositionSet()
        _ = forAllParts { part in
            if have.intersection(part.scope).count < part.needed {
                chosen.formUnion(candidates.intersection(part.scope).prefix(1))
            }
            return true
        }
        return chosen
    }

    /// Whether a stand-in at `holder` may be counted in the place of `owner`: no part tells them apart.
    func countsAlike(_ owner: Int, _ holder: Int) -> Bool {
        forAllParts { $0.scope.contains(owner) == $0.scope.contains(holder) }
    }

    private func forAllParts(_ body: (Part) -> Bool) -> Bool {
        guard body(first) else { return false }
        return others?.allSatisfy(body) ?? true
    }
}

extension Quorum {
    /// Resolves a level for a preference list; throws if no answers whatever could meet it.
    public init(_ level: ConsistencyLevel, in placement: ReplicaPlacement) throws(ConsistencyFault) {
        let owners = PositionSet(0..<placement.owners)
        switch level {
        case .one: self.init(needed: 1)
        case .quorum: self.init(needed: Self.majority(of: placement.owners))
        case .all: self.init(needed: placement.owners)
        case .count(let count):
            guard count >= 1 else { throw .impossibleCount(count) }
            guard count <= placement.owners else { throw .tooFewOwners(needed: count, owners: placement.owners) }
            self.init(needed: count)
        case .localQuorum:
            guard !placement.centers.isEmpty else {
                self.init(needed: Self.majority(of: placement.owners))
                return
            }
            guard let local = placement.localCenter, let part = Self.part(placement.centers[local], owners: owners)
            else { throw .noLocalOwner }
            self.init(first: part)
        case .eachQuorum:
            let parts = placement.centers.compactMap { Self.part($0, owners: owners) }
            guard let first = parts.first else {
                self.init(needed: Self.majority(of: placement.owners))
                return
            }
            self.init(first: first, others: parts.count > 1 ? Array(parts.dropFirst()) : nil)
        }
    }

    private static func majority(of owners: Int) -> Int { owners / 2 + 1 }

    /// A majority of a data center's owners; nil if it has none.
    private static func part(_ center: PositionSet, owners: PositionSet) -> Part? {
        let count = center.intersection(owners).count
        return count == 0 ? nil : Part(scope: center, needed: majority(of: count))
    }
}
