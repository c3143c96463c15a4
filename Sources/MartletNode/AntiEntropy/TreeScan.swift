internal import MartletCore
internal import MartletRuntime

/// How far the reading of all records is.
struct TreeScan {
    /// The unit that is being read, and where its next page begins.
    var reading: (unit: Int, place: UInt64)?
    /// Whether it is read because its tree is not whole, or too flat.
    var isRebuild = false
    /// Whether it found damaged records.
    var isDamaged = false
    /// Whether a page is on its way.
    var isBusy = false
    /// The next unit of the reading under way; nil while none is.
    var next: Int?
    /// When the next reading of all begins.
    var due: UInt64 = 0
    /// The last unit whose tree was made.
    var lastRebuilt = -1

    /// Making trees is waited for, reading for bit rot is not.
    private(set) var rebuilding = WorkBudget(floor: 1 << 20, ceiling: 64 << 20)
    private(set) var reviewing = WorkBudget(floor: 64 << 10, ceiling: 4 << 20)

    mutating func adapt(latency: UInt64, target: UInt64, now: UInt64) {
        rebuilding.adapt(latency: latency, target: target, now: now)
        reviewing.adapt(latency: latency, target: target, now: now)
    }

    mutating func spend(_ bytes: Int, now: UInt64) {
        if isRebuild { rebuilding.spend(bytes, now: now) } else { reviewing.spend(bytes, now: now) }
    }

    func ready(_ now: UInt64) -> UInt64 { isRebuild ? rebuilding.ready(now) : reviewing.ready(now) }
}

/// Reads all records in the background: to make trees that are not whole, or too flat, and, over and over, to find
/// records that went bad at rest, which are healed as reads heal them, whoever asks for them or not.
extension AntiEntropy {
    private static let pageRecords = 256
    private static let pageBytes = 128 << 10
    /// From one unit without a record to the next.
    private static let pause: UInt64 = 200_000

    func beginScanning() {
        guard !isStopped, !scan.isBusy else { return }
        // A tree to be made does not wait for the pace of the other readings.
        if let reading = scan.reading, !scan.isRebuild, trees.nextToScan(after: scan.lastRebuilt) != nil {
            scan.reading = nil
            scan.next = reading.unit
        }
        proceedScanning(after: 0)
    }

    private func proceedScanning(after wait: UInt64) {
        scanTimer?.cancel()
        scanTimer = nil
        // Of a data center without replicas a node owns nothing.
        guard !isStopped, !scan.isBusy, !machine.units.isEmpty else { return }
        let now = store.loop.now.nanoseconds
        if scan.reading == nil { chooseUnit(now) }
        // What there is to wait for: the pace, or the time of the next reading.
        let at = scan.reading == nil ? scan.due : max(scan.ready(now), now + wait)
        scanTimer = store.loop.schedule(after: .nanoseconds(Int64(clamping: at > now ? at - now : 0))) { [self] in
            scanTimer = nil
            if scan.reading == nil { proceedScanning(after: 0) } else { readPage() }
        }
    }

    private func chooseUnit(_ now: UInt64) {
        scan.isDamaged = false
        if let unit = trees.nextToScan(after: scan.lastRebuilt) {
            scan.isRebuild = true
            scan.lastRebuilt = unit
            scan.reading = (unit, trees.beginScan(unit))
        } else if let unit = scan.next {
            scan.isRebuild = false
            scan.reading = (unit, trees.beginScan(unit))
        } else if scan.due <= now {
            scan.due = now + machine.settings.scanPeriod
            scan.next = 0
            counters.scanned = 0
            chooseUnit(now)
        }
    }

    /// Reads a page once all that was written before is where it is read.
    private func readPage() {
        guard let (unit, place) = scan.reading, store.failure == nil else { return }
        scan.isBusy = true
        trees.beginPage(unit)
        // If that failed, it is not there, and no tree holds it: trees are forgotten then.
        store.whenDone(store.newestCommit) { [weak self] _ in
            guard let self, !isStopped else { return }
            guard store.failure == nil, let snapshot = try? store.backend.snapshot() else { return give(up: unit) }
            let keyspace = store.keyspaces[machine.units[unit].keyspace]
            let stretch = TreeStretch(
                keyspace: keyspace.settings.id, generation: keyspace.generation, from: place,
                upTo: machine.units[unit].slots.upperBound, records: Self.pageRecords, bytes: Self.pageBytes)
            guard let reads = store.reads else { return deliver(try? stretch.page(snapshot), unit) }
            let me = Confined(self, on: store.loop)
            reads.run { _ in
                let page = try? stretch.page(snapshot)
                me.post { me in if !me.isStopped { me.deliver(page, unit) } }
            }
        }
    }

    private func give(up unit: Int) {
        trees.endPage()
        scan.isBusy = false
        scan.reading = nil
        proceedScanning(after: 100_000_000)
    }

    private func deliver(_ page: TreePage?, _ unit: Int) {
        guard let page, store.failure == nil else { return give(up: unit) }
        scan.isBusy = false
        counters.recordsRead += UInt64(page.records)
        counters.damaged += UInt64(page.damaged.count)
        if !page.damaged.isEmpty { scan.isDamaged = true }
        scan.spend(page.bytes, now: store.loop.now.nanoseconds)
        switch trees.deliver(page, unit) {
        case .next(let place)?: scan.reading = (unit, place)
        case .finished(let differing)?:
            scan.reading = nil
            finish(unit, differing)
        case nil: scan.reading = nil  // the tree was given up meanwhile
        }
        if !page.damaged.isEmpty { catchUp.heal(page.damaged) }
        publish()
        proceedScanning(after: page.records == 0 ? Self.pause : 0)
    }

    private func finish(_ unit: Int, _ differing: Int?) {
        counters.corrected += UInt64(differing ?? 0)
        if scan.isDamaged { damaged.insert(unit) } else { damaged.remove(unit) }
        // Who had not known of a record has not known that it is deleted either.
        if differing != 0 { replication.tombstones?.note(unit, deadSince: 0) }
        noteWhole(unit)
        guard !scan.isRebuild else { return }
        counters.scanned = unit + 1
        if unit + 1 < machine.units.count {
            scan.next = unit + 1
        } else {
            scan.next = nil
            counters.scans += 1
            counters.lastScan = store.loop.now.nanoseconds
        }
    }
}
