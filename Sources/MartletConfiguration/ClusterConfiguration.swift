public import MartletCore
public import MartletRuntime

/// A cluster file's meaning: keyspaces and nodes, with every default filled in.
public struct ClusterConfiguration: Sendable {
    /// Part of every data directory's manifest.
    public var name: String
    /// In the order of the file; a keyspace's place is what sessions know it by.
    public var keyspaces: [Keyspace]
    /// In the order of the file; never empty.
    public var nodes: [Node]

    /// A named set of keys with limits of its own.
    public struct Keyspace: Sendable {
        /// What `SELECT` takes and stored keys carry.
        public var id: UInt32
        public var name: String
        /// Bytes.
        public var maximumKey: Int
        /// Bytes of key and value together.
        public var maximumPair: Int
        /// Of values, above the backend.
        public var compression: RecordFormat.Codec
    }

    /// One node: where it listens, what it runs with, where its data goes.
    public struct Node: Sendable {
        /// Unique in the cluster.
        public var name: String
        /// Where clients reach it; a loopback address in this release.
        public var address: SocketAddress
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
        /// Connections; more are refused.
        public var maximumClients: Int
    }

    /// Reads a file's text; `kinds` are the backends that it may name.
    ///
    /// - Throws: all faults of the file, in its order.
    public static func parse(
        _ text: [UInt8], file: String, kinds: [BackendKind]
    ) throws(ConfigurationFaults) -> ClusterConfiguration {
        var reader = ClusterReader(file: file, kinds: kinds)
        let root = try YAMLParser.parse(text, file: file)
        let configuration = reader.cluster(root)
        guard reader.faults.isEmpty else {
            throw ConfigurationFaults(
                reader.faults.enumerated().sorted { ($0.1.line, $0.0) < ($1.1.line, $1.0) }.map(\.1))
        }
        return configuration
    }
}
