public import MartletRuntime

/// The seams' simulated implementation, bundled: one node's world, alone or with others on one schedule.
public struct SimulatedEnvironment: Sendable {
    /// What the node takes.
    public let environment: NodeEnvironment
    /// What runs it, and all others on the same schedule.
    public let executor: SimulationExecutor
    /// What joins it to the others.
    public let network: SimulatedNetwork
    /// The node's own clock, which can be set wrong.
    public let clock: VirtualClock
    /// The node's loops.
    public let loops: [SimulatedEventLoop]
    /// The process they are threads of, which can be paused and killed.
    public let process: SimulatedProcess

    /// A world of one node.
    ///
    /// - Parameters:
    ///   - seed: what all order, delays, segments and random numbers follow from.
    ///   - workers: the node's loops.
    public static func make(seed: UInt64, workers: Int, log: Log = .silent) -> SimulatedEnvironment {
        let executor = SimulationExecutor(seed: seed)
        return make(on: executor, network: SimulatedNetwork(executor), workers: workers, log: log)
    }

    /// One more node of a world, or a node's next process: `clock` and `disk` are then those it had.
    public static func make(
        on executor: SimulationExecutor, network: SimulatedNetwork, workers: Int, log: Log = .silent,
        clock: VirtualClock? = nil, disk: SimulatedDisk? = nil
    ) -> SimulatedEnvironment {
        precondition(workers > 0)
        let clock = clock ?? VirtualClock(executor)
        let process = SimulatedProcess(disk: disk)
        let loops = (0..<workers).map { _ in SimulatedEventLoop(executor, network: network, process: process) }
        let environment = NodeEnvironment(
            loops: loops, clock: clock, random: executor.random.split(), log: log
        ) { _ in SimulatedBlockingExecutor(executor, process: process) }
        return SimulatedEnvironment(
            environment: environment, executor: executor, network: network, clock: clock, loops: loops,
            process: process)
    }

    /// The same network and schedule for another node.
    public func makeNeighbour(workers: Int, log: Log = .silent) -> SimulatedEnvironment {
        Self.make(on: executor, network: network, workers: workers, log: log)
    }

    /// Ends the node as a crash does: its threads stop where they are, its peers hear resets. Its tasks never end.
    public func crash() { process.kill() }
}
