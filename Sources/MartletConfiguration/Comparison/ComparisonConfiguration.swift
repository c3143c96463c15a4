public import MartletRuntime

/// A comparison file's meaning: which backends are compared, under which load.
public struct ComparisonConfiguration: Sendable {
    /// A backend with its settings, under a name of its own.
    public struct Backend: Sendable {
        public var name: String
        /// The backend's word, as in a cluster file.
        public var kind: String
        public var settings: BackendSettings
        /// The settings that the file gives, in its notation and order.
        public var given: [(name: String, text: String)]
    }

    /// A workload, and its distribution of keys where the file says one.
    public struct Step: Sendable {
        public var workload: String
        public var distribution: String?
    }

    /// Records of one size, and the workloads that run on them.
    public struct DataSet: Sendable {
        public var name: String
        public var records: Int
        public var valueBytes: Int
        public var cacheBytes: Int
        public var steps: [Step]
    }

    /// How long and how hard: one for the short run, one for the full.
    public struct Run: Sendable {
        public var connections: Int
        /// Requests in flight on each.
        public var window: Int
        public var capacity: Duration
        public var latency: Duration
        /// The steady rate, in percent of the capacity.
        public var rate: Int
        public var seed: Int
        public var dataSets: [DataSet]
    }

    public var backends: [Backend]
    public var durability: Durability
    /// The levels that crashes are tried at.
    public var levels: [Durability]
    /// nil where the file leaves it to the comparison.
    public var short: Run?
    public var full: Run?

    /// Reads a file's text; `kinds` are the backends that it may name.
    ///
    /// - Throws: all faults of the file, in its order.
    public static func parse(
        _ text: [UInt8], file: String, kinds: [BackendKind]
    ) throws(ConfigurationFaults) -> ComparisonConfiguration {
        var reader = ComparisonReader(file: file, kinds: kinds)
        let root = try YAMLParser.parse(text, file: file)
        let configuration = reader.comparison(root)
        guard reader.faults.isEmpty else { throw ConfigurationFaults(reader.faults) }
        return configuration
    }
}

/// The settings of a comparison file.
public enum ComparisonSettings {
    /// At the top, beside `backends`, `durability_levels`, `short` and `full`.
    public static let top = [
        Setting(
            "durability", .choice(["always", "interval", "none"]), default: "interval",
            "What the workloads' writes are acknowledged at; a backend that keeps nothing on disk has none.")
    ]

    /// Of `short` and `full`, beside `data_sets`.
    public static let run = [
        Setting("connections", .integer(1...500), default: "16", "Connections of the load driver."),
        Setting("window", .integer(1...1000), default: "8", "Requests in flight on each connection."),
        Setting(
            "capacity_time", .duration(100...3_600_000), default: "600ms",
            "How long each workload runs with all windows full, to find how many requests a second go."),
        Setting(
            "latency_time", .duration(100...3_600_000), default: "1s",
            "How long it then runs at the steady rate, to measure latency."),
        Setting("rate", .integer(1...100), default: "70", "The steady rate, in percent of the capacity found."),
        Setting(
            "seed", .integer(0...Int.max), default: "1", "Of the random choices: the same seed asks for the same keys."),
    ]

    /// Of a data set, beside `workloads`.
    public static let dataSet = [
        Setting("name", .name, "The data set's name."),
        Setting("records", .integer(1...100_000_000), default: "50000", "How many records are loaded."),
        Setting("value", .size(24...10_000), default: "100B", "Bytes of each value."),
        Setting(
            "cache", .size(0...1 << 40), default: "64MiB", "The node's record cache: above or below the data's size."),
    ]

    /// What stands in `workloads`.
    public static let workloads = ["load", "A", "B", "C", "D", "F"]
    /// What may follow a workload's name.
    public static let distributions = ["zipfian", "uniform", "latest"]
}
