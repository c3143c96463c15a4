/// Where a node's random numbers come from: the system, or a simulation's seed.
public protocol RandomSource: AnyObject, Sendable {
    func next() -> UInt64
}

/// A generator over a source, for the standard library's `random(using:)` and `shuffled(using:)`.
public struct RandomGenerator: RandomNumberGenerator {
    private let source: any RandomSource
    public init(_ source: any RandomSource) { self.source = source }
    public mutating func next() -> UInt64 { source.next() }
}

/// Runs blocking work off the loops: one thread, in order. A committer and a worker's storage reads own one each.
public protocol BlockingExecutor: AnyObject, Sendable {
    /// Runs `work` after all work submitted before it. Callable from any thread.
    func submit(_ work: @escaping @Sendable () -> Void)
    /// Ends the thread once all submitted work is done, and waits for it.
    func shutdown()
}
