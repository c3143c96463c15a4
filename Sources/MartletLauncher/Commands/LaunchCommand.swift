internal import Glibc
internal import MartletConfiguration
internal import MartletIO
internal import MartletNode
internal import MartletRuntime
internal import MartletServer

/// `martlet launch`: runs the nodes of a cluster file until SIGTERM.
enum LaunchCommand: CommandLineCommand {
    static let name = "launch"
    static let usage = "launch [FILE]"
    static let purpose = "Run the nodes of a cluster file (default: Configs/one-node.yaml)."
    static let details = """
        Prints one line `ready NAME HOST:PORT BACKEND` per node once it serves Redis clients. SIGTERM and SIGINT let
        clients finish what is under way, sync, and end with code 0; a second signal ends at once.

        martlet launch
        martlet launch Configs/one-node-rocksdb.yaml --data /var/lib/martlet
        """
    static let options = [
        CommandLineOption("node", "NAME", "run this node of the file only"),
        CommandLineOption("in-process", nil, "run all nodes in this process (with one node there is no difference)"),
        CommandLineOption("data", "DIR", "keep data in DIR/NAME instead of ./data/CLUSTER/NAME"),
        CommandLineOption("accept-data-loss", nil, "open data that a power failure may have damaged"),
        CommandLineOption("log-level", "LEVEL", "trace, debug, info (default), notice, warning, error or critical"),
    ]
    static let operands = 0...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        guard let file = ConfigurationFile.path(given.operands.first) else {
            Terminal.error("martlet launch: no FILE given, and there is no Configs/one-node.yaml here")
            return ExitCode.usage
        }
        guard let configuration = ConfigurationFile.read(file, backends) else { return ExitCode.configuration }
        var nodes = configuration.nodes
        if let name = given["node"] {
            nodes.removeAll { $0.name != name }
            guard !nodes.isEmpty else {
                Terminal.error(
                    "\(file): no node '\(name)'; there are: \(configuration.nodes.map(\.name).joined(separator: ", "))")
                return ExitCode.usage
            }
        }
        guard let level = Log.Level.allCases.first(where: { $0.name == given["log-level"] ?? "info" }) else {
            Terminal.error(
                "martlet launch: --log-level is one of \(Log.Level.allCases.map(\.name).joined(separator: ", "))")
            return ExitCode.usage
        }
        return await serve(nodes[0], of: configuration, backends, given, level)
    }

    private static func serve(
        _ node: ClusterConfiguration.Node, of cluster: ClusterConfiguration, _ backends: [BackendKind],
        _ given: GivenOptions, _ level: Log.Level
    ) async -> Int32 {
        let signals = SignalLine()
        raiseDescriptorLimit()
        let log = StandardErrorLog.make(label: node.name, level: level)
        do {
            let running = try await RunningNode.start(
                NodeSettings(node, of: cluster), opening(node, of: cluster, backends, given), Server.Settings(node),
                log: log)
            if running.node.startedUnclean {
                log(.notice, "the last run was not ended in order; recovered what its durability promises")
            }
            Terminal.line("ready \(node.name) \(running.server.address) \(node.backend)")
            await signals.wait()
            log(.info, "draining")
            try await running.stop()
            return ExitCode.ok
        } catch let error as StorageError {
            Terminal.error("\(node.name): \(error.message)")
            return error.code == .outOfSpace || error.code == .inputOutput ? ExitCode.failed : ExitCode.configuration
        } catch {
            Terminal.error("\(node.name): \(error)")
            return ExitCode.configuration
        }
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
        workers = node.workers
        syncInterval = node.syncInterval
        cacheBytes = node.cacheBytes
        keyspaces = cluster.keyspaces.map { keyspace in
            var settings = KeyspaceSettings(id: keyspace.id, name: keyspace.name)
            settings.maximumKey = keyspace.maximumKey
            settings.maximumPair = keyspace.maximumPair
            settings.compression = keyspace.compression
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
