internal import MartletRuntime

/// What a simulation of clusters asks for that no client asks anything of: what nodes say to each other of their own
/// accord, and who is held for dead when.
public struct IdleSettings: Sendable {
    /// How many nodes a cluster has: each of these sizes in turn.
    public var sizes: [Int]
    /// How long they are left alone.
    public var span = Duration.seconds(60)
    /// The share of the messages between them that is lost, in percent, from the beginning of the span on.
    public var loss = 0
    /// How long one of five nodes may be silent, at its death, until all others hold it for dead; in larger clusters as
    /// much longer as their logarithm is.
    public var detection = Duration.seconds(5)

    public init(sizes: [Int]) { self.sizes = sizes }

    /// How long it may take among so many nodes until all hold a silent one for dead.
    public func bound(nodes: Int) -> Duration {
        func logarithm(_ number: Int) -> Double {
            // Of the next power of two below, and of the rest in proportion.
            let whole = Int.bitWidth - 1 - number.leadingZeroBitCount
            return Double(whole) + Double(number) / Double(1 << whole) - 1
        }
        return detection * max(1, logarithm(max(2, nodes)) / logarithm(5))
    }
}

/// What became of a cluster that was left alone.
public struct IdleResult: Sendable, Equatable {
    public var nodes = 0
    /// Until every node was caught up and linked to all others.
    public var formed = Duration.zero
    /// How long it was left alone.
    public var span = Duration.zero
    /// Messages that a node sent in a second of the span: the mean, and the most of any node.
    public var messagesPerSecond = 0.0
    public var mostPerSecond = 0.0
    /// Nodes that were alive and were held for dead.
    public var falseDeaths = 0
    /// From a node's silence until the first and until all of the others held it for dead; nil if not all did.
    public var firstKnew: Duration?
    public var allKnew: Duration?
    /// From its first word again until none held it for dead; nil if some still did.
    public var allForgave: Duration?
    /// What broke a promise.
    public var violations: [String] = []
    /// Of the whole world, in order: equal for equal seeds.
    public var traceHash: UInt64 = 0
    public var events: UInt64 = 0

    public init() {}
}
