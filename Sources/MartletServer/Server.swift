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
        public var maximumClients = 10_000
        /// Martlet's version, for INFO.
        public var version = "0.1.0"

        public init(address: SocketAddress) { self.address = address }
    }

    /// Listens on every worker's loop.
    public static func open(_ settings: Settings, for node: Node) async throws(StreamError) -> Server {
        var address = settings.address
        var doors: [Confined<FrontDoor>] = []
        for worker in node.coordinators.indices {
            let result: Result<(Confined<FrontDoor>, SocketAddress), StreamError> =
                await withCheckedContinuation { continuation in
                    let wanted = address
                    node.environment.loops[worker].post {
                        continuation.resume(returning: Self.makeDoor(settings, at: wanted, node, worker))
                    }
                }
            let (door, bound) = try result.get()
            doors.append(door)
            address = bound
        }
        return Server(address: address, doors: doors)
    }

    private static func makeDoor(
        _ settings: Settings, at address: SocketAddress, _ node: Node, _ worker: Int
    ) -> Result<(Confined<FrontDoor>, SocketAddress), StreamError> {
        let loop = node.environment.loops[worker]
        return node.coordinators[worker].assumeIsolated { coordinator in
            let transaction = Confined(coordinator.transaction, on: loop)
            return Result { () throws(StreamError) in
                let shared = ServerShared(
                    node: node, address: address, maximumClients: settings.maximumClients, software: settings.version)
                let door = FrontDoor(node: node, worker: worker, shared: shared, transaction: transaction.value)
                return (Confined(door, on: loop), try door.listen(on: address))
            }
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
