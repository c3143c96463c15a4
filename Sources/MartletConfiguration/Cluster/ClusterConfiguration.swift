public import MartletCore
public import MartletRuntime

/// A cluster file's meaning: keyspaces and nodes, with every default filled in, and known to fit together.
public struct ClusterConfiguration: Sendable {
    /// In the order of the file; a keyspace's place is what sessions know it by.
    public let keyspaces: [Keyspace]
    /// In the order of the file; never empty.
    public let nodes: [Node]
    /// What the nodes prove to each other that they know; nil if the file names none.
    public let secret: [UInt8]?
    /// Epoch 1: what all nodes have to agree on.
    public let founding: FoundingDescription

    /// Part of every data directory's manifest.
    public var name: String { founding.cluster }
    /// Q.
    public var partitions: Int { founding.partitions }
    /// By id.
    public var members: [Member] { founding.members }
    /// What data directories and links compare to know that they were founded alike. O(members).
    public var digest: TopologyDigest { TopologyDigest(founding) }

    /// The rings of the founded cluster, one for each placement of a keyspace.
    ///
    /// - Throws: nothing that parsing did not refuse.
    /// - Complexity: that of a `Ring` for each placement.
    public func topology() throws(PlacementError) -> Topology { try Topology(founding: founding) }

    /// A named set of keys with a placement and limits of its own.
    public struct Keyspace: Sendable {
        /// What all nodes have to agree on: id, name, N, R, W, mode, conflicts, sloppy.
        public var definition: KeyspaceDefinition
        /// Bytes.
        public var maximumKey: Int
        /// Bytes of key and value together.
        public var maximumPair: Int
        /// Of values, above the backend.
        public var compression: RecordFormat.Codec

        /// What `SELECT` takes and stored keys carry.
        public var id: UInt32 { definition.id }
        public var name: String { definition.name }
    }

    /// One node: where it listens, what it runs with, where its data goes.
    public struct Node: Sendable {
        /// The node as the ring sees it: id, name, weight, rack, data center.
        public var member: Member
        /// Where clients reach it; a loopback address in this release.
        public var address: SocketAddress
        /// Where other nodes reach it. Port 0, any free one, in a cluster of one node alone.
        public var nodeAddress: SocketAddress
        /// Where cluster-aware clients reach each of its workers. Ports 0 in a cluster of one node alone.
        public var clusterAddresses: [SocketAddress]
        /// Event loops, each with its thread and its share of the keys.
        public var workers: Int
        /// The name of one of the kinds that the file was read against.
        public var backend: String
        /// The backend's own settings that the file gives; it knows the defaults of the others.
        public var backendSettings: BackendSettings
        /// What an acknowledged write survives; `none` on a backend that keeps nothing on disk.
        public var durability: Durability
        /// How often ``durability`` `interval` syncs.
        public var syncInterval: Duration
        /// Of the record cache, over all workers; 0: none.
        public var cacheBytes: Int
        /// What the process may allocate; 0: no limit.
        public var memoryLimit: Int
        /// Of writes kept for nodes that cannot be reached; 0: none.
        public var hintBytes: Int
        /// How long these are kept.
        public var hintAge: Duration
        /// Connections; more are refused.
        public var maximumClients: Int
        /// Where the file speaks of it, counted from 1.
        public var line: Int

        /// Unique in the cluster.
        public var name: String { member.name }
        public var id: UInt32 { member.id }
    }

    /// Reads a file's text; `kinds` are the backends that it may name.
    ///
    /// - Parameter file: its path: what faults call it, and where the path of a secret begins.
    /// - Throws: all faults of the file, in its order.
    public static func parse(
        _ text: [UInt8], file: String, kinds: [BackendKind]
    ) throws(ConfigurationFaults) -> ClusterConfiguration {
        var reader = ClusterReader(file: file, kinds: kinds)
        let root = try YAMLParser.parse(text, file: file)
        guard let configuration = reader.cluster(root) else { throw ConfigurationFaults(reader.faults) }
        return configuration
    }
}
