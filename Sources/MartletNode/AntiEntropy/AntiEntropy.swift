internal import MartletCore
internal import MartletRuntime

/// Keeps a worker's replicas equal to the other owners': the shell of ``AntiEntropyMachine`` over the worker's
/// ``Trees``. What differs is exchanged by the pages of ``CatchUp``, which brings up replicas that lost data.
///
/// Used on the worker's loop only, like ``Replication``, whose messages it shares. It begins nothing with a node while
/// that or this one is not caught up: catching up does.
final class AntiEntropy {
    unowned let replication: Replication
    unowned let catchUp: CatchUp
    let store: RecordStore
    let trees: Trees
    private(set) var machine: AntiEntropyMachine
    var counters = AntiEntropyStatus()
    private(set) var isStopped = false
    /// Nodes that the machine holds for reachable.
    private var open: Set<UInt32> = []
    /// By node, what it was asked last, so that its answer can be read.
    var asked: [UInt32: (id: UInt64, what: Asked)] = [:]
    enum Asked {
        case roots(Int)
        case nodes([Int])
    }
    /// Units of which the last scan found damaged records: their trees lack what is to be healed.
    var damaged: Set<Int> = []
    /// Units that are to be compared once their trees are whole.
    private var waiting: Set<Int> = []
    private let timer: WakeTimer
    // The scan, see TreeScan.swift.
    var scan = TreeScan()
    var scanTimer: (any LoopTimer)?
    private var pace = ForegroundPace()

    init(_ replication: Replication, _ catchUp: CatchUp, _ trees: Trees, seed: UInt64) {
        self.replication = replication
        self.catchUp = catchUp
        self.trees = trees
        store = replication.store
        timer = WakeTimer(store.loop)
        machine = AntiEntropyMachine(
            node: replication.membership.node, units: trees.forest.units, settings: store.settings.antiEntropy,
            seed: seed)
        trees.onForgotten = { [weak self] in self?.beginScanning() }
    }

    func start() {
        scan.due = store.loop.now.nanoseconds + machine.settings.scanPeriod
        followPeers()
        beginScanning()
        publish()
    }

    func stop() {
        isStopped = true
        timer.cancel()
        scanTimer?.cancel()
        trees.onForgotten = nil
    }

    // MARK: State

    var status: AntiEntropyStatus {
        var status = counters
        let total = machine.total
        status.compared = UInt64(total.equal + total.differing)
        status.differing = UInt64(total.differing)
        status.skipped = UInt64(total.skipped)
        status.ranges = UInt64(total.ranges)
        status.pending = machine.pending + waiting.count
        status.trees = trees.forest.units.count
        status.incomplete = trees.forest.incomplete
        return status
    }

    func publish() {
        let status = status
        replication.counters.antiEntropy.withLock { $0 = status }
    }

    // MARK: Events

    func receive(_ event: AntiEntropyEvent) {
        guard !isStopped else { return }
        let now = store.loop.now.nanoseconds
        if let latency = pace.sample(replication.latencies, now: now) {
            machine.budget.adapt(latency: latency.now, target: latency.target, now: now)
            scan.adapt(latency: latency.now, target: latency.target, now: now)
            replication.tombstones?.adapt(latency: latency.now, target: latency.target, now: now)
        }
        for action in machine.receive(event, forest: trees.forest, now: now) { perform(action) }
        catchUp.endTreePages { id, node in machine.isUnderWay(id, with: node) }
        schedule()
        publish()
    }

    /// Tells the machine with whom to compare: nodes with an open link, once they and this one are caught up.
    func followPeers() { for node in catchUp.machine.peerNodes { follow(node) } }

    /// The same of one node, where nothing else has changed.
    func follow(_ node: UInt32) {
        let isReady =
            catchUp.machine.needCount == 0 && replication.transport.isOpen(to: node)
            && catchUp.machine.needCount(of: node) == 0
        guard isReady != open.contains(node) else { return }
        if isReady { open.insert(node) } else { open.remove(node) }
        receive(isReady ? .linkOpened(node) : .linkClosed(node))
    }

    /// A link opened anew: what was sent into the former one may be lost.
    func linkOpened(_ node: UInt32) {
        guard open.remove(node) != nil else { return }
        receive(.linkClosed(node))
    }

    /// A write of a slot was not acknowledged by an owner, or a hint for it was given up.
    func mark(_ node: UInt32?, keyspace: Int, slot: UInt16) {
        guard let unit = trees.unit(ofSlot: Int(slot), keyspace: keyspace) else { return }
        receive(.marked(unit: unit, with: node))
    }

    func repair(keyspace: Int, slots: Range<Int>) -> Int {
        let units = machine.units.indices.filter {
            machine.units[$0].keyspace == keyspace && slots.overlaps(machine.units[$0].slots)
        }
        waiting.formUnion(units.filter { trees.forest.tree($0) == nil })
        receive(.repair(units.filter { !waiting.contains($0) }))
        return units.reduce(0) { $0 + machine.units[$1].others.count }
    }

    /// A tree is whole: what waited for it is compared.
    func noteWhole(_ unit: Int) { if waiting.remove(unit) != nil { receive(.repair([unit])) } }

    private func schedule() {
        timer.set(machine.wake) { [self] in receive(.time) }
    }

    private func perform(_ action: AntiEntropyAction) {
        switch action {
        case .sendRoots(let id, let node, let units): sendRoots(id, node, units)
        case .sendNodes(let id, let node, let unit, let level, let indices):
            sendNodes(id, node, unit, level, indices)
        case .exchange(let id, let node, let range): catchUp.exchange(range, with: node, id: id)
        case .equal: break
        case .passed:
            counters.passes += 1
            counters.lastPass = store.loop.now.nanoseconds
            beginScanning()  // trees that have become too flat
        }
    }
}

/// What foreground requests see, sampled: the mean of what other nodes' replicas took to answer in the last second,
/// and what it was when the cluster had least to do.
struct ForegroundPace {
    private var sampledAt: UInt64 = 0
    private var former: (count: UInt64, total: UInt64) = (0, 0)
    private var calm: UInt64 = 0

    private static let interval: UInt64 = 1_000_000_000
    /// Below this, no latency is held for slow.
    private static let fast: UInt64 = 2_000_000

    /// Nil if the last sample is younger than a second. Nothing asked is nothing slowed down.
    mutating func sample(_ latencies: ReplicaLatencies, now: UInt64) -> (now: UInt64, target: UInt64)? {
        guard now >= sampledAt + Self.interval else { return nil }
        sampledAt = now
        let sums = (count: latencies.answers, total: latencies.nanoseconds)
        let count = sums.count - former.count
        let mean = count > 0 ? (sums.total - former.total) / count : 0
        former = sums
        guard count > 0 else { return (0, Self.fast) }
        calm = calm == 0 ? mean : min(mean, calm + calm / 64 + 1)
        return (mean, max(Self.fast, 2 * calm))
    }
}
