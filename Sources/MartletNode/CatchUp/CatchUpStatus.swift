internal import MartletCore
internal import MartletRuntime

/// How far a worker's replicas are with catching up, and what that cost.
public struct CatchUpStatus: Sendable, Equatable {
    /// Units (partitions of a keyspace) that this worker owns.
    public var units = 0
    /// Of these, units that do not count yet.
    public var inNeed = 0
    /// Units founded because every owner had lost them.
    public var founded: UInt64 = 0
    /// Units, and damaged records, that came up from fewer sound owners than a write could rely on, in a cluster that
    /// had served: what was acknowledged may be lost.
    public var lost: UInt64 = 0
    /// Pages exchanged at this node's asking.
    public var pages: UInt64 = 0
    /// Records that other owners had and this one lacked, or had otherwise.
    public var received: UInt64 = 0
    /// Records that other owners lacked, or had otherwise.
    public var sent: UInt64 = 0
    /// Exchanges that came to nothing.
    public var failures: UInt64 = 0

    public init() {}
}

/// What a worker's catch-up is started with.
struct CatchUpOpening: Sendable {
    var settings: CatchUpSettings
    var hints = HintedHandoffSettings()
    var seed: UInt64
    var log: Log
    var noteLoss: (@Sendable (DataLoss) -> Void)?
    var counters = ClusterCounters()
}

/// Slots of which fewer owners held on to their data than a write could rely on: what was acknowledged there before
/// this node's start may be lost.
public struct DataLoss: Sendable, Equatable {
    /// The keyspace's index among the node's.
    public var keyspace: Int
    /// Ascending.
    public var slots: [Range<Int>]
    /// Every owner had lost them: they begin anew with nothing, as a rule.
    public var isFounding: Bool
    /// It was a damaged record, which may have been of after the node's start.
    public var isDamage = false
}

extension ReplicaCoordinator {
    /// How far this worker's replicas are; nil for a node that is alone.
    public var catchUpStatus: CatchUpStatus? { replication?.catchUp?.status }
}
