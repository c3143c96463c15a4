public import MartletRuntime

/// A node's clocks in a simulation: they stand still while code runs, and move only when nothing is left to run.
///
/// The monotonic clock is true. The calendar may be off: by an offset, which ``jump(microseconds:)`` changes at once,
/// and by a drift, which changes it steadily.
public final class VirtualClock: NodeClock {
    private struct Error {
        var offset: Int64 = 0
        var drift: Int64 = 0
        var driftsSince = MonotonicTime(nanoseconds: 0)

        func microseconds(at now: MonotonicTime) -> Int64 {
            drift == 0 ? offset : offset + now.since(driftsSince).inNanoseconds / 1000 * drift / 1_000_000
        }
    }
    private let executor: SimulationExecutor
    private let error = Lock(Error())

    /// Where the calendar stands when a simulation begins: 2026-01-01 00:00 UTC.
    public static let origin: Int64 = 1_767_225_600_000_000

    public init(_ executor: SimulationExecutor) { self.executor = executor }

    public var monotonic: MonotonicTime { executor.now }

    public var wallMicroseconds: Int64 {
        Self.origin + Int64(executor.now.nanoseconds / 1000) + skewMicroseconds
    }

    /// Microseconds that this node's calendar is ahead of the simulation's; below zero if behind.
    public var skewMicroseconds: Int64 {
        get {
            let now = executor.now
            return error.withLock { $0.microseconds(at: now) }
        }
        set {
            let now = executor.now
            error.withLock { error in
                error.offset = newValue
                error.driftsSince = now
            }
        }
    }

    /// Microseconds that the calendar gains in a second; below zero where it loses them. 100 is a bad quartz.
    public var drift: Int64 {
        get { error.withLock { $0.drift } }
        set {
            let now = executor.now
            error.withLock { error in
                error.offset = error.microseconds(at: now)
                error.driftsSince = now
                error.drift = newValue
            }
        }
    }

    /// Sets the calendar forward, or back, as an operator or a time daemon does.
    public func jump(microseconds: Int64) { skewMicroseconds += microseconds }
}
