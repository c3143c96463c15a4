public import MartletRuntime

/// A node's clocks in a simulation: they stand still while code runs, and move only when nothing is left to run.
public final class VirtualClock: NodeClock {
    private let executor: SimulationExecutor
    private let skew = Lock<Int64>(0)

    /// Where the calendar stands when a simulation begins: 2026-01-01 00:00 UTC.
    public static let origin: Int64 = 1_767_225_600_000_000

    public init(_ executor: SimulationExecutor) { self.executor = executor }

    public var monotonic: MonotonicTime { executor.now }

    public var wallMicroseconds: Int64 {
        Self.origin + Int64(executor.now.nanoseconds / 1000) + skew.withLock { $0 }
    }

    /// Microseconds that this node's calendar is ahead of the simulation's; below zero if behind.
    public var skewMicroseconds: Int64 {
        get { skew.withLock { $0 } }
        set { skew.withLock { $0 = newValue } }
    }
}
