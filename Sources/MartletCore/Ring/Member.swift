/// A node as the ring sees it: who it is, how much it takes, what it fails together with.
public struct Member: Hashable, Sendable {
    /// Unique in the cluster and never given to another node.
    public var id: UInt32
    /// Unique in the cluster; for people.
    public var name: String
    /// How much of the data the node takes, relative to the others: 1 to ``maximumWeight``.
    public var weight: Int
    /// What fails together within the data center; racks of one name in two centers are two racks.
    public var rack: String
    public var dataCenter: String

    public static let maximumWeight = 1_000_000

    public init(id: UInt32, name: String, weight: Int = 1, rack: String = "", dataCenter: String = "") {
        self.id = id
        self.name = name
        self.weight = weight
        self.rack = rack
        self.dataCenter = dataCenter
    }
}

/// How many replicas a keyspace keeps, and whether it says where.
public enum Placement: Hashable, Sendable {
    /// So many in all, spread over data centers and racks as evenly as they have nodes.
    case count(Int)
    /// So many in each of the named data centers and none elsewhere, spread over their racks.
    case perDataCenter([CenterReplicas])

    /// A data center's part in ``Placement/perDataCenter(_:)``.
    public struct CenterReplicas: Hashable, Sendable {
        public var dataCenter: String
        public var count: Int

        public init(_ dataCenter: String, _ count: Int) {
            self.dataCenter = dataCenter
            self.count = count
        }
    }

    /// More copies than anyone keeps; it bounds what is computed from untrusted input.
    public static let maximumReplicas = 64

    /// N: the replicas of one key, over all data centers. It never overflows.
    public var replicas: Int {
        switch self {
        case .count(let count): count
        case .perDataCenter(let centers):
            centers.reduce(0) { min($0, Int.max / 2) + min(max(0, $1.count), Int.max / 2) }
        }
    }

    /// The same placement however its data centers were listed.
    public var canonical: Placement {
        switch self {
        case .count: self
        case .perDataCenter(let centers):
            .perDataCenter(centers.sorted { ($0.dataCenter, $0.count) < ($1.dataCenter, $1.count) })
        }
    }
}
