/// What happens to the collection of tombstones.
public enum TombstoneCollectionEvent: Sendable {
    case linkOpened(UInt32)
    case linkClosed(UInt32)
    /// An epoch began, with these members; all rounds of the one before come to nothing.
    case epoch(UInt64, members: [UInt32])
    /// This node leads, and these are tombstones of one of its partitions, not yet proved, at most
    /// ``TombstoneCollectionSettings/entries``; owners and keys ascend. None so young that a retry of a write it covers
    /// may still come (a minute, see the design's retry tokens).
    case begin(CollectionPlace, owners: [UInt32], [CollectionEntry])
    /// A message of another's, or of this node's own.
    case received(UInt32, CollectionMessage)
    /// The answer to ``TombstoneCollectionAction/check(_:_:_:)``: which entries are not held, or not so, or not
    /// durably.
    case checked(CollectionRound, except: [Int])
    /// The answer to ``TombstoneCollectionAction/fence(_:_:_:)``.
    case fenced(CollectionRound, CollectionStage)
    /// The answer to ``TombstoneCollectionAction/erase(_:_:)``.
    case erased(CollectionRound)
    /// It is ``TombstoneCollectionMachine/wake`` or later.
    case time
}

/// What is to be done.
public enum TombstoneCollectionAction: Hashable, Sendable {
    /// Send a message; to this node itself: hand it back at once.
    case send(UInt32, CollectionMessage)
    /// See which of the entries this replica holds just so, durably, and is caught up on.
    case check(CollectionRound, CollectionPlace, [CollectionEntry])
    /// Say when a stage is passed: of ``CollectionStage/hints``, once no hint for the place is held; of the others,
    /// once all that is under way now and may carry a record of the place has ended, on every worker.
    case fence(CollectionRound, CollectionPlace, CollectionStage)
    /// Tell an owner on each link with it, each link's number as its lane, by
    /// ``CollectionMessage/Body/clear(lane:of:)``.
    case clear(CollectionRound, UInt32)
    /// Erase records whose digest is still that, in one batch.
    case erase(CollectionRound, [CollectionEntry])
    /// A round that this node led has ended.
    case finished(CollectionPlace, TombstoneCollectionOutcome)
}

/// How a round ended.
public enum TombstoneCollectionOutcome: Hashable, Sendable {
    /// So many tombstones were erased everywhere, of so many proposed. The others had changed, or were not everywhere
    /// yet.
    case collected(Int, of: Int)
    /// It waits for a node that is down, or did not answer in time.
    case blocked(by: UInt32, TombstoneCollectionPhase)
    /// Another epoch began, or an owner gave it up.
    case abandoned
}

/// What a round waits for.
public enum TombstoneCollectionPhase: UInt8, Hashable, Sendable, CaseIterable {
    /// That owners say what they hold.
    case agreement
    /// That what members had under way has ended.
    case work
    /// That no member holds a hint.
    case hints
    /// That owners have heard from all members behind what those had sent.
    case clearance
    /// That owners erase what is proved.
    case erasure
}

/// The limits of the collection of tombstones.
public struct TombstoneCollectionSettings: Hashable, Sendable {
    /// Tombstones in one round.
    public var entries = 512
    /// How long a round may take in each phase, in nanoseconds; owners give it up after as much without a word.
    public var patience: UInt64 = 30_000_000_000
    /// Rounds of one leader that an owner takes part in at once.
    public var rounds = 16
    /// How long ago a value has to have been deleted, or to have expired, in milliseconds: until no repetition of a
    /// write with a retry token can come any more, which the tombstone would have answered.
    public var age: Int64 = RetryMemory.milliseconds + HybridLogicalClock.defaultBound
    /// How long after one look for tombstones in a partition the next is, at least, in nanoseconds.
    public var period: UInt64 = 30_000_000_000
    /// For tests of the checkers: tombstones are erased without waiting for what is under way; or but for hints.
    public var plantedSkipsFence = false
    public var plantedSkipsHints = false

    public init() {}
}
