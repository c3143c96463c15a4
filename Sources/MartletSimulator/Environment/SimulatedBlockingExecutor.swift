public import MartletRuntime

/// Blocking work in a simulation: in order, each piece after a delay drawn from the seed, as a disk would take.
///
/// A slow disk makes the delays longer, a stalled one makes work wait until the stall ends, and a pause of the process
/// until it goes on.
public final class SimulatedBlockingExecutor: BlockingExecutor, @unchecked Sendable {  // confined to the simulation
    private let executor: SimulationExecutor
    private let process: SimulatedProcess
    private let lane: Int
    private let random: SeededRandomSource
    private var works: [@Sendable () -> Void] = []
    private var isScheduled = false

    /// The longest a piece of work takes on a disk that is well, in nanoseconds.
    private static let slowest = 2_000_000

    public init(_ executor: SimulationExecutor, process: SimulatedProcess? = nil) {
        self.executor = executor
        self.process = process ?? SimulatedProcess()
        lane = executor.nextLane()
        random = executor.random.split()
        self.process.add(self)
    }

    public func submit(_ work: @escaping @Sendable () -> Void) {
        executor.checkThread()
        works.append(work)
        schedule()
    }

    /// Goes on after a pause.
    func goOn() { schedule() }

    private func schedule() {
        guard !isScheduled, !works.isEmpty, process.state == .running else { return }
        schedule(after: .nanoseconds(random.below(Self.slowest) * (process.disk?.slowness ?? 1)))
    }

    private func schedule(after delay: Duration) {
        isScheduled = true
        executor.schedule(after: delay) { [self] in
            isScheduled = false
            guard !works.isEmpty, process.state == .running else { return }
            if let end = process.disk?.stalledUntil, end > executor.now {
                return schedule(after: end.since(executor.now))
            }
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

    /// Its process died: what it had to do is kept for ever and not done, as at a loop.
    func die() { _ = unsafe Unmanaged.passRetained(self) }
}
