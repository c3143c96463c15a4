/// How fast replicas compare what they hold. All times in nanoseconds.
public struct AntiEntropySettings: Hashable, Sendable {
    /// Between two passes over all that two nodes share, give or take a quarter.
    public var period: UInt64 = 10_000_000_000
    /// From a failed step to the next try.
    public var retry: UInt64 = 500_000_000
    /// How long a step may take.
    public var patience: UInt64 = 5_000_000_000
    /// From a mark (a hint was dropped, a write not acknowledged) until the unit is compared.
    public var markDelay: UInt64 = 500_000_000
    /// Roots in one message.
    public var roots = 1024
    /// From the begin of one reading of all records, against bit rot, to the next: an hour.
    public var scanPeriod: UInt64 = 3_600_000_000_000
    /// Nodes in one message, at most ``MerkleNodes/most``; each is some 130 bytes.
    public var nodes = 64

    public init() {}
}

/// What happens to anti-entropy.
public enum AntiEntropyEvent: Sendable {
    case linkOpened(UInt32)
    case linkClosed(UInt32)
    /// The answer to roots that were sent.
    case rootsAnswered(UInt32, id: UInt64, MerkleRootsReply)
    /// The answer to nodes that were sent.
    case nodesAnswered(UInt32, id: UInt64, MerkleNodesReply)
    /// A range has been exchanged, durably, up to a place (excluded) or to its end; bytes moved, both ways.
    case exchanged(UInt32, id: UInt64, upTo: UInt64?, bytes: Int)
    /// A step came to nothing.
    case failed(UInt32, id: UInt64)
    /// A unit is known to differ, or likely to: with one owner, or nobody knows with which.
    case marked(unit: Int, with: UInt32?)
    /// A person wants units compared now, with all their owners, this node's turn or not.
    case repair([Int])
    /// It is ``AntiEntropyMachine/wake`` or later, or the budget's rate changed.
    case time
}

/// What is to be done. The answer to each, or its failure, names the same id.
public enum AntiEntropyAction: Sendable {
    /// Send roots: the message, of these units.
    case sendRoots(id: UInt64, node: UInt32, units: [Int])
    /// Send nodes of a unit's tree, as ``MerkleNodes/init(keyspace:generation:tree:level:indices:)`` makes them.
    case sendNodes(id: UInt64, node: UInt32, unit: Int, level: Int, indices: [Int])
    /// Exchange what both hold in a range, page by page; or one page only, and say up to where.
    case exchange(id: UInt64, node: UInt32, MerkleRange)
    /// Both hold the same in a unit, as of now.
    case equal(node: UInt32, unit: Int)
    /// All that was due with a node has been compared, and exchanged where it differed.
    case passed(node: UInt32, AntiEntropyPass)
}

/// What one pass over what two nodes share found.
public struct AntiEntropyPass: Hashable, Sendable {
    public var units = 0
    public var equal = 0
    public var differing = 0
    /// Not compared: one of the trees was being made, or the other did not own it.
    public var skipped = 0
    /// Ranges exchanged, and bytes moved for that.
    public var ranges = 0
    public var bytes = 0

    public init() {}
}
