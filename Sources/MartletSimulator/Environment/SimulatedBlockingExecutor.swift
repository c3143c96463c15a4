public import MartletRuntime

/// Blocking work in a simulation: in order, each piece after a delay drawn from the seed, as a disk would take.
public final class SimulatedBlockingExecutor: BlockingExecutor, @unchecked Sendable {  // confined to the simulation
    private let executor: SimulationExecutor
    private let lane: Int
    private let random: SeededRandomSource
    private var works: [@Sendable () -> Void] = []
    private var isScheduled = false

    /// The longest a piece of work takes, in nanoseconds.
    private static let slowest = 2_000_000

    public init(_ executor: SimulationExecutor) {
        self.executor = executor
        lane = executor.nextLane()
        random = executor.random.split()
    }

    public func submit(_ work: @escaping @Sendable () -> Void) {
        executor.checkThread()
        works.append(work)
        schedule()
    }

    private func schedule() {
        guard !isScheduled, !works.isEmpty else { return }
        isScheduled = true
        executor.schedule(after: .nanoseconds(random.below(Self.slowest))) { [self] in
            isScheduled = false
            guard !works.isEmpty else { return }
            runFirst()
            schedule()
        }
    }

    private func runFirst() {
        executor.note(.blockingWork, lane: lane)
        works.removeFirst()()
    }

    public func shutdown() {
        while !works.isEmpty { runFirst() }
    }
}
