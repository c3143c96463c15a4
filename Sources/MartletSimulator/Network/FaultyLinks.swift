/// What goes wrong between the nodes of a simulation, as a value that a fault plan changes while it runs.
///
/// The fault model of ``MessageNetwork``:
///
/// - **Delay.** Each turn's messages to one peer travel together, for a time drawn from ``latency``.
/// - **Clogging.** Until a clogged direction is free, nothing arrives; then all of it does, in order.
/// - **Partition**, one way or both. What is sent into a blocked direction is held, as TCP would, and arrives once it
///   is free. If it stays blocked for longer than ``idleTimeout``, the link breaks at both ends and what is held is
///   lost; no link opens while either direction is blocked.
/// - **Reset.** A link breaks: what is on its way is lost, both ends hear of it, each at its own time, and it is opened
///   anew after a while as a new session. A crash does the same, without a word to the node that crashed.
/// - **Loss, duplication, reordering** of single messages within a link. ``Transport`` promises that this does not
///   happen, and TCP keeps the promise; these rates are for protocols that should stand it all the same.
///
/// No message is altered: over TCP the frame's checksum turns damage into a reset.
public struct FaultyLinks: Sendable, Equatable {
    /// The way from one node to another.
    public struct Direction: Hashable, Sendable, Comparable {
        public var from: UInt32
        public var to: UInt32
        public init(from: UInt32, to: UInt32) {
            self.from = from
            self.to = to
        }
        public static func < (a: Self, b: Self) -> Bool { (a.from, a.to) < (b.from, b.to) }
    }

    /// How long messages travel, in nanoseconds.
    public var latency: ClosedRange<Int> = 50_000...1_000_000
    /// The probability that a turn's messages break their link.
    public var resets = 0.0
    /// The probabilities of each message's fate; their sum is at most 1.
    public var loss = 0.0
    public var duplication = 0.0
    public var reordering = 0.0
    /// How long a blocked link lasts.
    public var idleTimeout: Duration = .seconds(5)
    /// Unsent bytes from which on nothing more is taken for a peer.
    public var unsentLimit = 16 << 20

    /// Ways on which nothing arrives.
    public private(set) var blocked: Set<Direction> = []
    /// Ways that are slower, by how much.
    public private(set) var clogged: [Direction: Duration] = [:]

    public init() {}

    public mutating func block(from: UInt32, to: UInt32) { blocked.insert(Direction(from: from, to: to)) }
    public mutating func unblock(from: UInt32, to: UInt32) { blocked.remove(Direction(from: from, to: to)) }

    /// Blocks all ways between two groups, both ways or only from the first to the second.
    public mutating func partition(_ some: [UInt32], from others: [UInt32], oneWay: Bool = false) {
        for a in some {
            for b in others where a != b {
                block(from: a, to: b)
                if !oneWay { block(from: b, to: a) }
            }
        }
    }

    /// Adds to the latency of one way; zero takes it off again.
    public mutating func clog(from: UInt32, to: UInt32, by delay: Duration) {
        clogged[Direction(from: from, to: to)] = delay > .zero ? delay : nil
    }

    /// Takes off all partitions and clogs and sets all rates to zero.
    public mutating func heal() {
        (blocked, clogged) = ([], [:])
        (resets, loss, duplication, reordering) = (0, 0, 0, 0)
    }

    func isBlocked(from: UInt32, to: UInt32) -> Bool {
        !blocked.isEmpty && blocked.contains(Direction(from: from, to: to))
    }
}

/// How often each fault struck, by kind; what a simulation's table shows.
public struct LinkFaultCounters: Sendable, Equatable {
    public var sent: UInt64 = 0
    public var delivered: UInt64 = 0
    public var lost: UInt64 = 0
    public var duplicated: UInt64 = 0
    public var reordered: UInt64 = 0
    /// Messages that travelled slower for a clog.
    public var clogged: UInt64 = 0
    /// Messages that had to wait for a partition's end.
    public var held: UInt64 = 0
    /// Links that broke by chance.
    public var resets: UInt64 = 0
    /// Links that broke because a partition lasted.
    public var timeouts: UInt64 = 0
    /// Links that broke because a node crashed or closed them.
    public var ended: UInt64 = 0
    /// Messages lost with their link.
    public var dropped: UInt64 = 0
    /// Messages not taken: no link, or too much unsent.
    public var declined: UInt64 = 0
    /// Links opened.
    public var opened: UInt64 = 0

    public init() {}
}
