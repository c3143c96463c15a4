public import MartletCore
public import MartletRuntime

/// What a node is started with: its identity, its keyspaces, and how it keeps data.
public struct NodeSettings: Sendable {
    public var cluster: String
    public var name: String
    /// What the node's cluster was founded with; nil for a node of no cluster. Kept in the data directory: another one
    /// is refused from then on.
    public var founding: FoundingDescription?
    /// The node's number in its cluster: dots that it mints carry it.
    public var id: UInt32
    /// The number of event loops. A partition belongs to one of them.
    public var workers = 1
    /// What a write that does not say otherwise is acknowledged at.
    public var durability: Durability
    /// How often `interval` syncs.
    public var syncInterval = Duration.seconds(1)
    /// Bytes of the record cache over all workers; 0 turns it off. A volatile backend has none.
    public var cacheBytes = 64 << 20
    /// Bytes that the process may allocate before writes are refused; 0: no limit.
    public var memoryLimit = 0
    /// Bytes that may wait for the backend before writes are refused.
    public var backlogLimit = 64 << 20
    public var keyspaces = [KeyspaceSettings(id: 0, name: "default")]
    /// How replicas that lost data catch up, and how all are kept converging.
    public var catchUp = CatchUpSettings()
    /// How fast replicas compare what they hold, and how often all records are read against bit rot.
    public var antiEntropy = AntiEntropySettings()
    /// What is kept for owners that cannot be reached, over all workers.
    public var hints = HintedHandoffSettings()
    /// When deleted and expired records are erased.
    public var tombstones = TombstoneCollectionSettings()
    /// Q: the equal arcs of slots that are dealt to nodes and, within a node, to workers.
    public var partitions: Int { founding?.partitions ?? 256 }
    /// None but in tests of the simulator's checkers.
    public var plantedBugs: PlantedNodeBugs = []
    /// Keys of the keyed hash that orders keys within a slot; the same on all nodes of a cluster.
    public var hashSeed: UInt64 { withBytes(of: cluster) { XXH3.hash($0, seed: 0x6d61_7274_6c65_74) } }

    public init(cluster: String, name: String, durability: Durability) {
        self.cluster = cluster
        self.name = name
        id = withBytes(of: name) { UInt32(truncatingIfNeeded: XXH3.hash($0)) }
        self.durability = durability
    }
}

/// One keyspace's settings.
public struct KeyspaceSettings: Sendable {
    /// What SELECT takes, and what stored keys carry; never used again for another keyspace.
    public var id: UInt32
    public var name: String
    /// The longest key, in bytes.
    public var maximumKey = 1024
    /// The longest key and value together, in bytes.
    public var maximumPair = 10 << 10
    /// What is kept of writes that did not know of each other.
    public var conflicts = ConflictPolicy.latest
    /// How values of 64 bytes and more are compressed before they reach the backend.
    public var compression = RecordFormat.Codec.none

    public init(id: UInt32, name: String) {
        self.id = id
        self.name = name
    }
}
