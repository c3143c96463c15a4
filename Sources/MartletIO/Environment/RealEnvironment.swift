public import MartletRuntime

/// The seams' real implementation, bundled.
public enum RealEnvironment {
    /// Starts `workers` loops and bundles them with the system's clock and random numbers.
    ///
    /// End with ``stop(_:)``, after the node that uses it.
    public static func make(workers: Int, log: Log) -> NodeEnvironment {
        NodeEnvironment(
            loops: (0..<workers).map { UVEventLoop.start(name: "worker-\($0)") }, clock: SystemClock(),
            random: SystemRandomSource(), log: log, usedMemory: { AllocatedMemory.bytes }
        ) { ThreadBlockingExecutor(name: $0) }
    }

    /// Stops the loops of an environment made by ``make(workers:log:)``; not from one of them.
    public static func stop(_ environment: NodeEnvironment) {
        for loop in environment.loops { (loop as? UVEventLoop)?.stop() }
    }
}
