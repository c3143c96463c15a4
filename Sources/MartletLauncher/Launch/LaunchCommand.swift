internal import Glibc
internal import MartletConfiguration
internal import MartletIO
internal import MartletCore
internal import MartletNode
internal import MartletRuntime
internal import MartletServer

/// `martlet launch`: runs the nodes of a cluster file until SIGTERM.
enum LaunchCommand: CommandLineCommand {
    static let name = "launch"
    static let usage = "launch [FILE]"
    static let purpose = "Run the nodes of a cluster file (default: Configs/three-backends.yaml)."
    static let details = """
        Prints one line `ready NAME HOST:PORT BACKEND` per node once it serves Redis clients. SIGTERM and SIGINT let
        clients finish what is under way, sync, and end with code 0; a second signal ends at once.

        The nodes of a file with several run in a process each, and one that died is started again. If this process
        is killed, they end in order.

        martlet launch
        martlet launch Configs/one-node-rocksdb.yaml --data /var/lib/martlet
        martlet launch Configs/three-backends.yaml --node lmdb
        """
    static let options = [
        CommandLineOption("node", "NAME", "run this node of the file only, in this process"),
        CommandLineOption("in-process", nil, "run all nodes in this process, as a file of one node does"),
        CommandLineOption("supervise", nil, "run each node in a process of its own even if the file has only one"),
        CommandLineOption("data", "DIR", "keep data in DIR/NAME instead of ./data/CLUSTER/NAME"),
        CommandLineOption("accept-data-loss", nil, "open data that a power failure may have damaged"),
        CommandLineOption("log-level", "LEVEL", "trace, debug, info (default), notice, warning, error or critical"),
        CommandLineOption("supervisor", "PID", "end when this parent does (the supervising process passes it)"),
    ]
    static let operands = 0...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        guard let file = ConfigurationFile.path(given.operands.first) else {
            Terminal.error("martlet launch: no FILE given, and there is no Configs/three-backends.yaml here")
            return ExitCode.usage
        }
        guard let level = Log.Level.allCases.first(where: { $0.name == given["log-level"] ?? "info" }) else {
            Terminal.error(
                "martlet launch: --log-level is one of \(Log.Level.allCases.map(\.name).joined(separator: ", "))")
            return ExitCode.usage
        }
        guard let cluster = ConfigurationFile.read(file, backends) else { return ExitCode.configuration }
        var nodes = cluster.nodes
        if let name = given["node"] {
            nodes.removeAll { $0.name != name }
            guard !nodes.isEmpty else {
                Terminal.error(
                    "\(file): no node '\(name)'; there are: \(cluster.nodes.map(\.name).joined(separator: ", "))")
                return ExitCode.usage
            }
        } else if given.has("supervise") || nodes.count > 1 && !given.has("in-process") {
            return await supervise(cluster, file, given, level)
        }
        raiseDescriptorLimit()
        let signals = SignalLine(parent: given["supervisor"].flatMap { Int32($0) })
        return await InProcessNodes.run(nodes, of: cluster, level, signals: signals) {
            opening($0, of: cluster, backends, given)
        }
    }

    /// Runs every node in a child process: this executable with `--node NAME`.
    private static func supervise(
        _ cluster: ClusterConfiguration, _ file: String, _ given: GivenOptions, _ level: Log.Level
    ) async -> Int32 {
        let log = StandardErrorLog.make(label: "launch", level: level)
        let executable = SupervisedProcess.thisExecutable
        let children = cluster.nodes.map { node in
            var arguments = [executable, "launch", file, "--node", node.name, "--supervisor", "\(getpid())"]
            for option in ["data", "log-level"] {
                if let value = given[option] { arguments += ["--" + option, value] }
            }
            if given.has("accept-data-loss") { arguments.append("--accept-data-loss") }
            return Supervisor.Child(name: node.name, arguments: arguments)
        }
        return await Supervisor.run(children, log: log) { Terminal.line($0) }
    }

    /// Connections take a descriptor each; the system's soft limit is often 1024.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(7), &limit) == 0 else { return }  // RLIMIT_NOFILE
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(7), &limit)
    }

    private static func opening(
        _ node: ClusterConfiguration.Node, of cluster: ClusterConfiguration, _ backends: [BackendKind],
        _ given: GivenOptions
    ) -> NodeOpening {
        let path = given["data"].map { "\($0)/\(node.name)" } ?? "data/\(cluster.name)/\(node.name)"
        let kind = backends.first { $0.name == node.backend }
        guard let kind else { preconditionFailure("the configuration was read against other backends") }
        var opening = NodeOpening(kind: kind, backendSettings: node.backendSettings, path: path)
        opening.acceptsDataLoss = given.has("accept-data-loss")
        return opening
    }
}

extension NodeSettings {
    /// A node's settings as its cluster file has them.
    init(_ node: ClusterConfiguration.Node, of cluster: ClusterConfiguration) {
        self.init(cluster: cluster.name, name: node.name, durability: node.durability)
        id = node.id
        founding = cluster.founding
        workers = node.workers
        syncInterval = node.syncInterval
        cacheBytes = node.cacheBytes
        memoryLimit = node.memoryLimit
        (hints.bytes, hints.bytesPerTarget) = (node.hintBytes, node.hintBytes)
        hints.age = UInt64(max(0, node.hintAge / .milliseconds(1)))
        keyspaces = cluster.keyspaces.map { keyspace in
            var settings = KeyspaceSettings(id: keyspace.id, name: keyspace.name)
            settings.maximumKey = keyspace.maximumKey
            settings.maximumPair = keyspace.maximumPair
            settings.compression = keyspace.compression
            settings.conflicts = keyspace.definition.conflicts
            return settings
        }
    }
}

extension Server.Settings {
    init(_ node: ClusterConfiguration.Node) {
        self.init(address: node.address)
        maximumClients = node.maximumClients
        version = Launcher.version
    }
}
