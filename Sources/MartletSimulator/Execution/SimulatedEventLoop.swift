public import MartletRuntime

/// One worker's event loop in a simulation: the order within a turn is the real loop's, the order of loops the seed's.
///
/// Only during its own turn is it the current executor, so that code which touches another worker's state traps here as
/// it would race there.
public final class SimulatedEventLoop: EventLoop, @unchecked Sendable {  // confined to the simulation's thread
    private enum Entry {
        case job(UnownedJob)
        case work(@Sendable () -> Void)
    }

    public let executor: SimulationExecutor
    /// What joins it to other loops.
    public let network: SimulatedNetwork
    let lane: Int

    private var inputs: [() -> Void] = []
    private var ready: [Entry] = []
    private var endings: [() -> Void] = []
    private var dirty: [SimulatedStream] = []
    private var gone: [SimulatedStream] = []
    private var isReady = false
    /// The process it is a thread of; paused and killed with it.
    let process: SimulatedProcess
    var isStopped: Bool { process.state == .dead }

    public init(_ executor: SimulationExecutor, network: SimulatedNetwork, process: SimulatedProcess? = nil) {
        self.executor = executor
        self.network = network
        self.process = process ?? SimulatedProcess()
        lane = executor.nextLane()
        self.process.add(self)
    }

    public var now: MonotonicTime { executor.now }
    public var isCurrent: Bool { executor.current === self }

    // MARK: The turn

    /// Has the loop take its turn once the seed picks it.
    private func wake() {
        guard !isReady, process.state == .running else { return }
        isReady = true
        guard process.lateness > .zero else { return executor.makeReady(self) }
        let delay = Duration.nanoseconds(executor.random.below(Int(process.lateness.inNanoseconds)))
        executor.schedule(after: delay) { [self] in executor.makeReady(self) }
    }

    /// Goes on after a pause with what came meanwhile.
    func goOn() { if !inputs.isEmpty || !dirty.isEmpty || hasJobs { wake() } }

    /// Adds an input event: bytes that came, a timer that is due.
    func input(_ event: @escaping () -> Void) {
        inputs.append(event)
        wake()
    }

    /// Input callbacks, jobs until none is left, the turn's end, and one flush for each stream that wrote.
    func turn() {
        isReady = false
        guard process.state == .running else { return }
        let events = inputs
        inputs.removeAll(keepingCapacity: true)
        for event in events { event() }
        repeat {
            repeat {
                announceGone()
                runJobs()
                if ready.isEmpty, gone.isEmpty { runEndings() }
            } while hasJobs
            flushDirty()
        } while hasJobs
    }

    private var hasJobs: Bool { !isStopped && (!ready.isEmpty || !gone.isEmpty || !endings.isEmpty) }

    private func runJobs() {
        while !ready.isEmpty {
            let entries = ready
            ready.removeAll(keepingCapacity: true)
            for entry in entries {
                switch entry {
                case .job(let job):
                    executor.note(.job, lane: lane)
                    unsafe job.runSynchronously(
                        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
                case .work(let work):
                    executor.note(.post, lane: lane)
                    work()
                }
            }
        }
    }

    private func runEndings() {
        let works = endings
        endings.removeAll(keepingCapacity: true)
        for work in works { work() }
    }

    private func flushDirty() {
        let streams = dirty
        dirty.removeAll(keepingCapacity: true)
        for stream in streams { stream.flush() }
    }

    private func announceGone() {
        while !gone.isEmpty {
            let streams = gone
            gone.removeAll()
            for stream in streams { stream.announceClosed() }
        }
    }

    func needsFlush(_ stream: SimulatedStream) {
        dirty.append(stream)
        wake()
    }

    func hasClosed(_ stream: SimulatedStream) {
        gone.append(stream)
        wake()
    }

    /// Ends the loop's process as a crash does: nothing of it runs any more, its peers hear a reset.
    public func crash() { process.kill() }

    /// Its process died. What it still had to do is kept for ever and not done: a task that was suspended cannot end,
    /// and a continuation that was dropped would complain.
    func die() {
        network.crash(self)
        _ = unsafe Unmanaged.passRetained(self)
    }

    // MARK: EventLoop

    public func post(_ work: @escaping @Sendable () -> Void) {
        executor.checkThread()
        ready.append(.work(work))
        wake()
    }

    public func atTurnEnd(_ work: @escaping () -> Void) {
        endings.append(work)
        wake()
    }

    @discardableResult
    public func schedule(after delay: Duration, _ work: @escaping () -> Void) -> any LoopTimer {
        let timer = SimulatedTimer(work)
        timer.pending = executor.schedule(after: delay) { [self] in
            input { [self] in
                guard let work = timer.take() else { return }
                executor.note(.timer, lane: lane)
                work()
            }
        }
        return timer
    }

    public func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        try network.listen(on: address, loop: self, accept: accept)
    }

    public func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        network.connect(to: address, loop: self, handler: handler)
    }

    // MARK: Executor

    public func enqueue(_ job: consuming ExecutorJob) {
        executor.checkThread()
        ready.append(.job(UnownedJob(job)))
        wake()
    }

    public func checkIsolated() { precondition(isCurrent, "not this loop's turn") }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }
}

/// A timer that can still be cancelled between its moment and its loop's turn.
private final class SimulatedTimer: LoopTimer {
    private var work: (() -> Void)?
    var pending: (any LoopTimer)?

    init(_ work: @escaping () -> Void) { self.work = work }

    func take() -> (() -> Void)? {
        pending = nil
        return work.take()
    }

    func cancel() {
        pending?.cancel()
        pending = nil
        work = nil
    }
}
