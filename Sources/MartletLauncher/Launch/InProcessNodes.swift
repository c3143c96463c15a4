internal import MartletConfiguration
internal import MartletCore
internal import MartletIO
internal import MartletNode
internal import MartletRuntime
internal import MartletServer

/// Runs nodes in this process, from their start to the signal that ends them.
enum InProcessNodes {
    /// - Parameter opening: how each node's data is opened.
    /// - Returns: the exit code. Nothing runs any more.
    static func run(
        _ nodes: [ClusterConfiguration.Node], of cluster: ClusterConfiguration, _ level: Log.Level,
        signals: SignalLine, opening: (ClusterConfiguration.Node) -> NodeOpening
    ) async -> Int32 {
        var running: [(name: String, node: RunningNode)] = []
        let joining: ClusterJoining
        do throws(PlacementError) {
            joining = try ClusterJoining(cluster, isInProcess: nodes.count == cluster.nodes.count)
        } catch {
            Terminal.error(error.message)
            return ExitCode.configuration
        }
        for node in nodes {
            let log = StandardErrorLog.make(label: node.name, level: level)
            do {
                var opening = opening(node)
                opening.noteFailure = { error in
                    log(
                        .critical,
                        "the storage failed: \(error.message); nothing is acknowledged any more: the node ends, and takes "
                            + "from its peers what it lacks when it is started again")
                    signals.end(ExitCode.storageFailed)
                }
                let started = try await joining.start(node, opening, log: log)
                running.append((node.name, started))
                if started.node.startedUnclean {
                    log(.notice, "the last run was not ended in order; recovered what its durability promises")
                }
                Terminal.line("ready \(node.name) \(started.server.address) \(node.backend)")
            } catch {
                let code = tell(error, of: node.name)
                _ = await stop(running)
                return code
            }
        }
        let code = await signals.wait()
        for node in nodes { StandardErrorLog.make(label: node.name, level: level)(.info, "draining") }
        let stopped = await stop(running)
        return code == ExitCode.ok ? stopped : code
    }

    private static func stop(_ running: [(name: String, node: RunningNode)]) async -> Int32 {
        var code = ExitCode.ok
        for (name, node) in running {
            do {
                try await node.stop()
            } catch {
                code = max(code, tell(error, of: name))
            }
        }
        return code
    }

    /// Says what went wrong; the exit code for it.
    private static func tell(_ error: any Error, of name: String) -> Int32 {
        guard let error = error as? StorageError else {
            Terminal.error("\(name): \(error)")
            return ExitCode.configuration
        }
        Terminal.error("\(name): \(error.message)")
        return error.code == .outOfSpace || error.code == .inputOutput ? ExitCode.failed : ExitCode.configuration
    }
}
