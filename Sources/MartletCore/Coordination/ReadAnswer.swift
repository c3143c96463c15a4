/// What a replica holds of a key: nothing, or a record with a digest. Equal versions are equal records.
public enum ReplicaVersion: Hashable, Sendable {
    case notFound
    /// The digest of the canonical record; tombstones are records too.
    case found(UInt64)
}

/// What a replica says to a read.
public enum ReadReply: Hashable, Sendable {
    case version(ReplicaVersion)
    /// It lost data and has not caught up: its not knowing proves nothing.
    case unknownHere
    /// It had a record that is damaged: as ``unknownHere``, and it is to be repaired.
    case damaged
    case refused(ReplicaRefusal)
}

/// What becomes of a read towards the replicas of its key.
public enum ReadEvent: Hashable, Sendable {
    /// A replica's answer; `isFull` if it answers a read of the data, which then came along if a record was found.
    case reply(Int, ReadReply, isFull: Bool)
    /// The link broke after the request was sent.
    case lost(Int)
    /// There was no link.
    case notSent(Int)
    /// Replicas are slower than they use to be: ask the next owner. May come more than once, or never.
    case speculate
    /// Owners have had their time: in sloppy keyspaces fallbacks fill in for what is still silent. Later than
    /// ``speculate``, as a write's ``WriteEvent/hintDelay`` is. May come more than once, or never.
    case fallbackDelay
    /// The versions that a step asked to merge are merged, into a record with this digest.
    case merged(digest: UInt64)
    /// The replica at a position holds the merged version.
    case wroteBack(Int)
    /// It does not, or is not known to.
    case notWrittenBack(Int)
    /// The request's time is up.
    case deadline
}

/// Which record answers a read.
public enum ReadSource: Hashable, Sendable {
    /// There is none.
    case notFound
    /// The one that came from the replica at a position.
    case replica(Int)
    /// The one that was merged.
    case merged
}

/// Who answered a read.
public struct ReadReceipt: Hashable, Sendable {
    /// The owners whose answer counted.
    public var owners: PositionSet
    /// The fallbacks that filled in, because fewer than R owners answered.
    public var fallbacks: PositionSet
    /// Whether their versions differed.
    public var differed: Bool

    @inlinable
    public init(owners: PositionSet, fallbacks: PositionSet, differed: Bool) {
        self.owners = owners
        self.fallbacks = fallbacks
        self.differed = differed
    }
}

/// How a read ended for the client.
public enum ReadAnswer: Hashable, Sendable {
    case value(ReadSource, ReadReceipt)
    /// Too few answered, or too few took the merged version back.
    case noQuorum(answers: Int, needed: Int)
}

/// What the coordinator has to do after an event. All sets are of positions; four words, returned in registers.
public struct ReadStep: Hashable, Sendable {
    /// What is to be done with the records of ``positions``.
    public enum Action: UInt8, Sendable {
        case none
        /// Merge those that came from ``positions``, one for each version found; report ``ReadEvent/merged(digest:)``.
        case merge
        /// Write the record of ``ReadOperation/source`` to these owners, and report how that went: the answer waits.
        case writeBack
        /// Write that record to these owners; nothing waits for it.
        case repair
    }

    /// Ask these for their record.
    public var readData = PositionSet()
    /// Ask these for its digest.
    public var readDigest = PositionSet()
    public internal(set) var action = Action.none
    /// Those the action is about.
    public internal(set) var positions = PositionSet()
    /// The client is to be given ``ReadOperation/answer``: true in exactly one step of an operation.
    public var isAnswered = false
    /// Nothing is to be expected any more: drop the operation. True in exactly one step, the last.
    public var isFinished = false

    @inlinable public init() {}

    mutating func perform(_ action: Action, _ positions: PositionSet) {
        guard !positions.isEmpty else { return }
        assert(self.action == .none || self.action == action, "a step is about one kind of thing")
        self.action = action
        self.positions.formUnion(positions)
    }
}
