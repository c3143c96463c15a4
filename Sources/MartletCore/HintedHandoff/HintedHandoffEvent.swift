/// One hint of a page that was read for replay.
public struct HintEntry: Hashable, Sendable {
    /// Its key in the store.
    public var key: [UInt8]
    /// The partition of its keyspace that the record lies in, by a number that the shell gives to the two together: it
    /// need not own it.
    public var partition: Int
    public var created: UInt64
    public var sequence: UInt64
    /// Of key and value in the store.
    public var bytes: Int
    /// Whether its value could not be read.
    public var isDamaged: Bool
    /// Whether nobody wants it any more: its keyspace was emptied since.
    public var isVoid: Bool

    public init(
        key: [UInt8], partition: Int, created: UInt64, sequence: UInt64, bytes: Int, isDamaged: Bool = false,
        isVoid: Bool = false
    ) {
        self.key = key
        self.partition = partition
        self.created = created
        self.sequence = sequence
        self.bytes = bytes
        self.isDamaged = isDamaged
        self.isVoid = isVoid
    }
}

/// What happens to hinted handoff.
public enum HintedHandoffEvent: Sendable {
    /// A node can be reached: there is a link, and the failure detector holds it for alive.
    case reachable(UInt32)
    /// It cannot. What was under way is unknown, and is replayed again.
    case unreachable(UInt32)
    /// A page that was asked for: hints in the order of their keys, from the one asked for on; the last of the target's
    /// or not.
    case page(UInt32, id: UInt64, [HintEntry], isLast: Bool)
    /// Reading came to nothing.
    case unread(UInt32, id: UInt64)
    /// The answer to a message: by hint, whether it is merged durably there (nil), or why not.
    case answered(UInt32, id: UInt64, [ReplicaRefusal?])
    /// A message was not sent.
    case unsent(UInt32, id: UInt64)
    /// A hint is erased, or, as a later write merged into it, stays.
    case erased(UInt32, HintEntry, isGone: Bool)
    /// All hints for a node are erased.
    case erasedAll(UInt32)
    /// Hints for a node that a walk over them all found, whether it can be reached or not: what is not worth keeping is
    /// erased.
    case swept(UInt32, [HintEntry])
    /// An epoch began, with these members.
    case members([UInt32])
    /// It is ``HintedHandoffMachine/wake`` or later, or the budget's rate changed.
    case time
}

/// What is to be done.
public enum HintedHandoffAction: Hashable, Sendable {
    /// Read hints for a node from a key on, excluded, at most so many and so many bytes, one at least.
    case read(id: UInt64, node: UInt32, after: [UInt8], entries: Int, bytes: Int)
    /// Send hints of the page read last, by their places in it, as a ``ReplicaWrite`` that repairs.
    case send(id: UInt64, node: UInt32, Range<Int>)
    /// Erase hints whose sequence is still the same, in one batch, and say what became of each.
    case erase(UInt32, [HintEntry])
    /// Erase all hints for a node.
    case eraseAll(UInt32)
    /// A partition has to be compared with a node, or with all owners: a hint for it was given up.
    case mark(partition: Int, with: UInt32?)
    /// There is no hint for a node any more.
    case drained(UInt32)
}
