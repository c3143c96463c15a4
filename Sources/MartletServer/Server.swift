internal import MartletCore
public import MartletNode
public import MartletRuntime

/// A node's door for RESP clients, over all of its workers.
public struct Server: Sendable {
    /// Where clients reach it.
    public let address: SocketAddress
    private let doors: [Confined<FrontDoor>]

    /// How the door is opened.
    public struct Settings: Sendable {
        /// Port 0 takes any free one.
        public var address: SocketAddress
        /// Where cluster-aware clients reach each worker of a node that is one of several: one for each, or none.
        public var clusterAddresses: [SocketAddress] = []
        public var maximumClients = 10_000
        /// Martlet's version, for INFO.
        public var version = "0.1.0"

        public init(address: SocketAddress) { self.address = address }
    }

    /// Listens on every worker's loop: all share the plain port, each has its own cluster port.
    public static func open(_ settings: Settings, for node: Node) async throws(StreamError) -> Server {
        let shared = ServerShared(node: node, settings: settings)
        var doors: [Confined<FrontDoor>] = []
        for worker in node.coordinators.indices {
            doors.append(
                await withCheckedContinuation { continuation in
                    node.environment.loops[worker].post {
                        continuation.resume(returning: Self.makeDoor(shared, node, worker))
                    }
                })
        }
        let all = doors
        for door in doors {
            let result: Result<SocketAddress, StreamError> = await withCheckedContinuation { continuation in
                door.post { door in
                    door.doors = all
                    door.takeForwarded()
                    continuation.resume(
                        returning: Result { () throws(StreamError) in try door.listen() })
                }
            }
            shared.bind(try result.get())
        }
        return Server(address: shared.address, doors: doors)
    }

    private static func makeDoor(_ shared: ServerShared, _ node: Node, _ worker: Int) -> Confined<FrontDoor> {
        let loop = node.environment.loops[worker]
        return node.coordinators[worker].assumeIsolated { coordinator in
            let parts = Confined((coordinator.transaction, coordinator.standstill), on: loop)
            let (transaction, standstill) = parts.value
            return Confined(
                FrontDoor(
                    node: node, worker: worker, shared: shared, transaction: transaction, standstill: standstill),
                on: loop)
        }
    }

    /// Stops accepting, lets connections finish what is under way, and ends them; at most `patience` long.
    public func drain(patience: Duration = .seconds(5)) async {
        for round in 0...100 {
            var open = 0
            for door in doors {
                open += await withCheckedContinuation { continuation in
                    door.post { continuation.resume(returning: $0.drain(isForced: round == 100)) }
                }
            }
            if open == 0 { return }
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                doors[0].post { door in
                    door.coordinator.loop.schedule(after: patience / 100) { continuation.resume() }
                }
            }
        }
    }
}
