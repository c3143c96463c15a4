public import MartletRuntime

/// A simulation file's meaning: what each seed draws its world, its workload and its faults from.
public struct SimulationConfiguration: Sendable {
    public var name: String
    public var faultTime: Duration
    public var livenessTime: Duration
    /// How many nodes a cluster has: each seed draws one.
    public var nodes: [Int]
    /// The share of the seeds whose reads need not see the last write, in percent.
    public var loose: Int
    /// The share of the seeds whose keyspace is sloppy, in percent.
    public var sloppy: Int
    /// The share of the seeds whose nodes are in two data centers, in percent.
    public var centers: Int
    /// The most worker loops of a node.
    public var workers: Int
    /// What writes are acknowledged at: each seed draws one.
    public var durabilities: [Durability]
    /// The share of the seeds whose nodes keep nothing on disk, in percent.
    public var volatile: Int
    public var clients: Int
    /// Keys of each family.
    public var keys: Int
    public var thinkTime: Duration
    public var patience: Duration
    /// The weight of each request, in the order of ``SimulationFileSettings/requests``.
    public var mix: [Int]
    /// The longest that a fault lasts.
    public var longestFault: Duration
    /// How often each kind of fault happens at most, per simulated minute, in the order of the file.
    public var faults: [(kind: String, perMinute: Int)]

    /// Clusters that are left alone, of these ``nodes`` in turn; in the place of workload and faults.
    public var idle: Idle?

    /// How clusters are left alone.
    public struct Idle: Sendable, Equatable {
        public var span: Duration
        /// The share of the messages between nodes that is lost, in percent.
        public var loss: Int
    }

    /// Reads a file's text; `kinds` are the faults that it may name.
    ///
    /// - Throws: all faults of the file, in its order.
    public static func parse(
        _ text: [UInt8], file: String, kinds: [String]
    ) throws(ConfigurationFaults) -> SimulationConfiguration {
        var reader = SimulationReader(file: file, kinds: kinds)
        let configuration = reader.simulation(try YAMLParser.parse(text, file: file))
        guard reader.faults.isEmpty else {
            throw ConfigurationFaults(
                reader.faults.enumerated().sorted { ($0.1.line, $0.0) < ($1.1.line, $1.0) }.map(\.1))
        }
        return configuration
    }
}

/// The settings of a simulation file.
public enum SimulationFileSettings {
    /// At the top, beside `nodes`, `durability`, `workload`, `faults` and `idle`.
    public static let top = [
        Setting("simulation", .name, "The simulation's name."),
        Setting(
            "loose", .integer(0...100), default: "10",
            "The share of the seeds with R + W <= N, whose reads need not see the last write, in percent."),
        Setting(
            "workers", .integer(1...16), default: "4", "The most worker loops of a node; each seed draws how many."),
        Setting(
            "volatile", .integer(0...100), default: "15",
            "The share of the seeds whose nodes keep nothing on disk, in percent."),
        Setting(
            "fault_time", .duration(1000...86_400_000), default: "60s",
            "How long faults happen, in simulated time. A seed counts from 60s on."),
        Setting(
            "liveness_time", .duration(1000...3_600_000), default: "60s",
            "How long the cluster has, with all faults off, until every key is served again."),
        Setting("longest_fault", .duration(1...600_000), default: "4s", "The longest that a fault lasts."),
        Setting(
            "sloppy", .integer(0...100), default: "40",
            "The share of the seeds in which nodes stand in for owners that cannot be reached, in percent."),
        Setting(
            "data_centers", .integer(0...100), default: "0",
            "The share of the seeds whose nodes are in two data centers, in percent."),
    ]

    /// What `nodes` lists, or is: how many nodes a cluster has.
    public static let nodes = Setting(
        "nodes", .integer(1...1000), default: "1",
        "Nodes of the cluster, or a list of which each seed draws one; 64 at most unless they are idle.")

    /// Of `idle`.
    public static let idle = [
        Setting("span", .duration(1000...86_400_000), default: "60s", "How long each cluster is left alone."),
        Setting(
            "loss", .integer(0...50), default: "0", "The share of lost messages, in percent."),
    ]

    /// What `durability` lists.
    public static let durability = "durability"

    /// Of `workload`, beside `mix`.
    public static let workload = [
        Setting("clients", .integer(1...1000), default: "6", "Clients, each with one request at a time."),
        Setting("keys", .integer(1...100_000), default: "60", "Keys of each family."),
        Setting(
            "think_time", .duration(1...60_000), default: "60ms", "The mean time that a client waits between requests."),
        Setting("patience", .duration(10...60_000), default: "3s", "When a client gives a request up."),
    ]

    /// What `mix` weighs, with the weights where it says nothing.
    public static let requests: [(name: String, weight: Int)] = [
        ("get", 30), ("set", 25), ("delete", 6), ("increment", 10), ("set_expiring", 7), ("get_expiring", 8),
        ("set_together", 6), ("get_together", 8), ("get_siblings", 0), ("put_sibling", 0), ("put", 0),
    ]

    static var mix: [Setting] {
        requests.map {
            Setting($0.name, .integer(0...1000), default: "\($0.weight)", "How often, beside the others.")
        }
    }

    /// How often a kind of fault happens.
    static func fault(_ kind: String) -> Setting {
        Setting(kind, .integer(0...1000), default: "0", "How often at most, per simulated minute.")
    }
}
