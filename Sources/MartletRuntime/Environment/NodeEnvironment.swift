/// Everything a node takes from outside: the seams between its actors and the real or the simulated world.
public struct NodeEnvironment: Sendable {
    /// One per worker.
    public var loops: [any EventLoop]
    public var clock: any NodeClock
    public var random: any RandomSource
    public var log: Log
    /// Bytes that the process has allocated; 0 where that is not known.
    public var usedMemory: @Sendable () -> Int
    /// Makes a thread for blocking work; the name shows in debuggers.
    public var makeBlockingExecutor: @Sendable (_ name: String) -> any BlockingExecutor

    public init(
        loops: [any EventLoop], clock: any NodeClock, random: any RandomSource, log: Log,
        usedMemory: @escaping @Sendable () -> Int = { 0 },
        makeBlockingExecutor: @escaping @Sendable (String) -> any BlockingExecutor
    ) {
        precondition(!loops.isEmpty)
        self.loops = loops
        self.clock = clock
        self.random = random
        self.log = log
        self.usedMemory = usedMemory
        self.makeBlockingExecutor = makeBlockingExecutor
    }

    /// Starts a task that runs on a worker's loop: the only way a node starts one.
    @discardableResult
    public func spawn(
        _ name: String, on worker: Int = 0, _ body: @escaping @Sendable () async -> Void
    ) -> Task<Void, Never> {
        Task(name: name, executorPreference: loops[worker], operation: body)
    }
}
