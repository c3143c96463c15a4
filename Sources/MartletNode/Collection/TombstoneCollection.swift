internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// Collects a worker's tombstones, and what expired: the shell of ``TombstoneCollectionMachine``.
///
/// The lowest owner of a partition looks for them: after the start, when a value was deleted or expired and is old
/// enough, at most once a period; then leads one round after the other, a page of tombstones each. A partition belongs
/// to the same worker on all nodes, so that all that is under way on it is this worker's, on one link with each node.
///
/// Used on the worker's loop only, like ``Replication``, whose messages it shares.
final class TombstoneCollection {
    unowned let replication: Replication
    let store: RecordStore
    let units: [CatchUpUnit]
    private var machine: TombstoneCollectionMachine
    private(set) var status = TombstoneStatus()
    private(set) var isStopped = false
    private let timer: WakeTimer

    // Looking for tombstones.
    /// By unit, whether this node looks after it.
    private let isLed: [Bool]
    /// By unit, from when on it may hold some: milliseconds since 1970.
    private var due: [Int64]
    /// By unit, those that the last look found and no round erased.
    private var awaiting: [Int]
    /// By unit, when the next look is, at the earliest, by the loop's clock.
    private var earliest: [UInt64]
    private var lastUnit = 0
    private var search: Search?
    /// Whether a page is being read, or its round is under way.
    private var isSearching = false
    private var searchTimer: (any LoopTimer)?
    private var budget = WorkBudget(floor: 64 << 10, ceiling: 16 << 20)

    // Fences.
    /// Fences that are not passed: those of work, with the number of the first operation that is not waited for.
    private var fences: [(round: CollectionRound, place: CollectionPlace, stage: CollectionStage, mark: UInt64)] = []
    private var fenceTimer: (any LoopTimer)?

    /// A look for tombstones that is under way.
    private struct Search {
        var unit: Int
        var after: [UInt8] = []
        var page = TombstonePage()
        /// Found and not erased.
        var left = 0
        /// Whether rounds come to nothing: the rest is only counted.
        var isBlocked = false
    }

    private static let pageRecords = 1024
    private static let pageBytes = 256 << 10
    private static let fencePeriod = Duration.milliseconds(5)

    init(_ replication: Replication, _ units: [CatchUpUnit]) {
        self.replication = replication
        self.units = units
        store = replication.store
        timer = WakeTimer(store.loop)
        var settings = store.settings.tombstones
        settings.plantedSkipsHints = store.settings.plantedBugs.contains(.collectsDespiteHints)
        let membership = replication.membership
        machine = TombstoneCollectionMachine(
            node: membership.node, incarnation: store.minting.incarnation, epoch: membership.epoch,
            members: replication.otherNodes + [membership.node], settings: settings)
        // What a former run left is not known.
        let collectsAlone = store.settings.plantedBugs.contains(.collectsByTime)
        isLed = units.map { unit in collectsAlone || unit.others.allSatisfy { $0 > membership.node } }
        due = isLed.map { $0 ? 0 : .max }
        awaiting = units.map { _ in 0 }
        earliest = units.map { _ in 0 }
    }

    func start() {
        for node in replication.otherNodes where replication.transport.isOpen(to: node) { receive(.linkOpened(node)) }
        searchSoon()
    }

    func stop() {
        isStopped = true
        timer.cancel()
        searchTimer?.cancel()
        fenceTimer?.cancel()
    }

    // MARK: Events

    func receive(_ event: TombstoneCollectionEvent) {
        guard !isStopped else { return }
        for action in machine.receive(event, now: store.loop.now.nanoseconds) { perform(action) }
        timer.set(machine.wake) { [self] in receive(.time) }
    }

    private func perform(_ action: TombstoneCollectionAction) {
        switch action {
        case .send(let node, let message): send(message, to: node)
        case .clear(let round, let owner):
            send(CollectionMessage(round, epoch: machine.epoch, .clear(lane: 0, of: 1)), to: owner)
        case .check(let round, let place, let entries): check(round, place, entries)
        case .fence(let round, let place, let stage):
            fences.append((round, place, stage, replication.newRequest()))
            lookAtFences()
        case .erase(let round, let entries):
            erase(entries) { [self] in receive(.erased(round)) }
        case .finished(_, let outcome): finished(outcome)
        }
    }

    private func send(_ message: CollectionMessage, to node: UInt32) {
        guard node != machine.node else { return receive(.received(node, message)) }
        _ = replication.transport.send(to: node, replication.header(.tombstoneCollection, 0)) {
            message.append(to: &$0)
        }
    }

    // MARK: Owning

    private func unit(of place: CollectionPlace) -> Int? {
        units.firstIndex { unit in
            let keyspace = store.keyspaces[unit.keyspace]
            return unit.slots == place.slots && keyspace.settings.id == place.keyspace
                && keyspace.generation == place.generation
        }
    }

    /// Finds out which tombstones are held just so, and has them synced, whatever the keyspace's durability: what a
    /// power failure could take back here, others must not have erased.
    private func check(_ round: CollectionRound, _ place: CollectionPlace, _ entries: [CollectionEntry]) {
        let all = Array(entries.indices)
        guard let unit = unit(of: place), let catchUp = replication.catchUp, catchUp.machine.isCaughtUp(unit: unit)
        else { return receive(.checked(round, except: all)) }
        // By this node's own calendar, lest one that is wrong shorten the time for which retries are answered.
        let bound = HybridLogicalClock.defaultBound
        let deadBy = store.clock.wallMicroseconds / 1000 - max(bound, machine.settings.age - 2 * bound)
        replication.whenResident(entries.map(\.key)) { [self] in
            let except = all.filter { !isDead(entries[$0], by: deadBy) }
            do throws(StorageError) {
                let commit = try sync()
                store.whenDone(commit) { [self] error in
                    receive(.checked(round, except: error == nil ? except : all))
                }
            } catch {
                receive(.checked(round, except: all))
            }
        }
    }

    private func isDead(_ entry: CollectionEntry, by time: Int64) -> Bool {
        withBytes(of: entry.key) { key in
            switch try? store.held(key) {
            case .record(let record, let digest)? where digest == entry.digest:
                return withBytes(of: record) { RecordExpiry.deadSince(ofSound: $0) }.map { $0 <= time } ?? false
            case .none?:
                store.doubt(key)  // erased, and the disk did not do it: else the next round would find the same
                return false
            default: return false
            }
        }
    }

    /// A commit that syncs all before it.
    private func sync() throws(StorageError) -> UInt64 {
        try store.applyOwn(durability: store.backend.properties.maximumDurability) { batch in
            withBytes(of: StoredKey.meta("collection/\(store.worker)")) { key in
                withBytes(of: [1]) { batch.put(key, $0) }
            }
        }
    }

    private func erase(_ entries: [CollectionEntry], _ done: @escaping () -> Void) {
        replication.whenResident(entries.map(\.key)) { [self] in
            var batch = WriteBatch()
            var hashes: [UInt64] = []
            var gone: [(keyspace: Int, entry: CollectionEntry, wasLive: Bool)] = []
            for entry in entries {
                withBytes(of: entry.key) { key in
                    guard let keyspace = store.keyspace(ofStored: key),
                        case .record(let record, let digest)? = try? store.held(key), digest == entry.digest
                    else { return }
                    let view = withBytes(of: record) { try? RecordView($0, storedKey: key) }
                    batch.delete(key)
                    hashes.append(store.isInline ? 0 : store.hash(ofStored: key))
                    gone.append((keyspace, entry, wasLive: view?.isTombstone == false))
                }
            }
            guard !gone.isEmpty, let commit = try? store.apply(&batch, hashes: hashes, durability: .none) else {
                return done()
            }
            for (keyspace, entry, wasLive) in gone {
                withBytes(of: entry.key) { store.trees?.erased($0, keyspace: keyspace, digest: entry.digest) }
                if wasLive { store.keyspaces[keyspace].totals.records.subtract(1, ordering: .relaxed) }
            }
            status.erased += UInt64(gone.count)
            publish()
            store.whenDone(commit) { _ in done() }
        }
    }

    // MARK: Fences

    private func lookAtFences() {
        fenceTimer?.cancel()
        fenceTimer = nil
        guard !isStopped, !fences.isEmpty else { return }
        let oldest = replication.oldestWork
        let passed = fences.filter { isPassed($0.place, $0.stage, $0.mark, oldest) }
        fences.removeAll { isPassed($0.place, $0.stage, $0.mark, oldest) }
        for fence in passed { receive(.fenced(fence.round, fence.stage)) }
        guard !fences.isEmpty, fenceTimer == nil else { return }
        fenceTimer = store.loop.schedule(after: Self.fencePeriod) { [weak self] in self?.lookAtFences() }
    }

    private func isPassed(
        _ place: CollectionPlace, _ stage: CollectionStage, _ mark: UInt64, _ oldest: UInt64
    ) -> Bool {
        guard stage == .hints else { return oldest >= mark }
        guard let hints = replication.hints,
            let keyspace = store.keyspaces.firstIndex(where: { $0.settings.id == place.keyspace })
        else { return true }
        return !hints.mayHold(inPartition: hints.partition(ofSlot: place.slots.lowerBound, keyspace: keyspace))
    }

    // MARK: Leading

    /// Follows what clients' requests take, as other work in the background does.
    func adapt(latency: UInt64, target: UInt64, now: UInt64) {
        budget.adapt(latency: latency, target: target, now: now)
    }

    /// A record of a unit is gone, or will be, from a moment on.
    func note(_ unit: Int, deadSince: Int64) {
        guard isLed[unit], due[unit] > deadSince else { return }
        due[unit] = deadSince
        searchSoon()
    }

    /// Goes on looking, or begins to: at once where there is anything to find, else later if there will be.
    private func searchSoon() {
        guard !isStopped, !isSearching, searchTimer == nil, store.failure == nil else { return }
        let now = store.loop.now.nanoseconds
        if search == nil { search = nextUnit(now).map { Search(unit: $0) } }
        guard search != nil || due.contains(where: { $0 < .max }) else { return }
        let wait = search == nil ? machine.settings.period / 16 : max(budget.ready(now), now) - now
        searchTimer = store.loop.schedule(after: .nanoseconds(Int64(clamping: wait))) { [weak self] in
            self?.searchTimer = nil
            self?.proceed()
        }
    }

    private func proceed() {
        guard !isStopped else { return }
        guard let search else { return searchSoon() }
        isSearching = true
        if search.after.isEmpty { due[search.unit] = .max }
        let (unit, keyspace) = (units[search.unit], store.keyspaces[units[search.unit].keyspace])
        let stretch = TombstoneStretch(
            keyspace: keyspace.settings.id, generation: keyspace.generation, slots: unit.slots, after: search.after,
            records: Self.pageRecords, bytes: Self.pageBytes, entries: max(1, machine.settings.entries),
            deadBy: deadBy)
        // A record that came old enough is heard of before it is committed.
        store.whenDone(store.newestCommit) { [self] _ in
            store.readCommitted({ snapshot throws(StorageError) in try stretch.page(snapshot) }) { [self] in found($0) }
        }
    }

    /// What was gone by then is old enough.
    private var deadBy: Int64 { store.clock.wallMicroseconds / 1000 - machine.settings.age }

    /// The unit whose turn it is.
    private func nextUnit(_ now: UInt64) -> Int? {
        let deadBy = deadBy
        let next = (lastUnit + 1..<lastUnit + 1 + units.count).first { index in
            due[index % units.count] <= deadBy && earliest[index % units.count] <= now
        }
        return next.map { $0 % units.count }
    }

    private func found(_ page: TombstonePage?) {
        guard !isStopped, var search else { return }
        guard let page else {
            (self.search, isSearching) = (nil, false)
            earliest[search.unit] = store.loop.now.nanoseconds + machine.settings.period
            note(search.unit, deadSince: 0)
            return searchSoon()
        }
        budget.spend(page.bytes, now: store.loop.now.nanoseconds)
        if let first = page.due { note(search.unit, deadSince: first) }
        search.page = page
        self.search = search
        if store.settings.plantedBugs.contains(.collectsByTime) {
            return erase(page.entries) { [self] in endPage(left: 0) }
        }
        guard !search.isBlocked, !page.entries.isEmpty else { return endPage(left: page.entries.count) }
        let unit = units[search.unit]
        let keyspace = store.keyspaces[unit.keyspace]
        let place = CollectionPlace(
            keyspace: keyspace.settings.id, generation: keyspace.generation, slots: unit.slots)
        receive(.begin(place, owners: (unit.others + [machine.node]).sorted(), page.entries))
    }

    private func finished(_ outcome: TombstoneCollectionOutcome) {
        guard let search else { return }
        var left = search.page.entries.count
        switch outcome {
        case .collected(let count, _):
            status.rounds += 1
            left -= count
        case .blocked(let node, let phase):
            status.failures += 1
            status.blocked = (node, phase)
            self.search?.isBlocked = true
        case .abandoned:
            status.failures += 1
            self.search?.isBlocked = true
        }
        endPage(left: left)
    }

    private func endPage(left: Int) {
        guard var search else { return }
        search.left += left
        search.after = search.page.last ?? []
        self.search = search
        isSearching = false
        if search.page.last == nil { endSearch(search) }
        searchSoon()
    }

    private func endSearch(_ search: Search) {
        self.search = nil
        lastUnit = search.unit
        earliest[search.unit] = store.loop.now.nanoseconds + machine.settings.period
        awaiting[search.unit] = search.left
        if search.left > 0 { note(search.unit, deadSince: 0) }
        publish()
    }

    private func publish() {
        status.awaiting = awaiting.reduce(0, +)
        if status.awaiting == 0 { status.blocked = nil }
        let status = status
        replication.counters.tombstones.withLock { $0 = status }
    }
}
