internal import MartletCore
internal import MartletRuntime

/// How a worker's anti-entropy goes, since the start.
public struct AntiEntropyStatus: Sendable, Equatable {
    /// Passes over all that was due with one other node that ended.
    public var passes: UInt64 = 0
    /// Trees compared at this node's asking, and of these those that differed.
    public var compared: UInt64 = 0
    public var differing: UInt64 = 0
    /// Trees that could not be compared: one of the two was being made.
    public var skipped: UInt64 = 0
    /// Ranges of keys exchanged because their sums differed, and bytes moved both ways, comparing and exchanging.
    public var ranges: UInt64 = 0
    public var bytes: UInt64 = 0
    /// Records that other owners had and this one lacked, or had otherwise; and the other way round.
    public var received: UInt64 = 0
    public var sent: UInt64 = 0
    /// Exchanges that came to nothing.
    public var failures: UInt64 = 0
    /// Trees that are to be compared or exchanged with some node, now.
    public var pending = 0
    /// Trees of this worker, and of these those that are being made.
    public var trees = 0
    public var incomplete = 0
    /// When the last pass ended, in nanoseconds of the node's clock that only moves forward; nil if none has.
    public var lastPass: UInt64?
    /// Readings of all records, against bit rot, that ended, and trees read in the one under way.
    public var scans: UInt64 = 0
    public var scanned = 0
    /// When the last of these ended.
    public var lastScan: UInt64?
    /// Records read in the background, and of these damaged ones.
    public var recordsRead: UInt64 = 0
    public var damaged: UInt64 = 0
    /// Leaves that a reading found to be another than writes had made of them.
    public var corrected: UInt64 = 0

    public init() {}

    mutating func add(_ other: AntiEntropyStatus) {
        passes += other.passes
        compared += other.compared
        differing += other.differing
        skipped += other.skipped
        ranges += other.ranges
        bytes += other.bytes
        received += other.received
        sent += other.sent
        failures += other.failures
        pending += other.pending
        trees += other.trees
        incomplete += other.incomplete
        lastPass = Self.earlier(lastPass, other.lastPass)
        scans += other.scans
        scanned += other.scanned
        lastScan = Self.earlier(lastScan, other.lastScan)
        recordsRead += other.recordsRead
        damaged += other.damaged
        corrected += other.corrected
    }

    private static func earlier(_ a: UInt64?, _ b: UInt64?) -> UInt64? {
        guard let a, let b else { return a ?? b }
        return min(a, b)
    }
}

extension ReplicaCoordinator {
    /// How this worker's anti-entropy goes; nil for a node that is alone.
    public var antiEntropyStatus: AntiEntropyStatus? { replication?.antiEntropy?.status }

    /// Has this worker's trees of some slots compared with all their other owners now.
    ///
    /// - Returns: how many comparisons that is.
    func repair(keyspace: Int, slots: Range<Int>) -> Int {
        replication?.antiEntropy?.repair(keyspace: keyspace, slots: slots) ?? 0
    }

    /// Puts the trees into the data set; the last thing that is written before it is closed.
    func keepTrees() {
        guard let trees = store.trees, !store.isInline, store.failure == nil else { return }
        _ = try? store.applyOwn { trees.keep(in: &$0) }
    }
}

extension Node {
    /// Has a partition of a keyspace, or all that this node owns of it, compared with the other owners now, and what
    /// differs exchanged. How far that is, ``AntiEntropyStatus/pending`` tells.
    ///
    /// - Returns: how many comparisons were begun; nil if there is no such partition.
    public func repair(keyspace: Int, partition: Int?) async -> Int? {
        guard let membership = await coordinators[0].membership else { return 0 }
        let ring = membership.keyspaces[keyspace].ring
        if let partition, !(0..<ring.partitions).contains(partition) { return nil }
        let slots = partition.map { ring.slots(ofPartition: $0) } ?? 0..<Slot.count
        var begun = 0
        for coordinator in coordinators { begun += await coordinator.repair(keyspace: keyspace, slots: slots) }
        return begun
    }
}
