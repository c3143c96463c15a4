public import MartletCore
internal import MartletRuntime
internal import Synchronization

/// Keeps writes for owners that could not be reached, and replays them once they can: a worker's shell of
/// ``HintedHandoffMachine``.
///
/// Hints lie in the node's own backend beside the records, under the hint class of keys, and pass through the same
/// table and the same commits; those of a partition belong to the worker that the partition belongs to. Used on the
/// worker's loop only, like ``Replication``, whose messages it shares.
final class HintedHandoff {
    unowned let replication: Replication
    let store: RecordStore
    var machine: HintedHandoffMachine
    /// The page of each node's hints that is being replayed.
    var pages: [UInt32: HintPage] = [:]
    /// When the reading of each node's last page began, as operations are counted.
    var pagesBegan: [UInt32: UInt64] = [:]
    /// Messages that are not answered yet.
    var replays = OperationTable<HintReplayInFlight>()
    /// Hints that are erased, but by a commit that is not done.
    var erasing: Set<[UInt8]> = []
    /// Whether all hints of a former run are known; before, none is taken.
    private(set) var isReady = false
    private(set) var isStopped = false
    let log: Log
    private let timer: WakeTimer
    private var sweepTimer: (any LoopTimer)?
    /// Whether a walk over all hints is under way, and whether another has to follow.
    var isSweeping = false
    var isSweepDue = false
    private var latency = ForegroundLatency()
    private var pacer: (any LoopTimer)?

    init(_ replication: Replication, _ settings: HintedHandoffSettings, log: Log) {
        self.replication = replication
        store = replication.store
        timer = WakeTimer(store.loop)
        self.log = log
        let workers = store.settings.workers
        var settings = settings
        settings.bytes /= workers
        settings.bytesPerTarget /= workers
        settings.firstRate /= UInt64(workers)
        let (floor, ceiling) = (settings.rates.lowerBound, settings.rates.upperBound)
        let budget = WorkBudget(
            floor: floor / UInt64(workers), ceiling: ceiling / UInt64(workers),
            rate: settings.firstRate)
        machine = HintedHandoffMachine(settings: settings, budget: budget)
    }

    /// Whether there is any hint: reads of keys that this node does not own need not look for them else.
    var isEmpty: Bool { machine.ledger.count == 0 }

    func start() {
        store.onGeneration = { [weak self] in self?.sweepSoon() }
        restore(after: [])
    }

    func stop() {
        isStopped = true
        timer.cancel()
        sweepTimer?.cancel()
        pacer?.cancel()
        store.onGeneration = nil
    }

    /// All hints of a former run are known: they can be replayed.
    func becomeReady() {
        isReady = true
        if machine.ledger.count > 0 {
            log(.notice, "\(machine.ledger.count) hints of a former run are held for \(machine.ledger.nodes)")
        }
        publish()
        for node in machine.ledger.nodes where replication.transport.isOpen(to: node) { tellHeld(node) }
        for node in machine.ledger.nodes where replication.answers(node) { receive(.reachable(node)) }
        scheduleSweep()
    }

    func receive(_ event: HintedHandoffEvent) {
        guard !isStopped else { return }
        for action in machine.receive(event, wallMilliseconds: wallMilliseconds, now: store.loop.now.nanoseconds) {
            perform(action)
        }
        publish()
        schedule()
    }

    /// A node can be reached from now on, or not any more. Of one that nothing is held for it does not matter until
    /// something is.
    func note(_ node: UInt32, isReachable: Bool) {
        guard isReachable else {
            pages[node] = nil
            return receive(.unreachable(node))
        }
        if isReady, machine.ledger.target(node) != nil { receive(.reachable(node)) }
    }

    /// A link to a node is open.
    func linkOpened(_ node: UInt32) {
        if machine.ledger.target(node) != nil { tellHeld(node) }
        if replication.answers(node) { note(node, isReachable: true) }
    }

    var wallMilliseconds: UInt64 { UInt64(clamping: store.clock.wallMicroseconds / 1000) }

    private func perform(_ action: HintedHandoffAction) {
        switch action {
        case .read(let id, let node, let after, let entries, let bytes):
            read(id, node, after: after, entries: entries, bytes: bytes)
        case .send(let id, let node, let range): send(id, node, range)
        case .erase(let node, let entries): erase(entries, for: node)
        case .eraseAll(let node): eraseAll(of: node)
        case .mark(let number, let node): mark(number, node)
        case .drained(let node):
            log(.info, "no hint is held for node \(node) any more")
            tellHeld(node)
        }
    }

    func schedule() {
        pace()
        timer.set(machine.wake) { [self] in receive(.time) }
    }

    func publish() {
        let (ledger, counters) = (machine.ledger, machine.counters)
        replication.counters.hints.withLock { status in
            status.held = ledger.count
            status.bytes = ledger.bytes
            status.oldest = ledger.oldest()
            status.counters = counters
        }
    }

    /// When the reading of a page began of which something may still be sent, of all such the first.
    var oldestPage: UInt64? { machine.ledger.nodes.compactMap { pagesBegan[$0] }.min() }

    /// Whether there is a hint for a partition, for whomever, as far as is known.
    func mayHold(inPartition partition: Int) -> Bool {
        !isReady || machine.ledger.count(inPartition: partition) > 0
    }

    /// Tells a node how many hints are held for it.
    func tellHeld(_ node: UInt32) {
        guard replication.transport.isOpen(to: node) else { return }
        let held = HintsHeld(UInt64(machine.ledger.target(node)?.count ?? 0))
        _ = replication.transport.send(to: node, replication.header(.hintsHeld, 0)) { held.append(to: &$0) }
    }

    // MARK: Partitions

    /// The number that the machine knows a key's partition by.
    func partition(of storedKey: RawSpan, keyspace: Int) -> Int {
        partition(ofSlot: Int(storedKey.bigEndian(9, as: UInt16.self)) % Slot.count, keyspace: keyspace)
    }

    func partition(ofSlot slot: Int, keyspace: Int) -> Int {
        keyspace * store.settings.partitions + slot * store.settings.partitions / Slot.count
    }

    /// A hint was given up: its partition has to be compared.
    private func mark(_ number: Int, _ node: UInt32?) {
        let (keyspace, partition) = number.quotientAndRemainder(dividingBy: store.settings.partitions)
        guard store.keyspaces.indices.contains(keyspace) else { return }
        let slot = UInt16(partition * Slot.count / store.settings.partitions)
        replication.compareSoon(keyspace: keyspace, slot: slot, missingAt: node)
    }

    // MARK: Time

    /// How often a walk over all hints looks for those that are too old.
    private var sweepPeriod: Duration {
        .milliseconds(Int64(clamping: min(60_000, max(100, machine.settings.age / 8))))
    }

    private func scheduleSweep() {
        sweepTimer = store.loop.schedule(after: sweepPeriod) { [self] in
            let (wall, oldest) = (wallMilliseconds, machine.ledger.oldest())
            if let oldest, wall > oldest, wall - oldest > machine.settings.age { sweepSoon() }
            scheduleSweep()
        }
    }

    /// Takes note of how long an owner took to answer a request of a client.
    func noteForeground(_ duration: Duration, at now: MonotonicTime) {
        latency.note(duration, at: now, isReplaying: timer.isSet)
    }

    /// While hints are replayed, has the budget follow what clients' requests take.
    private func pace() {
        guard pacer == nil, !isStopped, machine.wake != nil else { return }
        pacer = store.loop.schedule(after: ForegroundLatency.window) { [self] in
            pacer = nil
            let (observed, now) = (latency.take(), store.loop.now.nanoseconds)
            if machine.wake == nil {
                machine.budget.setRate(machine.settings.firstRate, now: now)
            } else {
                machine.budget.adapt(latency: observed.latency, target: observed.target, now: now)
            }
            receive(.time)
        }
    }
}

/// What a worker holds for other nodes, and what became of it.
public struct HintStatus: Sendable, Equatable {
    public var held = 0
    public var bytes = 0
    /// When the oldest was kept: milliseconds since 1970; nil if there is none.
    public var oldest: UInt64?
    public var counters = HintedHandoffCounters()

    public init() {}

    mutating func add(_ other: HintStatus) {
        held += other.held
        bytes += other.bytes
        if let more = other.oldest { oldest = min(oldest ?? more, more) }
        counters.kept += other.counters.kept
        counters.replayed += other.counters.replayed
        counters.replayedBytes += other.counters.replayedBytes
        counters.dropped += other.counters.dropped
        counters.expired += other.counters.expired
        counters.void += other.counters.void
        counters.damaged += other.counters.damaged
    }

    /// The age of the oldest hint in milliseconds, by the calendar; 0 if there is none.
    public func age(wallMilliseconds: Int64) -> Int64 {
        guard let oldest else { return 0 }
        return max(0, wallMilliseconds - Int64(clamping: oldest))
    }
}
