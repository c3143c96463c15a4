/// What becomes of a write towards the replicas of its key.
public enum WriteEvent: Hashable, Sendable {
    /// The replica at a position holds the write, this durably.
    case acknowledged(Int, ReplicaDurability)
    /// It did not apply the write.
    case refused(Int, ReplicaRefusal)
    /// The link broke after the write was sent: it may or may not have been applied.
    case lost(Int)
    /// There was no link: the write was handed to nobody.
    case notSent(Int)
    /// Owners have had their time: what is still silent gets a stand-in. May come more than once, or never.
    case hintDelay
    /// The request's time is up.
    case deadline
}

/// Who acknowledged a write that was applied.
public struct WriteReceipt: Hashable, Sendable {
    /// The owners whose acknowledgement counted.
    public var owners: PositionSet
    /// The fallbacks whose hint counted, each for an owner that is not in ``owners``.
    public var hints: PositionSet
    /// The weakest durability among those counted.
    public var weakest: ReplicaDurability

    /// Acknowledgements counted.
    @inlinable public var count: Int { owners.count + hints.count }

    @inlinable
    public init(owners: PositionSet, hints: PositionSet, weakest: ReplicaDurability) {
        self.owners = owners
        self.hints = hints
        self.weakest = weakest
    }
}

/// Why a write is certain not to have been applied anywhere.
public enum WriteRefusalReason: Hashable, Sendable {
    /// It was handed to no replica: too few could be reached.
    case noQuorum(reachable: Int, needed: Int)
    /// It was handed to no replica: too few could meet the durability asked for.
    case durabilityUnmet
    /// Every replica it was handed to refused it; the most telling reason.
    case refused(ReplicaRefusal)
}

/// How a write ended for the client.
public enum WriteAnswer: Hashable, Sendable {
    case applied(WriteReceipt)
    /// On no replica, now or ever.
    case notApplied(WriteRefusalReason)
    /// On some replicas, perhaps; it may spread to all.
    case unknown(acknowledged: Int, needed: Int)
}

/// What the coordinator has to do after an event. All sets are of positions; four words, returned in registers.
public struct WriteStep: Hashable, Sendable {
    /// Whom to hand the write to: owners, and fallbacks as a hint for the owner ``WriteOperation/owner(ofHintAt:)``.
    public var send = PositionSet()
    /// Owners for which the coordinator keeps a hint itself, which counts for nothing: the walk is exhausted.
    public var keepHints = PositionSet()
    /// In the last step: owners without the write and without a hint held for them. They need a hint or a catch-up.
    public var owed = PositionSet()
    /// The client is to be given ``WriteOperation/answer``: true in exactly one step of an operation.
    public var isAnswered = false
    /// Nothing is to be expected any more: drop the operation. True in exactly one step, the last.
    public var isFinished = false

    @inlinable public init() {}
}
