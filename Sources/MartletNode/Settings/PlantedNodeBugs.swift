/// Bugs that a simulation has its nodes have, to see that its checkers catch them.
public struct PlantedNodeBugs: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Reads are answered whether or not as many owners as they need hold what they answer, and bring none up to date.
    public static let skipsWriteBack = PlantedNodeBugs(rawValue: 1)
    /// Writes are acknowledged by one owner less than they need.
    public static let acknowledgesOneEarly = PlantedNodeBugs(rawValue: 2)
    /// A node is the same to its peers whatever it lost: with its data the count of births begins anew.
    public static let keepsIncarnation = PlantedNodeBugs(rawValue: 4)
    /// Dots are counted from the process's start on.
    public static let resetsCounters = PlantedNodeBugs(rawValue: 8)
    /// Replicas merge as if the latest sibling were all.
    public static let dropsSibling = PlantedNodeBugs(rawValue: 16)
    /// Frames of other epochs are taken.
    public static let acceptsForeignEpoch = PlantedNodeBugs(rawValue: 32)
    /// Owners that are said not to answer count for none that a quorum needs.
    public static let removesSuspects = PlantedNodeBugs(rawValue: 1 << 18)
    /// A replica says of an expired value that there is none, with what it superseded.
    public static let forgetsExpired = PlantedNodeBugs(rawValue: 64)
    /// A write that is sent again with its token is done again.
    public static let ignoresTokens = PlantedNodeBugs(rawValue: 128)
    /// Trees leave out a fourth of all records.
    public static let skipsBucket = PlantedNodeBugs(rawValue: 1 << 16)
    /// What a read brings an owner up to date with is sent to the next node of the walk too, which does not own it.
    public static let repairsFallbacks = PlantedNodeBugs(rawValue: 1 << 17)
    /// Tombstones are erased when they are old enough, whoever may lack them.
    public static let collectsByTime = PlantedNodeBugs(rawValue: 1 << 19)
    /// Tombstones are collected whatever may be kept as a hint.
    public static let collectsDespiteHints = PlantedNodeBugs(rawValue: 1 << 20)
}
