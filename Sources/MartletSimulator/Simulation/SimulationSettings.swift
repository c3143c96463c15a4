internal import MartletNode
public import MartletRuntime

/// What a simulation file asks for: what each seed draws its world from.
public struct SimulationSettings: Sendable {
    public var name: String
    /// How long faults happen, in virtual time.
    public var faultTime = Duration.seconds(60)
    /// How long the cluster has to be well again after them.
    public var livenessTime = Duration.seconds(60)
    public var workload = Workload.Settings()
    public var faults: FaultPlan.Settings
    /// How many nodes a cluster has, one of them for each seed; ``isReplicated`` says what kind of cluster it is.
    public var nodes = [1]
    /// Whether the nodes are ones of a cluster, be it of one node, with replicas of each key.
    public var isReplicated: Bool { nodes != [1] }
    /// The share of the seeds whose reads need not see the last write (R + W <= N), in percent.
    public var loose = 10
    /// The share of the seeds in which a few keys are used much while links break, in percent.
    public var hot = 8
    /// The share of the seeds whose keyspace is sloppy, in percent.
    public var sloppy = 40
    /// The share of the seeds whose nodes are in two data centers, in percent.
    public var centers = 0
    /// The share of the seeds whose keyspace keeps siblings.
    public var siblings = 0.3
    /// Worker loops of a node.
    public var workers = 1...4
    /// What writes are acknowledged at, one of them for each seed.
    public var durabilities: [Durability] = [.always, .always, .interval, .none]
    /// The share of the seeds whose nodes keep nothing on disk, in percent.
    public var volatile = 15
    /// Bytes per second at which a node hands over the hints that it holds, one of them for each seed.
    public var hintRates: [UInt64] = [64 << 20, 64 << 20, 8 << 10]
    /// How long ago a value has to have been deleted for its tombstone to be erased, in milliseconds, one of them for
    /// each seed: longer than clients repeat a write.
    public var collectionAges: [Int64] = [15_000, 30_000]
    /// Clusters that are left alone, in the place of clients and faults.
    public var idle: IdleSettings?
    /// A bug that is planted to prove the checkers; never in a file.
    public var plantedBug: PlantedBug?

    public init(name: String, faults: FaultPlan.Settings) {
        self.name = name
        self.faults = faults
    }

    /// The faults that one node alone can meet, each at most so often a simulated minute.
    public static let oneNodeFaults = FaultPlan.Settings(rates: [
        (.crash, 8), (.crashAtSync, 8), (.pause, 8), (.slowDisk, 6), (.stalledDisk, 6), (.fullDisk, 8), (.syncError, 6),
        (.writeError, 6), (.readError, 10), (.bitFlip, 10), (.tornRecord, 6), (.misdirectedWrite, 6),
        (.misdirectedRead, 6), (.clockJump, 6), (.clockDrift, 4), (.stuckClock, 4), (.connectionReset, 20),
        (.slowNetwork, 4), (.slowNode, 4),
    ])

    /// The faults that a cluster can meet, each at most so often a simulated minute, whatever its size.
    public static let clusterFaults = FaultPlan.Settings(
        rates: oneNodeFaults.rates + [
            (.crashAll, 2), (.wipe, 4), (.foreignEpoch, 3), (.partition, 6), (.bridge, 4), (.isolation, 6),
            (.oneWay, 6),
            (.flapping, 4),
            (.linkBreaks, 6), (.slowLinks, 4), (.clog, 6), (.swizzle, 4), (.phantomWrite, 4),
        ])

    /// Of every kind that a cluster can meet; ``outage`` is asked for alone, by a file of its own.
    public static let allKinds = clusterFaults.rates.map(\.kind) + [.outage]

    /// Clusters of several nodes, with all that can befall them.
    public static let replicated = {
        var settings = SimulationSettings(name: "replicated", faults: clusterFaults)
        settings.nodes = [1, 2, 3, 3, 3, 4, 5, 5, 6, 7]
        settings.workers = 1...3
        settings.centers = 20
        settings.workload.mix = [30, 25, 6, 10, 7, 8, 6, 8, 10, 10, 8]
        return settings
    }()

    /// One node alone, with all that can befall it.
    public static let oneNode = SimulationSettings(name: "one-node", faults: oneNodeFaults)
}

/// Bugs that a simulation can be made to have, to see that its checkers catch them.
public enum PlantedBug: String, Sendable, CaseIterable {
    /// The disk says that it has synced, and has not: as if writes were acknowledged before.
    case acknowledgedBeforeSync
    /// A record with a flipped bit is answered as if there were none.
    case damagedIsAbsent
    /// A batch that the disk refuses for want of space is applied all the same.
    case refusedIsApplied

    // Of clusters.

    /// Reads are answered whether or not enough owners hold what they answer.
    case writeBackSkipped
    /// Writes are acknowledged by one owner less than they need.
    case acknowledgedOneEarly
    /// A start counts its dots from the beginning again.
    case countersReset
    /// A node whose disk was emptied is taken for the one that it was.
    case dotsReused
    /// Of two siblings that meet, the later alone is kept.
    case siblingDropped
    /// A replica that lost its data counts again once one other told it what it holds.
    case caughtUpFromOne
    /// Messages of nodes that know another topology are taken.
    case foreignEpochAccepted
    /// Of an expired value nothing is known any more, nor of what it replaced.
    case expiredForgotten
    /// A write that is sent again with its token is done once more.
    case tokenIgnored
    /// Merkle trees leave out a fourth of all records.
    case bucketSkipped
    /// A node that does not own a key is given what its owners are repaired with.
    case fallbackRepaired
    /// Hints count in a keyspace that is not sloppy.
    case hintCountedInStrict
    /// Owners that are said not to answer are taken for none: a quorum is one of the others.
    case suspectRemoved
    /// Deleted records are erased when they are old enough, whoever may lack the delete.
    case collectedByTime
    /// Deleted records are erased whatever is kept as a hint.
    case hintReplayedAfterCollection

    /// Those that one node alone can have.
    public static let ofOneNode: [PlantedBug] = [.acknowledgedBeforeSync, .damagedIsAbsent, .refusedIsApplied]
    /// Those that clusters can have.
    public static let ofClusters = allCases.filter { $0 != .refusedIsApplied }

    var inNodes: PlantedNodeBugs {
        switch self {
        case .writeBackSkipped: .skipsWriteBack
        case .acknowledgedOneEarly: .acknowledgesOneEarly
        case .countersReset: [.keepsIncarnation, .resetsCounters]
        case .dotsReused: .keepsIncarnation
        case .siblingDropped: .dropsSibling
        case .foreignEpochAccepted: .acceptsForeignEpoch
        case .expiredForgotten: .forgetsExpired
        case .tokenIgnored: .ignoresTokens
        case .bucketSkipped: .skipsBucket
        case .fallbackRepaired: .repairsFallbacks
        case .suspectRemoved: .removesSuspects
        case .collectedByTime: .collectsByTime
        case .hintReplayedAfterCollection: .collectsDespiteHints
        case .acknowledgedBeforeSync, .damagedIsAbsent, .refusedIsApplied, .caughtUpFromOne,
            .hintCountedInStrict:
            []
        }
    }
}

/// What one seed drew: a world of its own, of extremes more often than not.
struct WorldChoices: Sendable {
    var workers: Int
    var durability: Durability
    var disk: SimulatedDisk.Settings
    var cacheBytes: Int
    var skew: Double
    var thinkTime: Duration

    init(_ settings: SimulationSettings, random: SeededRandomSource) {
        let span = settings.workers
        workers = [span.lowerBound, span.upperBound, span.lowerBound + random.below(span.count)][random.below(3)]
        let isVolatile = random.below(100) < settings.volatile
        disk = SimulatedDisk.Settings(isVolatile: isVolatile, readsMayBlock: random.happens(0.5))
        let level = settings.durabilities[random.below(settings.durabilities.count)]
        durability = isVolatile ? .none : level
        cacheBytes = [0, 16 << 10, 64 << 20][random.below(3)]
        skew = [0, 0.99, 1.5][random.below(3)]
        let factor = [1, 1, 2][random.below(3)]
        thinkTime = settings.workload.thinkTime / factor
    }

    var shown: String {
        "\(workers) workers, \(disk.isVolatile ? "volatile" : durability.name), "
            + "reads \(disk.readsMayBlock ? "block" : "do not block"), cache \(cacheBytes) bytes, skew \(skew)"
    }
}
