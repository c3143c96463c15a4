public import MartletNode
internal import MartletIO
public import MartletRuntime
public import MartletServer

/// A node of this process with its front door, from the first read of its data to the last sync.
public struct RunningNode: Sendable {
    public let node: Node
    public let server: Server

    /// Opens the node's data set, starts its workers and listens.
    ///
    /// Blocks for as long as the backend's recovery takes. Nothing is left behind if it throws.
    /// - Parameter joining: how the node becomes one of several; nil: it is alone.
    /// - Throws: `StorageError` or `StreamError`.
    public static func start(
        _ settings: NodeSettings, _ opening: NodeOpening, _ door: Server.Settings, joining: NodeJoining? = nil,
        log: Log
    ) async throws -> RunningNode {
        let environment = RealEnvironment.make(workers: settings.workers, log: log)
        do {
            let node = try Node.open(settings, opening, in: environment)
            do {
                await node.start()
                if let joining { try await node.join(joining) }
                return RunningNode(node: node, server: try await Server.open(door, for: node))
            } catch {
                try? await node.stop()
                throw error
            }
        } catch {
            RealEnvironment.stop(environment)
            throw error
        }
    }

    /// Lets clients finish what is under way, syncs, closes the data set.
    public func stop() async throws {
        await server.drain()
        try await node.stop()
        RealEnvironment.stop(node.environment)
    }
}
