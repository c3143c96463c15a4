/// Which nodes own each partition, in order; a virtual node is one claim of one partition by one node.
///
/// A claim is made for one ``Placement``: keyspaces with different placements have claims of their own, so that each is
/// balanced. Every partition names all of its N owners, rather than one claimant whose successors on the ring own it
/// too: there a node that claims anything is met by at least N walks, so shares below N copies, or between two
/// multiples of N, cannot be kept within one copy. See ``Ring`` for the walk beyond the owners.
public struct Claim: Hashable, Sendable {
    public let placement: Placement
    /// Q, a power of two.
    public let partitions: Int
    /// N.
    public let replicas: Int
    /// The ids of the members it was made for, ascending; owners are indices into it.
    public let nodes: [UInt32]
    /// N indices a partition, the first owner first.
    @usableFromInline let owners: [UInt16]

    init(placement: Placement, partitions: Int, nodes: [UInt32], owners: [UInt16]) {
        self.placement = placement
        self.partitions = partitions
        replicas = placement.replicas
        self.nodes = nodes
        self.owners = owners
    }

    /// The ids of a partition's owners, the first owner first. O(N).
    public func owners(ofPartition partition: Int) -> [UInt32] {
        owners[partition * replicas..<(partition + 1) * replicas].map { nodes[Int($0)] }
    }

    /// Makes a claim that keeps as much as it can of the former one.
    ///
    /// Pure: the same arguments give the same claim on every machine, in whatever order the members are listed. Without
    /// a former claim each node gets its share rounded; with one, copies move only until each node is within
    /// max(1, 5 %) of its share again. A share is what the node's weight deserves of all copies, at most all
    /// partitions, and within what distinct data centers and racks leave it; the excess goes to the others by weight.
    ///
    /// - Parameters:
    ///   - former: the claim of the epoch before; of any members, placement and number of partitions.
    ///   - partitions: Q, a power of two of at most 16384 and at least eight times the members.
    /// - Complexity: O(QN) for a new claim, about 5 ms for 16384 partitions, N=3 and 1,000 nodes; with a former one
    ///   O(QN + moves * nodes).
    public static func make(
        former: Claim? = nil, members: [Member], partitions: Int = 256, placement: Placement
    ) throws(PlacementError) -> Claim {
        let placement = placement.canonical
        let plan = try PlacementPlan(members: members, partitions: partitions, placement: placement)
        var rows = former.flatMap { ClaimRows.settled(plan, from: $0) } ?? ClaimRows.laidOut(plan)
        rows.balanceFirstOwners()
        return Claim(
            placement: placement, partitions: partitions, nodes: plan.members.map(\.id),
            owners: rows.table)
    }
}
