internal import MartletConfiguration
internal import MartletRuntime

/// What a comparison runs: the contents of a comparison file.
struct ComparePlan: Sendable, Equatable {
    /// A backend with its settings, under a name for the report.
    struct Backend: Sendable, Equatable {
        var name: String
        /// The backend's word in a cluster file.
        var engine: String
        /// Its settings in the notation of a cluster file, in the file's order.
        var settings: [CompareReport.Setting]
    }

    /// A data set and the workloads that run on it.
    struct DataSet: Sendable, Equatable {
        var name: String
        var records: Int
        var valueBytes: Int
        /// The node's record cache.
        var cacheBytes: Int
        var steps: [Step]
    }

    struct Step: Sendable, Equatable {
        var workload: Workload
        var distribution: KeyDistribution

        init(_ workload: Workload, _ distribution: KeyDistribution? = nil) {
            self.workload = workload
            self.distribution = distribution ?? workload.usualDistribution
        }
    }

    var backends: [Backend]
    var dataSets: [DataSet]
    /// What the workloads' writes are acknowledged at, on backends that can.
    var durability: String
    /// The levels at which writes and crashes are tried.
    var levels: [String]
    var connections: Int
    /// Requests in flight on each connection.
    var window: Int
    /// How long each capacity is measured.
    var capacity: Duration
    /// How long each latency is measured.
    var latency: Duration
    /// The steady rate, as a share of the capacity.
    var load: Double
    var seed: UInt64

    init(
        backends: [Backend], dataSets: [DataSet], durability: String, levels: [String], connections: Int, window: Int,
        capacity: Duration, latency: Duration, load: Double, seed: UInt64
    ) {
        self.backends = backends
        self.dataSets = dataSets
        self.durability = durability
        self.levels = levels
        self.connections = connections
        self.window = window
        self.capacity = capacity
        self.latency = latency
        self.load = load
        self.seed = seed
    }

    /// The short run: under two minutes for the four backends of ``usualBackends``.
    static let short = ComparePlan(
        backends: usualBackends,
        dataSets: [
            DataSet(
                name: "cached", records: 50_000, valueBytes: 100, cacheBytes: 64 << 20,
                steps: [.init(.load), .init(.a), .init(.b), .init(.c), .init(.c, .uniform), .init(.d), .init(.f)]),
            DataSet(
                name: "beyond-cache", records: 30_000, valueBytes: 1000, cacheBytes: 2 << 20,
                steps: [.init(.load), .init(.a), .init(.c, .uniform)]),
        ],
        durability: "interval", levels: ["always", "interval", "none"], connections: 16, window: 8,
        capacity: .milliseconds(500), latency: .milliseconds(800), load: 0.7, seed: 1)

    /// The full run.
    static let full = ComparePlan(
        backends: usualBackends,
        dataSets: [
            DataSet(
                name: "cached-100B", records: 500_000, valueBytes: 100, cacheBytes: 512 << 20, steps: everyStep),
            DataSet(
                name: "beyond-cache-100B", records: 500_000, valueBytes: 100, cacheBytes: 8 << 20, steps: everyStep),
            DataSet(
                name: "cached-1KB", records: 200_000, valueBytes: 1000, cacheBytes: 1024 << 20, steps: everyStep),
            DataSet(
                name: "beyond-cache-1KB", records: 1_000_000, valueBytes: 1000, cacheBytes: 16 << 20, steps: everyStep),
        ],
        durability: "interval", levels: ["always", "interval", "none"], connections: 32, window: 8,
        capacity: .seconds(5), latency: .seconds(10), load: 0.7, seed: 1)

    private static let everyStep: [Step] = [
        .init(.load), .init(.a), .init(.a, .uniform), .init(.b), .init(.b, .uniform), .init(.c), .init(.c, .uniform),
        .init(.d), .init(.f), .init(.f, .uniform),
    ]

    private static let usualBackends: [Backend] = [
        Backend(name: "memory", engine: "memory", settings: []),
        Backend(name: "memory-log", engine: "memory", settings: [.init(name: "log", value: "true")]),
        Backend(name: "lmdb", engine: "lmdb", settings: []),
        Backend(name: "rocksdb", engine: "rocksdb", settings: []),
    ]

    /// What a comparison file asks for; where it has no section for this run, the usual load.
    init(_ configuration: ComparisonConfiguration, isFull: Bool) {
        self = isFull ? .full : .short
        backends = configuration.backends.map { backend in
            Backend(
                name: backend.name, engine: backend.kind,
                settings: backend.given.map { .init(name: $0.name, value: $0.text) })
        }
        durability = configuration.durability.name
        levels = configuration.levels.map(\.name)
        guard let run = isFull ? configuration.full : configuration.short else { return }
        connections = run.connections
        window = run.window
        capacity = run.capacity
        latency = run.latency
        load = Double(run.rate) / 100
        seed = UInt64(run.seed)
        dataSets = run.dataSets.map { set in
            DataSet(
                name: set.name, records: set.records, valueBytes: set.valueBytes, cacheBytes: set.cacheBytes,
                steps: set.steps.compactMap { step in
                    Workload(rawValue: step.workload).map { workload in
                        Step(workload, step.distribution.flatMap { KeyDistribution(rawValue: $0) })
                    }
                })
        }
    }

    /// The plan as the report lists it.
    var described: [CompareReport.Setting] {
        [
            .init(name: "Load", value: "\(connections) connections, \(window) requests in flight on each"),
            .init(
                name: "Time",
                value: "\(Figures.time(Double(capacity.inNanoseconds))) all windows full, then "
                    + "\(Figures.time(Double(latency.inNanoseconds))) at \(Figures.percent(load)) of that rate"),
            .init(name: "Durability", value: "\(durability); tried with crashes: \(levels.joined(separator: ", "))"),
            .init(name: "Seed", value: String(seed)),
        ]
    }
}
