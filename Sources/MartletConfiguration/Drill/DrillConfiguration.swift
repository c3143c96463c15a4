public import MartletRuntime

/// A drill file's meaning: a cluster, the load on it, and what happens to it meanwhile.
public struct DrillConfiguration: Sendable {
    public var name: String
    /// What it is to show, for the report; may be empty.
    public var shows: String
    /// The clusters that it runs on, one after the other; at least one.
    public var variants: [Variant]
    public var load: Load
    /// Of the load.
    public var duration: Duration
    /// In the order of their times.
    public var steps: [Step]
    /// Faults drawn from a seed instead of ``steps``.
    public var chaos: Chaos?

    /// A cluster to drill.
    public struct Variant: Sendable {
        /// For the report.
        public var name: String
        /// The cluster as its file has it.
        public var cluster: ClusterConfiguration
        /// That file's text.
        public var text: [UInt8]
        /// That file's path, for what its paths are relative to.
        public var file: String
        /// The storage backends of its nodes, each once.
        public var backends: [String]
    }

    /// What clients do meanwhile.
    public struct Load: Sendable, Equatable {
        /// Requests a second, due at even distances.
        public var rate: Int
        /// Of the requests, in percent; the rest write.
        public var reads: Int
        public var deletes: Int
        /// Bytes of a value.
        public var valueBytes: Int
        public var keys: Int
        /// To each node, with one request at a time.
        public var connections: Int
        /// Whether a node is only asked for keys that it owns.
        public var goesToOwners: Bool
        /// When a client gives a request up.
        public var timeout: Duration
        /// From when on a request counts as slow.
        public var slow: Duration
        public var seed: Int
    }

    /// Something done to the cluster.
    public struct Step: Sendable, Equatable {
        /// Since the load began.
        public var at: Duration
        public var action: Action

        public init(at: Duration, _ action: Action) {
            self.at = at
            self.action = action
        }
    }

    /// What can be done to a cluster; nodes by name.
    public enum Action: Sendable, Equatable {
        /// SIGKILL, at once.
        case kill([String])
        /// Starts killed nodes again.
        case restart([String])
        /// Takes what killed nodes keep on disk.
        case wipe([String])
        /// SIGSTOP and SIGCONT.
        case pause([String])
        case resume([String])
        /// No node of one group reaches one of another; who is in none reaches all.
        case partition([[String]])
        /// What some nodes send does not reach others.
        case oneWay(from: [String], to: [String])
        /// Everything that nodes were cut off by is taken away.
        case heal
        /// Each sync of the nodes' disks takes so much longer; zero: no longer.
        case slowDisk([String], Duration)
        /// The nodes' calendars are ahead by so much, or behind.
        case skew([String], milliseconds: Int)
        /// Each of the nodes has so many hundredths of one core, all its threads together; 0: as many as there are.
        case limitCPU([String], percent: Int)
        /// From now on clients send so many requests a second.
        case rate(Int)
    }

    /// Rounds of one fault each, drawn from a seed.
    public struct Chaos: Sendable, Equatable {
        public var rounds: Int
        public var seed: Int
        /// Of ``DrillSettings/chaosKinds``.
        public var kinds: [String]
        /// How long a fault lasts.
        public var fault: Duration
        /// How long nothing happens after the cluster is well again.
        public var calm: Duration
    }

    /// Reads a file's text.
    ///
    /// - Parameters:
    ///   - file: its path: what faults call it, and where the path of a cluster file begins.
    ///   - kinds: the backends that it may name.
    ///   - contents: reads a cluster file that it names; nil if it cannot be.
    /// - Throws: all faults of the file, in its order, or those of the cluster file.
    public static func parse(
        _ text: [UInt8], file: String, kinds: [BackendKind], contents: (_ path: String) -> [UInt8]?
    ) throws(ConfigurationFaults) -> DrillConfiguration {
        var reader = DrillReader(file: file, kinds: kinds)
        let drill = try reader.drill(try YAMLParser.parse(text, file: file), contents)
        guard reader.faults.isEmpty else { throw ConfigurationFaults(reader.faults) }
        return drill
    }
}

extension DrillConfiguration.Action {
    /// The nodes that it is done to, whom clients may miss for it.
    public var nodes: [String] {
        switch self {
        case .kill(let nodes), .restart(let nodes), .wipe(let nodes), .pause(let nodes), .resume(let nodes): nodes
        case .slowDisk(let nodes, _), .skew(let nodes, _), .limitCPU(let nodes, _): nodes
        case .partition(let groups): groups.min { $0.count < $1.count } ?? []
        case .oneWay(let from, _): from
        case .heal, .rate: []
        }
    }

    /// Whether it takes something away, rather than gives it back.
    public var isFault: Bool {
        switch self {
        case .kill, .pause, .partition, .oneWay, .wipe: true
        case .slowDisk(_, let time): time > .zero
        case .skew(_, let milliseconds): milliseconds != 0
        case .restart, .resume, .heal, .limitCPU, .rate: false
        }
    }

    /// As a person says it.
    public var text: String {
        func list(_ nodes: [String]) -> String { nodes.joined(separator: ", ") }
        return switch self {
        case .kill(let nodes): "kill -9 \(list(nodes))"
        case .restart(let nodes): "start \(list(nodes)) again"
        case .wipe(let nodes): "wipe the disk of \(list(nodes))"
        case .pause(let nodes): "pause \(list(nodes))"
        case .resume(let nodes): "resume \(list(nodes))"
        case .partition(let groups): "part \(groups.map(list).joined(separator: " from "))"
        case .oneWay(let from, let to): "nothing from \(list(from)) reaches \(list(to))"
        case .heal: "heal the network"
        case .slowDisk(let nodes, let time):
            time == .zero
                ? "the disk of \(list(nodes)) is fast again"
                : "each sync of \(list(nodes)) takes \(Int(time / .milliseconds(1))) ms more"
        case .skew(let nodes, let milliseconds):
            milliseconds == 0
                ? "the clock of \(list(nodes)) is right again"
                : "the clock of \(list(nodes)) is \(abs(milliseconds)) ms \(milliseconds > 0 ? "ahead" : "behind")"
        case .limitCPU(let nodes, let percent):
            percent == 0
                ? "\(list(nodes)) may use all processors" : "\(list(nodes)) may use \(percent) % of a processor each"
        case .rate(let rate): "\(rate) requests a second"
        }
    }
}
