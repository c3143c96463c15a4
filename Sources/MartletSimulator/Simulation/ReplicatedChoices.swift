internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// What one seed drew for a cluster of several nodes: of extremes more often than not.
struct ReplicatedChoices {
    /// What a node keeps its data on.
    struct Storage {
        var disk: SimulatedDisk.Settings
        var durability: Durability
        var cacheBytes: Int

        /// Whether what it acknowledged outlives a crash.
        var isSafe: Bool { !disk.isVolatile && durability == .always }

        var shown: String { disk.isVolatile ? "memory" : durability.name }
    }

    /// By node.
    var storages: [Storage]
    var racks: [Int]
    /// By node; nil where all are in one.
    var centers: [String]?
    var placement = Placement.count(1)
    /// What reads and writes need.
    var levels = (read: ConsistencyLevel.quorum, write: ConsistencyLevel.quorum)
    /// N, R and W; at levels that name data centers the fewest that may have answered.
    var replicas: Int
    var read: Int
    var write: Int
    /// Of each node.
    var workers: Int
    var partitions: Int
    var policy: ConflictPolicy
    var catchUp: CatchUpSettings
    var antiEntropy = AntiEntropySettings()
    /// When deleted and expired records are erased.
    var tombstones = TombstoneCollectionSettings()
    /// How long a link that is cut lasts.
    var idleTimeout: Duration
    var skew: Double
    var thinkTime: Duration
    /// Whether few keys are read and written much, over links that often break: each write is on its way for long
    /// compared with the time until it is read, and read through several nodes in turn.
    var isHot = false
    /// Whether a node may come up with another topology.
    var hasForeign = true
    /// Whether nodes that do not own a key stand in for owners.
    var isSloppy: Bool
    /// Bytes of hints that a node keeps.
    var hintBytes: Int
    /// Bytes per second at which a node hands hints over.
    var hintRate: UInt64

    var nodes: Int { storages.count }
    /// Whether acknowledgements may be of nodes that own nothing.
    var hasStandIns: Bool { isSloppy && nodes > replicas }
    /// Whether every R that answer have one among any W.
    var isStrict: Bool { read + write > replicas && !hasStandIns && levels.read != .localQuorum }
    /// Whether any two reads of R owners share one, so that what one wrote back the next sees.
    var readsMeet: Bool { read * 2 > replicas }
    /// As many owners of a key as its quorums can do without.
    var sparedOwners: Int { replicas - max(read, write) }
    /// How many nodes may be gone at once: spared owners; where one acknowledgement is enough, and be it a hint, for
    /// which there is room, all nodes but one.
    var spare: Int {
        let isOneEnough = hasStandIns && read == 1 && write == 1 && hintBytes >= 1 << 30
        return isOneEnough ? nodes - 1 : sparedOwners
    }

    init(_ settings: SimulationSettings, random: SeededRandomSource) {
        let nodes = settings.nodes[random.below(settings.nodes.count)]
        let rackCount = [1, 1, 2, 3][random.below(4)]
        racks = (0..<nodes).map { $0 % rackCount }
        replicas = min(nodes, [3, 3, 3, 3, 2, 5, 1][random.below(7)])
        let majority = replicas / 2 + 1
        (read, write) = (majority, majority)
        switch random.below(100) {
        case ..<settings.loose where replicas > 1:
            read = 1 + random.below(replicas - 1)
            write = 1 + random.below(replicas - read)
        case 70...:
            read = 1 + random.below(replicas)
            write = replicas - read + 1 + random.below(read)
        default: break
        }
        let span = min(settings.workers.upperBound, 3)
        workers = [1, 1, 1 + random.below(span)][random.below(3)]
        partitions = [64, 256][random.below(2)]
        policy = random.happens(settings.siblings) ? .siblings : .latest
        storages = Self.storages(nodes, settings, random)
        catchUp = CatchUpSettings()
        catchUp.period = [2_000_000_000, 10_000_000_000][random.below(2)]
        antiEntropy.period = catchUp.period
        // Bits that flipped unseen have to be found within the time that replicas have to become equal.
        antiEntropy.scanPeriod = 20_000_000_000
        catchUp.pageEntries = [3, 512][random.below(2)]
        catchUp.pageUnits = [16, 2048][random.below(2)]
        tombstones.age = settings.collectionAges[random.below(settings.collectionAges.count)]
        tombstones.period = [1_000_000_000, 8_000_000_000][random.below(2)]
        tombstones.entries = [3, 512][random.below(2)]
        idleTimeout = .seconds([1, 5][random.below(2)])
        skew = [0, 0.99, 1.5][random.below(3)]
        thinkTime = settings.workload.thinkTime / [1, 1, 2][random.below(3)]
        isHot = nodes > 2 && random.below(100) < settings.hot
        if isHot { thinkTime = settings.workload.thinkTime / 4 }
        isSloppy = random.below(100) < settings.sloppy
        hintBytes = [1 << 30, 1 << 30, 1 << 30, 4 << 10][random.below(4)]
        hintRate = settings.hintRates[random.below(settings.hintRates.count)]
        if spare == 0, settings.faults.rates.contains(where: { $0.kind == .outage && $0.perMinute > 0 }) {
            // Nobody could be gone, and nothing would happen.
            replicas = min(nodes, 3)
            (read, write) = (replicas / 2 + 1, replicas / 2 + 1)
        }
        placement = .count(replicas)
        levels = (.count(read), .count(write))
        if settings.centers > 0, nodes > 1, random.below(100) < settings.centers { partIntoCenters(random) }
    }

    /// Puts the first half of the nodes into one data center and the rest into another, and half of the replicas, or as
    /// many as the ring makes them; where both have some, the levels may be those that name data centers.
    private mutating func partIntoCenters(_ random: SeededRandomSource) {
        centers = (0..<nodes).map { $0 < (nodes + 1) / 2 ? "paris" : "tokyo" }
        guard random.happens(0.7) else { return }
        let parts = [(replicas + 1) / 2, replicas / 2]
        placement = .perDataCenter(zip(["paris", "tokyo"], parts).filter { $1 > 0 }.map { .init($0, $1) })
        guard replicas > 1 else { return }
        let majorities = parts.map { $0 / 2 + 1 }
        switch random.below(3) {
        case 0:
            levels = (.localQuorum, .localQuorum)
            (read, write) = (majorities[1], majorities[1])
        case 1:
            levels = (.eachQuorum, .eachQuorum)
            (read, write) = (majorities[0] + majorities[1], majorities[0] + majorities[1])
        default: break
        }
    }

    /// A cluster of any size that is left alone: all as usual, on disks, three replicas of a partition.
    init(idleNodes nodes: Int) {
        racks = Array(repeating: 0, count: nodes)
        replicas = min(3, nodes)
        read = replicas / 2 + 1
        write = read
        placement = .count(replicas)
        levels = (.count(read), .count(write))
        workers = 1
        // What `martlet check` asks for: eight partitions for a node at least.
        partitions = 64
        while partitions < min(8 * nodes, Slot.count) { partitions *= 2 }
        policy = .latest
        let storage = Storage(disk: SimulatedDisk.Settings(), durability: .always, cacheBytes: 0)
        storages = Array(repeating: storage, count: nodes)
        catchUp = CatchUpSettings()
        idleTimeout = .seconds(5)
        skew = 0
        thinkTime = .zero
        hasForeign = false
        isSloppy = true
        hintBytes = 1 << 30
        hintRate = 64 << 20
    }

    /// All in memory, all on disks, or some of each.
    private static func storages(
        _ nodes: Int, _ settings: SimulationSettings, _ random: SeededRandomSource
    ) -> [Storage] {
        let kind = random.below(100)
        let cacheBytes = [0, 16 << 10, 64 << 20][random.below(3)]
        return (0..<nodes).map { _ in
            let isVolatile =
                kind < settings.volatile ? true : kind < 2 * settings.volatile ? random.happens(0.5) : false
            let level = settings.durabilities[random.below(settings.durabilities.count)]
            return Storage(
                disk: SimulatedDisk.Settings(isVolatile: isVolatile, readsMayBlock: random.happens(0.5)),
                durability: isVolatile ? .none : level, cacheBytes: cacheBytes)
        }
    }

    var shown: String {
        "\(nodes) nodes on \(storages.map(\.shown).joined(separator: ", ")), N=\(replicas) R=\(levels.read) W=\(levels.write)\(isSloppy ? " sloppy" : ""), "
            + "\(workers) workers, \(Set(racks).count) racks, \(centers == nil ? "" : "two data centers, ")Q=\(partitions), \(policy), skew \(skew)"
            + (isHot ? ", hot keys" : "")
    }
}
