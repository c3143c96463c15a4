public import MartletCore
public import MartletRuntime

/// The cluster as one of its nodes sees it in one epoch: who is in it, and where the keys of each keyspace live.
public struct ClusterMembership: Sendable {
    public var epoch: UInt64
    /// This node's id, as in the rings.
    public var node: UInt32
    /// By keyspace, in the order of the node's settings.
    public var keyspaces: [Keyspace]
    /// All members, this node among them, by id; empty where nobody asks where they are, as in some tests.
    public var members: [ClusterMember] = []

    /// How one keyspace is replicated.
    public struct Keyspace: Sendable {
        /// What does not change, behind one reference, since every operation takes a copy of the rest.
        private final class Placing: Sendable {
            let ring: Ring
            /// By partition the ids of its owners, the first owner first.
            let owners: [[UInt32]]
            /// By partition, who of its walk share a data center; one for all where there is one data center.
            let placements: [ReplicaPlacement]
            /// By partition the owners in the coordinator's data center; all where there is one only.
            let near: [PositionSet]
            /// By partition its owners and those that stand in for them, in the order of the walk.
            let walks: [[UInt32]]

            init(_ ring: Ring, node: UInt32) {
                self.ring = ring
                let owners = (0..<ring.partitions).map { ring.owners(ofPartition: $0).map { ring.members[$0].id } }
                self.owners = owners
                walks = owners.enumerated().map { partition, owners in
                    let rest = ring.fallbacks(ofPartition: partition).map { ring.members[$0].id }
                    return Array((owners + rest).prefix(PositionSet.capacity))
                }
                let names = Set(ring.members.map(\.dataCenter)).sorted()
                guard names.count > 1 else {
                    placements = [ReplicaPlacement(owners: ring.replicas, count: ring.replicas)]
                    near = [PositionSet(0..<ring.replicas)]
                    return
                }
                let local = ring.index(ofNode: node).flatMap { names.firstIndex(of: ring.members[$0].dataCenter) }
                placements = walks.enumerated().map { partition, walk in
                    let centers = ring.dataCenters(ofPartition: partition, among: names)
                    return ReplicaPlacement(
                        owners: ring.replicas, count: walk.count, centers: centers, localCenter: local)
                }
                let all = PositionSet(0..<ring.replicas)
                near = placements.map { placement in
                    local.map { placement.centers[$0].intersection(all) } ?? PositionSet()
                }
            }
        }

        private let placing: Placing
        public var policy = ConflictPolicy.latest
        /// What reads and writes need that do not say otherwise.
        public var read = ConsistencyLevel.quorum
        public var write = ConsistencyLevel.quorum
        /// Whether the nodes behind the owners on the walk stand in for owners that cannot be reached.
        public var isSloppy = false

        /// How the keys of a ring are placed, as its member `node` sees it.
        public init(ring: Ring, node: UInt32) { placing = Placing(ring, node: node) }

        public var ring: Ring { placing.ring }

        /// The ids of a slot's owners, the first owner first.
        func owners(ofSlot slot: UInt16) -> [UInt32] { placing.owners[placing.ring.partition(ofSlot: slot)] }

        /// What a level means for a slot's owners, asked by this node.
        func quorum(_ level: ConsistencyLevel, ofSlot slot: UInt16) throws(ConsistencyFault) -> Quorum {
            try Quorum(level, in: placing.placements[hasCenters ? placing.ring.partition(ofSlot: slot) : 0])
        }

        /// Whether the members are in more than one data center.
        var hasCenters: Bool { placing.placements.count > 1 }

        /// The positions of a slot's owners in this node's data center; all of them where there is one only.
        func near(ofSlot slot: UInt16) -> PositionSet {
            placing.near[hasCenters ? placing.ring.partition(ofSlot: slot) : 0]
        }

        /// The same, and behind them in sloppy keyspaces those that stand in for them.
        func walk(ofSlot slot: UInt16) -> [UInt32] {
            let partition = placing.ring.partition(ofSlot: slot)
            return isSloppy ? placing.walks[partition] : placing.owners[partition]
        }
    }

    public init(epoch: UInt64, node: UInt32, keyspaces: [Keyspace]) {
        self.epoch = epoch
        self.node = node
        self.keyspaces = keyspaces
    }

    /// A member by its id. O(log members).
    public func member(_ id: UInt32) -> ClusterMember? {
        let at = members.partitionIndex { $0.member.id < id }
        return at < members.count && members[at].member.id == id ? members[at] : nil
    }
}

/// A member of the cluster and where it is reached.
public struct ClusterMember: Sendable {
    public var member: Member
    /// Where any Redis client reaches it: the plain port.
    public var clients: SocketAddress
    /// Where cluster-aware clients reach each of its workers.
    public var clusterClients: [SocketAddress]
    /// Where the other nodes reach it.
    public var nodes: SocketAddress
    /// What its acknowledgements can stand for at most, as far as is known: who cannot meet what a write asks for does
    /// not count when it is found out whether enough can.
    public var maximumDurability = Durability.always

    public init(
        _ member: Member, clients: SocketAddress, clusterClients: [SocketAddress], nodes: SocketAddress
    ) {
        self.member = member
        self.clients = clients
        self.clusterClients = clusterClients
        self.nodes = nodes
    }
}

/// Where a key's replicas are, and who stands in for them: the ids by position, the first owner at 0.
struct ReplicaPlaces {
    /// The owners, then in sloppy keyspaces the rest of the walk.
    var nodes: [UInt32]
    /// Positions 0..<owners own the key.
    var owners: Int
    /// This node's position; nil if it owns no replica.
    var own: Int?
    /// The same, or its position among those that stand in; nil if it is not on the list.
    var ownPlace: Int?

    init(of slot: UInt16, in keyspace: ClusterMembership.Keyspace, node: UInt32) {
        nodes = keyspace.walk(ofSlot: slot)
        owners = keyspace.ring.replicas
        ownPlace = nodes.firstIndex(of: node)
        if let ownPlace, ownPlace < owners { own = ownPlace }
    }

    var ownerSet: PositionSet { PositionSet(0..<owners) }

    init(ofStored storedKey: [UInt8], in keyspace: ClusterMembership.Keyspace, node: UInt32) {
        let slot = withBytes(of: storedKey) { $0.bigEndian(9, as: UInt16.self) }
        self.init(of: slot, in: keyspace, node: node)
    }

    func position(of node: UInt32) -> Int? { nodes.firstIndex(of: node) }
}
