/// The limits of hinted handoff. Times in nanoseconds unless they say otherwise.
public struct HintedHandoffSettings: Hashable, Sendable {
    /// Bytes of hints for one node, keys included, and for all.
    public var bytesPerTarget = 1 << 30
    public var bytes = 4 << 30
    /// Milliseconds for which a hint is kept.
    public var age: UInt64 = 3 * 3_600_000
    /// Hints and bytes read at once, and of these in one message; a message holds one hint at least.
    public var pageEntries = 1024
    public var pageBytes = 1 << 20
    public var chunkEntries = 16
    public var chunkBytes = 16 << 10
    /// Messages to one node that are not answered yet.
    public var window = 2
    /// How long an answer may take.
    public var patience: UInt64 = 5_000_000_000
    /// From a failure to the next try.
    public var retry: UInt64 = 500_000_000
    /// Bytes per second that are replayed at the least, and at the most where clients' requests do not suffer by it.
    public var rates: ClosedRange<UInt64> = 256 << 10...64 << 20
    /// Bytes per second at which a replay begins: a node that comes back, to which all others send at once, has slowed
    /// its clients down before anybody has observed it.
    public var firstRate: UInt64 = 2 << 20
    /// From the first hint for a node that can be reached until it is replayed: more may come.
    public var delay: UInt64 = 100_000_000

    public init() {}
}

/// What became of hints, since the node started.
public struct HintedHandoffCounters: Hashable, Sendable {
    /// Taken, those that merged into a former one included.
    public var kept: UInt64 = 0
    /// Acknowledged by their target.
    public var replayed: UInt64 = 0
    public var replayedBytes: UInt64 = 0
    /// Not taken for lack of room.
    public var dropped: UInt64 = 0
    /// Erased unsent: too old; their target is a member no more, or owns the key no more; damaged.
    public var expired: UInt64 = 0
    public var void: UInt64 = 0
    public var damaged: UInt64 = 0

    public init() {}
}
