/// What happens to a failure detector.
public enum FailureDetectorEvent: Sendable {
    /// A link stands, with a member's data set.
    case linkOpened(UInt32, incarnation: UInt64)
    /// There is no link with a member any more.
    case linkClosed(UInt32)
    /// A message could not be sent to a member, whatever it was: its link takes no more.
    case unsent(UInt32)
    /// A message of another's detector.
    case received(UInt32, FailureMessage)
    /// An epoch began: the members, this node among them or not.
    case members([UInt32])
    /// It is ``FailureDetectorMachine/wake`` or later.
    case time
}

/// What is to be done.
public enum FailureDetectorAction: Hashable, Sendable {
    case send(UInt32, FailureMessage)
    /// Whether coordinators go round a member from now on: it is suspect or dead, there is no link with it, or it does
    /// not answer this node, others notwithstanding. Told on each change; at first all are gone round, for lack of a
    /// link.
    case avoid(UInt32, Bool)
    /// What this node holds of a member changed.
    case changed(UInt32, Liveness)
    /// This node heard itself called suspect or dead, and said otherwise.
    case refuted(Liveness, by: UInt32)
}

/// What a failure detector did so far.
public struct FailureDetectorCounters: Hashable, Sendable {
    /// Probes of its own.
    public var probes: UInt64 = 0
    /// Of these, those that got no answer on any way.
    public var failedProbes: UInt64 = 0
    /// Probes in others' stead.
    public var relayedProbes: UInt64 = 0
    /// Suspicions, its own and those heard of.
    public var suspicions: UInt64 = 0
    public var deaths: UInt64 = 0
    /// Members that were dead and came back.
    public var returns: UInt64 = 0
    public var refutations: UInt64 = 0
    /// How often this node found that it had stood still, for how long at most, and all in all, in nanoseconds.
    public var stalls: UInt64 = 0
    public var longestStall: UInt64 = 0
    public var stalled: UInt64 = 0
}
