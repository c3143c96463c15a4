internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// What a worker counts of its part in the cluster, for other threads to read.
final class ClusterCounters: Sendable {
    let openLinks = Atomic<Int>(0)
    let writes = Atomic<UInt64>(0)
    let writesNotApplied = Atomic<UInt64>(0)
    let writesUnknown = Atomic<UInt64>(0)
    let reads = Atomic<UInt64>(0)
    let readsRefused = Atomic<UInt64>(0)
    let writeBacks = Atomic<UInt64>(0)
    let repairs = Atomic<UInt64>(0)
    let forwarded = Atomic<UInt64>(0)
    let taken = Atomic<UInt64>(0)
    let malformed = Atomic<UInt64>(0)
    let expired = Atomic<UInt64>(0)
    let catchUp = Lock(CatchUpStatus())
    let antiEntropy = Lock(AntiEntropyStatus())
    let hints = Lock(HintStatus())
    let tombstones = Lock(TombstoneStatus())

    func count(_ answer: WriteAnswer) {
        switch answer {
        case .applied: writes.add(1, ordering: .relaxed)
        case .notApplied: writesNotApplied.add(1, ordering: .relaxed)
        case .unknown: writesUnknown.add(1, ordering: .relaxed)
        }
    }

    func countRead() { reads.add(1, ordering: .relaxed) }

    /// An owner that is brought up to date by a read, after its answer or before.
    func countUpdate(isRepair: Bool) {
        if isRepair { repairs.add(1, ordering: .relaxed) } else { writeBacks.add(1, ordering: .relaxed) }
    }

    func count(_ answer: ReadAnswer) {
        switch answer {
        case .value: countRead()
        case .noQuorum: readsRefused.add(1, ordering: .relaxed)
        }
    }
}

/// What a node counts of its part in the cluster, over all workers.
public struct ClusterStatistics: Sendable {
    /// Links that are open: with one worker, peers that can be reached.
    public var openLinks = 0
    /// Writes that this node coordinated: acknowledged by as many owners as they needed, by none, or by too few.
    public var writes: UInt64 = 0
    public var writesNotApplied: UInt64 = 0
    public var writesUnknown: UInt64 = 0
    /// Reads that other owners had a part in, and those that too few owners answered. What level `one` reads here has
    /// no part in them.
    public var reads: UInt64 = 0
    public var readsRefused: UInt64 = 0
    /// Owners that were brought up to date before a read was answered, and after.
    public var writeBacks: UInt64 = 0
    public var repairs: UInt64 = 0
    /// Commands handed to another node, and taken from others.
    public var forwarded: UInt64 = 0
    public var taken: UInt64 = 0
    /// Messages that could not be understood.
    public var malformed: UInt64 = 0
    /// Requests of other nodes that were dropped, since their time was up before they were begun.
    public var expired: UInt64 = 0
    public var catchUp = CatchUpStatus()
    public var antiEntropy = AntiEntropyStatus()
    public var hints = HintStatus()
    public var tombstones = TombstoneStatus()

    mutating func add(_ counters: ClusterCounters) {
        openLinks += counters.openLinks.load(ordering: .relaxed)
        writes += counters.writes.load(ordering: .relaxed)
        writesNotApplied += counters.writesNotApplied.load(ordering: .relaxed)
        writesUnknown += counters.writesUnknown.load(ordering: .relaxed)
        reads += counters.reads.load(ordering: .relaxed)
        readsRefused += counters.readsRefused.load(ordering: .relaxed)
        writeBacks += counters.writeBacks.load(ordering: .relaxed)
        repairs += counters.repairs.load(ordering: .relaxed)
        forwarded += counters.forwarded.load(ordering: .relaxed)
        taken += counters.taken.load(ordering: .relaxed)
        malformed += counters.malformed.load(ordering: .relaxed)
        expired += counters.expired.load(ordering: .relaxed)
        catchUp.add(counters.catchUp.withLock { $0 })
        antiEntropy.add(counters.antiEntropy.withLock { $0 })
        hints.add(counters.hints.withLock { $0 })
        tombstones.add(counters.tombstones.withLock { $0 })
    }
}

extension CatchUpStatus {
    mutating func add(_ other: CatchUpStatus) {
        units += other.units
        inNeed += other.inNeed
        founded += other.founded
        lost += other.lost
        pages += other.pages
        received += other.received
        sent += other.sent
        failures += other.failures
    }
}
