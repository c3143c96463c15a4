/// What all nodes of a cluster have to agree on about a keyspace.
public struct KeyspaceDefinition: Hashable, Sendable {
    /// Never given to another keyspace; stored keys carry it.
    public var id: UInt32
    /// Unique in the cluster.
    public var name: String
    public var placement: Placement
    public var mode: Mode
    public var conflicts: ConflictPolicy
    /// The level of reads that name none.
    public var reads: ConsistencyLevel
    /// The level of writes that name none; a replica is caught up by it too.
    public var writes: ConsistencyLevel
    /// Whether hints count towards a write's level.
    public var isSloppy: Bool

    public init(
        id: UInt32, name: String, placement: Placement, mode: Mode = .available, conflicts: ConflictPolicy = .latest,
        reads: ConsistencyLevel = .quorum, writes: ConsistencyLevel = .quorum, isSloppy: Bool = true
    ) {
        self.id = id
        self.name = name
        self.placement = placement
        self.mode = mode
        self.conflicts = conflicts
        self.reads = reads
        self.writes = writes
        self.isSloppy = isSloppy
    }

    /// What goes on when replicas cannot be reached.
    public enum Mode: UInt8, Hashable, Sendable {
        /// Reads and writes go on with any reachable set of replicas.
        case available = 1
        /// Every operation on a key is linearizable; without a majority of owners it is refused.
        case consistent = 2

        /// As configuration files spell it.
        public var name: String { self == .available ? "available" : "consistent" }
    }
}

extension Placement {
    /// For people: `3`, or `2 in east, 1 in west`.
    public var text: String {
        switch self {
        case .count(let count): String(count)
        case .perDataCenter(let centers):
            centers.map { "\($0.count) in \($0.dataCenter)" }.joined(separator: ", ")
        }
    }
}
