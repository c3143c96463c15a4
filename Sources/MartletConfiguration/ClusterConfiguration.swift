public import MartletCore
public import MartletRuntime

/// A cluster file's meaning: keyspaces and nodes, with every default filled in.
public struct ClusterConfiguration: Sendable {
    public var name: String
    /// In the order of the file; a keyspace's place is what sessions know it by.
    public var keyspaces: [Keyspace]
    public var nodes: [Node]

    public struct Keyspace: Sendable {
        public var id: UInt32
        public var name: String
        /// Bytes.
        public var maximumKey: Int
        /// Bytes of key and value together.
        public var maximumPair: Int
        public var compression: RecordFormat.Codec
    }

    public struct Node: Sendable {
        public var name: String
        public var address: SocketAddress
        public var workers: Int
        public var backend: String
        public var backendSettings: BackendSettings
        public var durability: Durability
        public var syncInterval: Duration
        public var cacheBytes: Int
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
            throw ConfigurationFaults(reader.faults.enumerated().sorted { ($0.1.line, $0.0) < ($1.1.line, $1.0) }.map(\.1))
        }
        return configuration
    }
}
