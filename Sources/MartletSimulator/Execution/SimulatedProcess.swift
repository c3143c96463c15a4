/// A process of a simulation: the threads that run, stand still and die together.
public final class SimulatedProcess: @unchecked Sendable {  // confined to the simulation's thread
    /// What its threads do.
    public enum State: Sendable {
        case running
        /// As under SIGSTOP: nothing runs, what comes waits. Timers that fall due meanwhile run late.
        case paused
        case dead
    }
    public private(set) var state = State.running
    /// How late a turn of one of its threads comes at most, as on a machine that is overloaded.
    public var lateness = Duration.zero
    /// What its blocking work waits for; nil for a process without one.
    let disk: SimulatedDisk?
    private var loops: [SimulatedEventLoop] = []
    private var executors: [SimulatedBlockingExecutor] = []

    init(disk: SimulatedDisk? = nil) { self.disk = disk }

    func add(_ loop: SimulatedEventLoop) { loops.append(loop) }
    func add(_ executor: SimulatedBlockingExecutor) { executors.append(executor) }

    /// Has it stand still until ``resume()``. Without effect on a dead process.
    public func pause() { if state == .running { state = .paused } }

    /// Has it go on.
    public func resume() {
        guard state == .paused else { return }
        state = .running
        for loop in loops { loop.goOn() }
        for executor in executors { executor.goOn() }
    }

    /// Ends it as SIGKILL does: nothing of it runs any more, its peers hear resets, its tasks never end.
    public func kill() {
        guard state != .dead else { return }
        state = .dead
        for loop in loops { loop.die() }
        for executor in executors { executor.die() }
    }
}
