/// Where every key lives: members and a claim, with what each request looks up computed beforehand.
///
/// A partition's preference list is its owners, then the rest of the walk: clockwise over the claims of the partitions
/// that follow, taking each node where it is met first; before all others, one of every rack that holds no owner. Nodes
/// that claim nothing come last. Nodes are named by their index in ``members``.
public struct Ring: Hashable, Sendable {
    /// By id.
    public let members: [Member]
    public let claim: Claim
    /// How many nodes after the owners ``fallbacks(ofPartition:)`` knows.
    public let depth: Int
    @usableFromInline let shift: UInt16
    @usableFromInline let fallbacks: [UInt16]
    /// Of each member, a number for its rack.
    let racks: [Int]
    let rackCount: Int

    /// Nodes after the owners that are kept for each partition unless said otherwise: 2 bytes each.
    public static let usualDepth = 16

    /// - Parameter depth: how many nodes after the owners to compute beforehand, at most all.
    /// - Throws: if the claim was not made for these members.
    /// - Complexity: O(Q(nodes + N)): with 16384 partitions and 1,000 nodes about 30 ms, with whole lists 130 ms.
    public init(members: [Member], claim: Claim, depth: Int = usualDepth) throws(PlacementError) {
        let members = members.sorted { $0.id < $1.id }
        guard members.map(\.id) == claim.nodes else {
            throw PlacementError(.memberCount, "the claim was made for other nodes than these")
        }
        self.members = members
        self.claim = claim
        shift = UInt16((Slot.count / claim.partitions).trailingZeroBitCount)
        self.depth = max(0, min(depth, members.count - claim.replicas))
        (racks, rackCount) = Self.number(members)
        fallbacks = Self.computeFallbacks(claim, depth: self.depth, racks: racks, rackCount: rackCount)
    }

    /// The ring of a claim made here; see ``Claim/make(former:members:partitions:placement:)``.
    public init(
        former: Claim? = nil, members: [Member], partitions: Int = 256, placement: Placement
    ) throws(PlacementError) {
        let claim = try Claim.make(former: former, members: members, partitions: partitions, placement: placement)
        try self.init(members: members, claim: claim)
    }

    /// Q.
    @inlinable public var partitions: Int { claim.partitions }
    /// N.
    @inlinable public var replicas: Int { claim.replicas }

    /// The partition of a slot: Q equal arcs. O(1).
    @inlinable
    public func partition(ofSlot slot: UInt16) -> Int { Int((slot & 0x3fff) >> shift) }

    /// The slots of a partition.
    @inlinable
    public func slots(ofPartition partition: Int) -> Range<Int> { partition << shift..<(partition + 1) << shift }

    /// The owners, the first owner first. O(1), without an allocation.
    @inlinable
    public func owners(ofPartition partition: Int) -> NodeList {
        NodeList(table: claim.owners, start: partition * claim.replicas, count: claim.replicas)
    }

    /// The owners of a slot's partition. O(1), without an allocation.
    @inlinable
    public func owners(ofSlot slot: UInt16) -> NodeList { owners(ofPartition: partition(ofSlot: slot)) }

    /// The owner at a place, 0 being the first owner. O(1); it touches no reference count.
    @inlinable
    public func owner(_ place: Int, ofPartition partition: Int) -> Int {
        precondition(place >= 0 && place < claim.replicas)
        return Int(claim.owners[partition * claim.replicas + place])
    }

    /// The place of a node among a partition's owners; nil if it is none of them. O(N), without an allocation.
    @inlinable
    public func place(of node: Int, inPartition partition: Int) -> Int? {
        let start = partition * claim.replicas
        for place in 0..<claim.replicas where Int(claim.owners[start + place]) == node { return place }
        return nil
    }

    /// The positions of a partition's owners that lie in each of some data centers, in the order of `names`. O(N).
    public func dataCenters(ofPartition partition: Int, among names: [String]) -> [PositionSet] {
        var centers = [PositionSet](repeating: PositionSet(), count: names.count)
        let walk = (Array(owners(ofPartition: partition)) + fallbacks(ofPartition: partition)).prefix(64)
        for (position, node) in walk.enumerated() {
            if let center = names.firstIndex(of: members[node].dataCenter) { centers[center].insert(position) }
        }
        return centers
    }

    /// The first ``depth`` nodes of the preference list after the owners. O(1), without an allocation.
    @inlinable
    public func fallbacks(ofPartition partition: Int) -> NodeList {
        NodeList(table: fallbacks, start: partition * depth, count: depth)
    }

    /// The index of a member. O(log nodes).
    public func index(ofNode id: UInt32) -> Int? {
        let at = members.partitionIndex { $0.id < id }
        return at < members.count && members[at].id == id ? at : nil
    }

    /// Indices of nodes: a borrowed part of one of the ring's tables.
    @frozen
    public struct NodeList: RandomAccessCollection, Sendable {
        @usableFromInline let table: [UInt16]
        @usableFromInline let start: Int
        public let count: Int

        @inlinable
        init(table: [UInt16], start: Int, count: Int) {
            precondition(start >= 0 && start + count <= table.count)
            self.table = table
            self.start = start
            self.count = count
        }

        @inlinable public var startIndex: Int { 0 }
        @inlinable public var endIndex: Int { count }
        @inlinable
        public subscript(position: Int) -> Int {
            precondition(position >= 0 && position < count)
            return Int(table[start + position])
        }
    }
}
