internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// Brings a worker's replicas up to date with the other owners', and keeps them so: the shell of ``CatchUpMachine``.
///
/// It runs after the start, when a link comes back, after a write that an owner did not acknowledge, and periodically.
/// Used on the worker's loop only, like ``Replication``, whose messages it shares.
final class CatchUp {
    unowned let replication: Replication
    let store: RecordStore
    var machine: CatchUpMachine
    /// The page under way with each peer.
    var pages: [UInt32: CatchUpPageInFlight] = [:] { didSet { keepListed() } }
    /// The page of an anti-entropy exchange under way with each peer.
    var treePages: [UInt32: CatchUpPageInFlight] = [:] { didSet { keepListed() } }
    /// The comparison under way with each peer.
    var comparisons: [UInt32: CatchUpComparisonInFlight] = [:]
    /// Stored keys of damaged records that other owners are asked about.
    var healing: Set<[UInt8]> = []
    private(set) var isStopped = false
    private var isMarkedServed = false
    private var counters = CatchUpStatus()
    /// By keyspace, partitions in which acknowledged writes may be lost.
    private(set) var lost: [Int]
    /// By keyspace, what the machine said was at risk when it last said so.
    private var atRisk: [Int]
    private let log: Log
    private let noteLoss: (@Sendable (DataLoss) -> Void)?
    private let timer: WakeTimer

    init(_ replication: Replication, _ opening: CatchUpOpening) {
        self.replication = replication
        let (store, membership) = (replication.store, replication.membership)
        self.store = store
        timer = WakeTimer(store.loop)
        log = opening.log
        noteLoss = opening.noteLoss
        let (worker, workers) = (store.worker, store.settings.workers)
        var units: [CatchUpUnit] = []
        for (index, keyspace) in membership.keyspaces.enumerated() {
            units += CatchUpUnit.all(
                ofNode: membership.node, in: keyspace.ring, keyspace: index, write: keyspace.write,
                read: keyspace.read, worker: worker, of: workers, arcs: store.settings.partitions)
        }
        let start = store.start
        var settings = opening.settings
        settings.comparesWell = false
        lost = Array(repeating: 0, count: membership.keyspaces.count)
        atRisk = lost
        machine = CatchUpMachine(
            node: membership.node, units: units, keyspaces: membership.keyspaces.count, settings: settings,
            isPristine: start.isEmpty, hasServed: start.served.isSet(), seed: opening.seed
        ) { start.isWhole($0, ofKeyspace: store.keyspaces[$0.keyspace].settings.id, worker: worker, of: workers) }
        machine.sloppyKeyspaces = membership.keyspaces.map(\.isSloppy)
    }

    var status: CatchUpStatus {
        var status = counters
        status.units = machine.units.count
        status.inNeed = machine.needCount
        return status
    }

    func count(_ change: (inout CatchUpStatus) -> Void) {
        change(&counters)
        publish()
    }

    /// Has the store keep in memory what the listings of pages under way do not show.
    func keepListed() {
        let open = (Array(pages.values) + Array(treePages.values)).filter { !$0.isTaken }
        store.listed = open.map(\.listed.commit).min() ?? .max
    }

    private func publish() {
        let status = status
        replication.counters.catchUp.withLock { $0 = status }
    }

    /// Begins: tells what this node is in need of to whom a link was open before anybody listened to it.
    func start() {
        keepMark()
        publish()
        for peer in machine.peerNodes where replication.transport.isOpen(to: peer) {
            tell(peer, wantsAnswer: true)
        }
        receive(.time)
    }

    func stop() {
        isStopped = true
        timer.cancel()
        pages = [:]
        treePages = [:]
        comparisons = [:]
    }

    func receive(_ event: CatchUpEvent) {
        guard !isStopped else { return }
        let wasWell = machine.needCount == 0
        for action in machine.receive(event, now: store.loop.now.nanoseconds) { perform(action) }
        endGivenUp()
        schedule()
        let isAsBefore = wasWell == (machine.needCount == 0)
        switch event {
        case .linkOpened(let node, _) where isAsBefore, .linkClosed(let node) where isAsBefore,
            .heard(let node, _, _, _, _) where isAsBefore:
            replication.antiEntropy?.follow(node)
        default: replication.antiEntropy?.followPeers()
        }
    }

    private func perform(_ action: CatchUpAction) {
        switch action {
        case .tell(let node, let wantsAnswer): tell(node, wantsAnswer: wantsAnswer)
        case .exchange(let id, let node, let keyspace, let slots, var from):
            // Of a generation that was emptied since: from the start.
            if withBytes(of: from, { store.keyspace(ofStored: $0) }) != keyspace { from = [] }
            begin(
                CatchUpPageInFlight(
                    id: id, began: replication.newRequest(), node: node, keyspace: keyspace, slots: slots, from: from,
                    listed: store.listingPoint))
        case .compare(let id, let node, let units): compare(units, with: node, id: id)
        case .caughtUp(let outcome): note(outcome)
        }
    }

    private func schedule() {
        timer.set(machine.wake) { [self] in receive(.time) }
    }

    // MARK: Outcome

    private func note(_ outcome: CatchUpOutcome) {
        counters.founded += UInt64(outcome.founded)
        if outcome.hasServed { counters.lost += UInt64(outcome.atRisk) }
        for (index, outcomes) in machine.outcomes.enumerated() {
            if outcome.hasServed { lost[index] += outcomes.atRisk - atRisk[index] }
            atRisk[index] = outcomes.atRisk
        }
        publish()
        if outcome.founded > 0 {
            log(
                outcome.hasServed ? .error : .notice,
                outcome.hasServed
                    ? "\(outcome.founded) partitions that every owner had lost are founded anew: data are lost"
                    : "\(outcome.founded) partitions are founded")
        }
        if outcome.atRisk > outcome.founded, outcome.hasServed {
            let count = outcome.atRisk - outcome.founded
            log(.error, "\(count) partitions came up from too few owners that had kept them: writes may be lost")
        }
        for isFounding in [false, true] { tellLoss(isFounding, hasServed: outcome.hasServed) }
        if machine.needCount == 0 { log(.info, "caught up on all of \(machine.units.count) partitions") }
        keepMark()
    }

    private func tellLoss(_ isFounding: Bool, hasServed: Bool) {
        let units = machine.takeUnitsAtRisk(founded: isFounding).map { machine.units[$0] }
        guard hasServed, let noteLoss else { return }
        for keyspace in Set(units.map(\.keyspace)).sorted() {
            let slots = units.filter { $0.keyspace == keyspace }.map(\.slots)
            noteLoss(DataLoss(keyspace: keyspace, slots: slots, isFounding: isFounding))
        }
    }

    /// Notes that a damaged record was replaced by what too few owners held.
    func tellDamage(_ keyspace: Int, slot: Int) {
        counters.lost += 1
        lost[keyspace] += 1
        publish()
        log(.error, "a damaged record of slot \(slot) came back from too few owners: a write may be lost")
        noteLoss?(DataLoss(keyspace: keyspace, slots: [slot..<slot + 1], isFounding: false, isDamage: true))
    }

    /// Puts what is caught up into the data set, with which it is lost or kept.
    private func keepMark() {
        guard !store.isInline, store.failure == nil else { return }
        var mark = CatchUpMark(
            durability: replication.ownDurability.asReplicaDurability, workers: store.settings.workers,
            worker: store.worker, keyspaces: [:])
        for (index, unit) in machine.units.enumerated() where machine.isCaughtUp(unit: index) {
            var runs = mark.keyspaces[store.keyspaces[unit.keyspace].settings.id] ?? []
            if let last = runs.last, last.upperBound == unit.slots.lowerBound {
                runs[runs.count - 1] = last.lowerBound..<unit.slots.upperBound
            } else {
                runs.append(unit.slots)
            }
            mark.keyspaces[store.keyspaces[unit.keyspace].settings.id] = runs
        }
        var buffer = ByteBuffer()
        mark.append(to: &buffer)
        let value = buffer.copy()
        _ = try? store.applyOwn { batch in
            withBytes(of: DataStart.markKey(worker: store.worker)) { key in withBytes(of: value) { batch.put(key, $0) }
            }
        }
    }

    /// Notes that a record is stored here from now on. Called before each write of a replica.
    @inline(__always)
    func willWrite() { if machine.isPristine || !isMarkedServed { beginServing() } }

    private func beginServing() {
        machine.isPristine = false
        guard !isMarkedServed else { return }
        isMarkedServed = true
        if !store.start.served.isSet() { store.start.served.set() }
    }

    // MARK: States

    private func tell(_ node: UInt32, wantsAnswer: Bool) {
        let runs = machine.runs(for: node)
        let states = CatchUpStates(
            wantsAnswer: wantsAnswer, hasServed: machine.hasServed,
            keyspaces: zip(store.keyspaces, runs).map { state, runs in
                CatchUpStates.Keyspace(id: state.settings.id, generation: state.generation, runs: runs)
            })
        _ = replication.transport.send(to: node, replication.header(.catchUpStates, 0)) { states.append(to: &$0) }
    }

    func receiveStates(_ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        let states = try CatchUpStates(payload)
        var runs = Array(repeating: [CatchUpRun](), count: store.keyspaces.count)
        var isBehind = false
        for told in states.keyspaces {
            guard let index = store.keyspaces.firstIndex(where: { $0.settings.id == told.id }) else { continue }
            if told.generation > store.keyspaces[index].generation {
                replication.raise(told.generation, keyspace: index)
            }
            // A peer in an older generation tells of what is emptied here; it learns so by the answer.
            guard told.generation == store.keyspaces[index].generation else {
                isBehind = true
                continue
            }
            runs[index] = told.runs
        }
        receive(
            .heard(
                peer.node, incarnation: peer.incarnation, runs: runs, hasServed: states.hasServed,
                wantsAnswer: states.wantsAnswer))
        if isBehind, !states.wantsAnswer { tell(peer.node, wantsAnswer: true) }
    }
}
