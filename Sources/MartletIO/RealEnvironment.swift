internal import Glibc
public import MartletRuntime

/// The real world's implementation of the seams.
public enum RealEnvironment {
    /// Starts one event loop per worker.
    public static func make(workers: Int, log: Log) -> NodeEnvironment {
        NodeEnvironment(
            loops: (0..<workers).map { UVEventLoop.start(name: "worker-\($0)") }, clock: SystemClock(),
            random: SystemRandomSource(), log: log
        ) { ThreadBlockingExecutor(name: $0) }
    }

    /// Ends the loops; not from one of them.
    public static func stop(_ environment: NodeEnvironment) {
        for loop in environment.loops { (loop as? UVEventLoop)?.stop() }
    }
}

/// The system's clocks.
public struct SystemClock: NodeClock {
    public init() {}

    public var monotonic: MonotonicTime {
        MonotonicTime(nanoseconds: UInt64(nanoseconds(of: CLOCK_MONOTONIC)))
    }

    public var wallMicroseconds: Int64 { nanoseconds(of: CLOCK_REALTIME) / 1000 }

    private func nanoseconds(of clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// The system's random numbers.
public final class SystemRandomSource: RandomSource {
    public init() {}
    public func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

/// Blocking work on a thread of its own.
public final class ThreadBlockingExecutor: BlockingExecutor {
    private struct Queue {
        var work: [@Sendable () -> Void] = []
        var isEnding = false
    }
    private let queue: ConditionLock<Queue>
    private let thread: Confined<pthread_t>

    public init(name: String) {
        let queue = ConditionLock(Queue())
        self.queue = queue
        thread = Confined(Thread.start(name: name) { Self.run(queue) })
    }

    private static func run(_ queue: ConditionLock<Queue>) {
        while true {
            let (work, isEnding) = queue.wait(until: { !$0.work.isEmpty || $0.isEnding }) { state in
                defer { state.work = [] }
                return (state.work, state.isEnding)
            }
            for item in work { item() }
            if isEnding, work.isEmpty { return }
        }
    }

    public func submit(_ work: @escaping @Sendable () -> Void) { queue.change { $0.work.append(work) } }

    public func shutdown() {
        queue.change { $0.isEnding = true }
        pthread_join(thread.value, nil)
    }
}
