/// What is caught up as a whole: a partition of a keyspace, or the part of one that belongs to one worker.
public struct CatchUpUnit: Hashable, Sendable {
    /// The keyspace's index among the node's.
    public var keyspace: Int
    public var slots: Range<Int>
    /// The nodes that own it too.
    public var others: [UInt32]
    /// From how many of them it has to be merged before this replica's not knowing proves anything: N-W+1, so that
    /// one at least of any W that acknowledged a write is among them, this one's loss notwithstanding; or all.
    ///
    /// Where W is met within data centers, N and W are those of the data center of this replica.
    public var needed: Int
    /// Which of ``others``, by position, count for ``needed``.
    public var counted: PositionSet

    public init(keyspace: Int, slots: Range<Int>, others: [UInt32], needed: Int, counted: PositionSet? = nil) {
        self.keyspace = keyspace
        self.slots = slots
        self.others = others
        self.needed = needed
        self.counted = counted ?? PositionSet(0..<others.count)
    }
}

extension CatchUpUnit {
    /// The units of a keyspace that one worker of a node owns, by slot. All units of a keyspace are equally long.
    ///
    /// - Parameters:
    ///   - write: the keyspace's default W.
    ///   - read: its default R; it matters where any two reads of R owners share one.
    ///   - arcs: the division of slots among workers: arc modulo workers.
    /// - Complexity: O(max(Q, arcs) N).
    public static func all(
        ofNode node: UInt32, in ring: Ring, keyspace: Int, write: ConsistencyLevel,
        read: ConsistencyLevel = .one, worker: Int, of workers: Int, arcs: Int
    ) -> [CatchUpUnit] {
        guard let own = ring.index(ofNode: node) else { return [] }
        let count = max(ring.partitions, arcs)
        let width = Slot.count / count
        let centers = Set(ring.members.map(\.dataCenter)).sorted()
        let isLocal = centers.count > 1 && [.localQuorum, .eachQuorum].contains(write)
        return (0..<count).compactMap { index -> CatchUpUnit? in
            let slots = index * width..<(index + 1) * width
            let partition = ring.partition(ofSlot: UInt16(slots.lowerBound))
            guard slots.lowerBound * arcs / Slot.count % workers == worker,
                ring.place(of: own, inPartition: partition) != nil
            else { return nil }
            let others = ring.owners(ofPartition: partition).filter { $0 != own }
            let center = ring.members[own].dataCenter
            var counted = PositionSet()
            for (position, other) in others.enumerated() where !isLocal || ring.members[other].dataCenter == center {
                counted.insert(position)
            }
            let needed = Self.needed(
                owners: counted.count + 1, write: isLocal ? .quorum : write, read: isLocal ? .one : read)
            // The only replica of its data center has nobody who must know what it lost: any other is asked.
            return CatchUpUnit(
                keyspace: keyspace, slots: slots, others: others.map { ring.members[$0].id }, needed: needed,
                counted: counted.isEmpty ? nil : counted)
        }
    }

    /// One of these others holds whatever W owners acknowledged, and whatever was read, and so written back to R
    /// owners, where the next R that are asked have one of them: a write that failed must not be seen and then seen no
    /// more.
    private static func needed(owners: Int, write: ConsistencyLevel, read: ConsistencyLevel) -> Int {
        // A level that names what no owners can meet is refused to clients: then all have to be heard.
        func count(_ level: ConsistencyLevel) -> Int {
            (try? Quorum(level, in: ReplicaPlacement(owners: owners, count: owners)))?.needed ?? 1
        }
        let (acknowledged, readers) = (count(write), count(read))
        let holders = readers * 2 > owners ? min(acknowledged, readers) : acknowledged
        return max(1, min(owners - 1, owners - holders + 1))
    }
}

/// What a replica says of its data in a unit.
public enum CatchUpState: UInt8, Sendable, CaseIterable {
    /// It holds what it ever acknowledged, or has merged it anew.
    case caughtUp = 0
    /// It lost data, or may have, and holds some.
    case needs = 1
    /// It lost data, or may have, and holds nothing: there is nothing to merge from it.
    case needsAndIsEmpty = 2
}

/// A run of slots in one state.
public struct CatchUpRun: Hashable, Sendable {
    public var slots: Range<Int>
    public var state: CatchUpState

    public init(slots: Range<Int>, state: CatchUpState) {
        self.slots = slots
        self.state = state
    }
}

/// How fast replicas exchange what they hold. All times in nanoseconds.
public struct CatchUpSettings: Hashable, Sendable {
    /// Between two passes over all that two nodes share, give or take a quarter. While nothing happens that could leave
    /// replicas unequal it doubles from pass to pass, up to ``longestPeriod``.
    public var period: UInt64 = 10_000_000_000
    public var longestPeriod: UInt64 = 640_000_000_000
    /// Between two pages of a pass; there is none while this replica has to catch up.
    public var pause: UInt64 = 20_000_000
    /// From a write that an owner did not acknowledge until its unit is exchanged with it.
    public var owedDelay: UInt64 = 500_000_000
    /// From a failed exchange to the next try, and between questions that were not answered.
    public var retry: UInt64 = 200_000_000
    /// How long an exchange of one page may take.
    public var patience: UInt64 = 5_000_000_000
    /// Records listed in a page.
    public var pageEntries = 2048
    /// Bytes of keys listed, or of records sent, in one message; a message holds one record at least.
    public var pageBytes = 448 << 10
    /// Units in one page.
    public var pageUnits = 2048
    /// Whether well replicas are compared page by page, when a link opens and periodically: not where Merkle trees are.
    public var comparesWell = true
    /// For tests of the checkers: how many other owners are taken to be enough. Nil for what is right.
    public var plantedNeed: Int?

    public init() {}
}
