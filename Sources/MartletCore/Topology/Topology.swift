/// One epoch of a cluster: its members, its keyspaces, and where each keyspace's keys live.
///
/// Keyspaces of one placement share a ring. Hot calls take a keyspace's place in ``keyspaces``, not its id.
public struct Topology: Sendable {
    /// 1 as founded.
    public let epoch: UInt64
    public let founding: FoundingDescription
    /// Of ``founding``; it stays what it is in later epochs.
    public let digest: TopologyDigest
    /// One for each placement, in the order in which keyspaces first name them.
    public let rings: [Ring]
    @usableFromInline let ringOfKeyspace: [Int]

    /// The topology that a cluster begins with.
    ///
    /// - Complexity: that of a ``Ring`` for each placement.
    public init(founding: FoundingDescription) throws(PlacementError) {
        var placements: [Placement] = []
        var rings: [Ring] = []
        var ringOfKeyspace: [Int] = []
        for keyspace in founding.keyspaces {
            if let known = placements.firstIndex(of: keyspace.placement) {
                ringOfKeyspace.append(known)
                continue
            }
            ringOfKeyspace.append(rings.count)
            placements.append(keyspace.placement)
            rings.append(
                try Ring(
                    members: founding.members, partitions: founding.partitions, placement: keyspace.placement))
        }
        epoch = 1
        self.founding = founding
        digest = TopologyDigest(founding)
        self.rings = rings
        self.ringOfKeyspace = ringOfKeyspace
    }

    public var cluster: String { founding.cluster }
    /// By id; rings name nodes by their index in it.
    public var members: [Member] { founding.members }
    /// By id.
    public var keyspaces: [KeyspaceDefinition] { founding.keyspaces }

    /// The place of a keyspace in ``keyspaces``; nil if there is none of that id. O(log keyspaces).
    public func place(ofKeyspace id: UInt32) -> Int? {
        let at = founding.keyspaces.partitionIndex { $0.id < id }
        return at < founding.keyspaces.count && founding.keyspaces[at].id == id ? at : nil
    }

    /// The ring of the keyspace at a place. O(1).
    @inlinable
    public func ring(ofKeyspaceAt place: Int) -> Ring { rings[ringOfKeyspace[place]] }

    /// The owners of a slot in the keyspace at a place. O(1), without an allocation.
    @inlinable
    public func owners(ofSlot slot: UInt16, keyspaceAt place: Int) -> Ring.NodeList {
        rings[ringOfKeyspace[place]].owners(ofSlot: slot)
    }
}
