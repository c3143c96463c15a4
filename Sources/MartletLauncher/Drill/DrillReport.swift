/// What a drill found, as it stands in `report.json`. Times are in seconds since the load began, latencies in
/// nanoseconds.
struct DrillReport: Codable, Sendable, Equatable {
    /// Of this layout; raised when a field changes its meaning.
    var format = 1
    var version: String
    var began: String
    var machine: CompareReport.Machine
    var drill: String
    var shows: String
    var command: String
    var load: [CompareReport.Setting]
    /// When a request counts as slow, in nanoseconds.
    var slow: UInt64
    var runs: [Run]
    var notes: [String]

    /// The drill on one cluster.
    struct Run: Codable, Sendable, Equatable {
        var name: String
        /// `N=3, R=quorum, ...`
        var cluster: String
        var nodes: [Node]
        var seconds: Double
        var events: [Event]
        var slices: [Slice]
        var phases: [Phase]
        /// Requests by what came of them; `requests` is the sum of the first four.
        var requests = 0
        var answered = 0
        var refused = 0
        var unknown = 0
        /// Those that no node could be found for in time.
        var unsent = 0
        var slowed = 0
        var latency: CompareReport.Latency
        var detections: [Detection] = []
        var gaps: [Gap] = []
        var recoveries: [Recovery] = []
        var reliefs: [Relief] = []
        /// The most hints that waited at one time, over all nodes; nil where nodes do not tell.
        var mostHints: Int?
        /// Of all nodes' counters, how much each changed.
        var counters: [CompareReport.Counter] = []
        var refusals: [CompareReport.Counter] = []
        /// From the end of the load, with everything healed, until all nodes were well; nil if they never were.
        var wellAfter: Double?
        /// The same until all owners held the same.
        var equalAfter: Double?
        var divergentPartitions = 0
        var acknowledgedWrites = 0
        /// Keys whose last acknowledged write was gone.
        var lost = 0
        /// What the checkers of simulations found, those included.
        var violations: [String] = []

        var failed: Int { refused + unknown + unsent }
        var isGood: Bool { lost == 0 && violations.isEmpty && equalAfter != nil && wellAfter != nil }
    }

    struct Node: Codable, Sendable, Equatable {
        var name: String
        var backend: String
        /// What it was, in the order of time.
        var states: [Span]
        /// How many others took it for dead or suspect.
        var doubts: [Span]
    }

    struct Span: Codable, Sendable, Equatable {
        var from: Double
        var to: Double
        var text: String
    }

    struct Event: Codable, Sendable, Equatable {
        var seconds: Double
        var text: String
        var isFault: Bool
        /// Whether this program did it, rather than saw it.
        var isStep: Bool
    }

    struct Slice: Codable, Sendable, Equatable {
        var seconds: Double
        /// By when the answer came, or the request was given up, a second.
        var answered: Double
        var failed: Double
        /// Of the requests due in it.
        var p50: UInt64
        var p99: UInt64
        var hints: Int
        /// Replicas of partitions that were not caught up, over all nodes.
        var inNeed: Int
    }

    /// The time between two steps.
    struct Phase: Codable, Sendable, Equatable {
        var from: Double
        var to: Double
        var text: String
        var requests: Int
        var failed: Int
        var slowed: Int
        var p50: UInt64
        var p99: UInt64
        var max: UInt64

        var answeredPerSecond: Double { Double(requests - failed) / Swift.max(0.001, to - from) }
    }

    /// How soon a fault was known.
    struct Detection: Codable, Sendable, Equatable {
        var event: String
        /// Seconds from the fault until one of the others, and all of them, went round the nodes concerned.
        var first: Double?
        var all: Double?
    }

    /// How long the cluster took to be whole once something was given back, and what clients felt of it.
    struct Recovery: Codable, Sendable, Equatable {
        var event: String
        /// Until every node answers, has a link with every other, is caught up and holds no hint; nil if never.
        var seconds: Double?
        /// Of the requests meanwhile, and of those before the first fault.
        var p99: UInt64
        var usualP99: UInt64
    }

    /// How long clients felt an overload that was over.
    struct Relief: Codable, Sendable, Equatable {
        var event: String
        /// From when the load fell until no five seconds' p99 was above one and a half times the usual one; nil if it
        /// stayed above.
        var seconds: Double?
        /// Before the overload, and from then on.
        var usualP99: UInt64
        var p99: UInt64
    }

    /// The longest from when a write was due until one was acknowledged in the same partition, over all partitions that
    /// a fault concerns, by way of other nodes.
    struct Gap: Codable, Sendable, Equatable {
        var event: String
        var partitions: Int
        var worst: Double
        /// The same before the first fault.
        var usual: Double
    }
}
