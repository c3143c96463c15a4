public import MartletCore

/// How a worker's collection of tombstones goes, since the start.
public struct TombstoneStatus: Sendable {
    /// Records of deleted and expired values that were erased here.
    public var erased: UInt64 = 0
    /// Rounds that this node led to their end, and those that came to nothing.
    public var rounds: UInt64 = 0
    public var failures: UInt64 = 0
    /// Records that are old enough and await their proof, of the partitions that this node looks after; as of the last
    /// look.
    public var awaiting = 0
    /// Why the last round that came to nothing did: the node that was waited for, and for what.
    public var blocked: (by: UInt32, phase: TombstoneCollectionPhase)?

    public init() {}

    mutating func add(_ other: TombstoneStatus) {
        erased += other.erased
        rounds += other.rounds
        failures += other.failures
        awaiting += other.awaiting
        blocked = blocked ?? other.blocked
    }
}

extension TombstoneCollectionPhase {
    /// What is waited for, as people are told.
    public var shown: String {
        switch self {
        case .agreement: "to hold the tombstones too"
        case .work: "to end what it has under way"
        case .hints: "to hand over its hints"
        case .clearance: "to have heard from all members"
        case .erasure: "to erase them"
        }
    }
}
