internal import Glibc
public import MartletRuntime

/// Runs a whole simulated world on the calling thread, in an order drawn from a seed, in virtual time.
///
/// What is ready, a job of its own or a loop's turn, is picked by the seed; only when nothing is does the clock move,
/// to the earliest timer. A job that comes from another thread has escaped the simulation and traps.
///
/// ```swift
/// let world = SimulatedEnvironment.make(seed: 42, workers: 2)
/// world.environment.spawn("test") { ... }
/// world.executor.run()
/// print(world.executor.trace.hash)
/// ```
public final class SimulationExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {  // confined to its thread
    /// What the schedule draws from, and what others split their own source off.
    public let random: SeededRandomSource
    public private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000)
    public private(set) var trace = Trace()

    private let thread = pthread_self()
    private let order: SeededRandomSource
    private var jobs: [UnownedJob] = []
    private let timers = TimerHeap()
    private var readyLoops: [SimulatedEventLoop] = []
    private var lanes = 0
    /// How often timers were due without time passing.
    private var stepsOfMoment = 0
    private var isRunning = false
    /// The loop whose turn it is, if any.
    private(set) var current: SimulatedEventLoop?

    public init(seed: UInt64) {
        random = SeededRandomSource(seed: seed)
        order = random.split()
    }

    // MARK: Running

    /// Runs until nothing is ready and no timer is left, or `limit` steps were made.
    ///
    /// - Returns: whether it came to rest.
    @discardableResult
    public func run(limit: Int = .max) -> Bool {
        var left = limit
        while left > 0 {
            guard step() else { return true }
            left -= 1
        }
        return false
    }

    /// Runs for this much virtual time; what is due later stays.
    public func run(for duration: Duration) {
        let end = now.advanced(by: duration)
        while isReady || timers.earliest.map({ $0 <= end }) ?? false { step() }
        now = max(now, end)
    }

    /// Runs until `isDone` or until the world comes to rest.
    ///
    /// - Returns: what `isDone` says in the end.
    public func run(until isDone: () -> Bool) -> Bool {
        while !isDone() {
            guard step() else { return isDone() }
        }
        return true
    }

    private var isReady: Bool { !jobs.isEmpty || !readyLoops.isEmpty }

    /// One job, one turn of a loop, or one step of the clock.
    ///
    /// - Returns: whether there was anything to do.
    @discardableResult
    public func step() -> Bool {
        checkThread()
        precondition(!isRunning, "a simulation cannot be run from within")
        isRunning = true
        defer { isRunning = false }
        guard isReady else { return advance() }
        let pick = order.below(jobs.count + readyLoops.count)
        if pick < jobs.count {
            run(jobs.remove(at: pick))
        } else {
            run(readyLoops.remove(at: pick - jobs.count))
        }
        return true
    }

    private func run(_ job: UnownedJob) {
        trace.add(.job, at: now, lane: -1)
        unsafe job.runSynchronously(
            isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    }

    private func run(_ loop: SimulatedEventLoop) {
        trace.add(.turn, at: now, lane: loop.lane)
        current = loop
        loop.turn()
        current = nil
    }

    /// Moves the clock to the earliest timer and runs all that are due then, in the order they were made.
    private func advance() -> Bool {
        guard let earliest = timers.earliest else { return false }
        stepsOfMoment = earliest > now ? 0 : stepsOfMoment + 1
        precondition(stepsOfMoment < 5_000_000, "time does not pass: somebody sets timers without delay for ever")
        now = max(now, earliest)
        let bound = timers.sequence
        while let work = timers.takeDue(at: now, madeBefore: bound) { work() }
        return true
    }

    // MARK: Scheduling

    /// Runs `work` after `delay`, outside any loop.
    @discardableResult
    public func schedule(after delay: Duration, _ work: @escaping () -> Void) -> any LoopTimer {
        checkThread()
        return timers.add(at: now.advanced(by: max(delay, .zero)), work)
    }

    /// Has a loop take its turn.
    func makeReady(_ loop: SimulatedEventLoop) { readyLoops.append(loop) }

    /// The number of the next loop, thread or client, which tells its events from others'.
    public func nextLane() -> Int {
        defer { lanes += 1 }
        return lanes
    }

    /// Adds an event to the trace.
    public func note(_ kind: Trace.Kind, lane: Int, detail: UInt64 = 0) {
        trace.add(kind, at: now, lane: lane, detail: detail)
    }

    /// Adds an event with its bytes to the trace.
    public func note(_ kind: Trace.Kind, lane: Int, bytes: RawSpan) {
        trace.add(kind, at: now, lane: lane, bytes: bytes)
    }

    // MARK: Executor

    /// Traps if the caller has left the simulation.
    func checkThread() {
        precondition(pthread_self() == thread, "a job escaped the simulation")
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        checkThread()
        jobs.append(UnownedJob(job))
    }

    public func checkIsolated() { precondition(isIsolatingCurrentContext() == true, "outside the simulation") }

    public func isIsolatingCurrentContext() -> Bool? { pthread_self() == thread && current == nil }
}
