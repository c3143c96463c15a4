internal import MartletCore
public import MartletRuntime
internal import Synchronization

/// One worker's share of the node's data: pages of keys, counts, the sweep of expired records, the emptying of
/// keyspaces. Point reads and writes go through the store that it shares with the ReplicaCoordinator of its worker.
public actor Replica {
    public nonisolated let loop: any EventLoop
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    let store: RecordStore
    private let reads: BlockingReads?
    private var sweepPlaces: [UInt64]
    private var isStopping = false
    /// Sweeps and reclaims that have not ended.
    private var activities = 0

    init(store: Confined<RecordStore>, reads: BlockingReads?, loop: any EventLoop) {
        self.loop = loop
        self.store = store.handedOver
        self.reads = reads
        sweepPlaces = Array(repeating: 0, count: store.handedOver.keyspaces.count)
    }

    /// A run of a keyspace's keys in the order of slot and hash.
    public struct Page: Sendable {
        public var keys: [[UInt8]] = []
        /// Where the next page begins; nil if this was the last.
        public var next: UInt64?
        /// The stored keys of records that have expired.
        var expired: [[UInt8]] = []
        /// Records seen, expired ones included.
        var records = 0
    }

    /// Records of a keyspace on this node; nil if they have to be counted first.
    public func count(keyspace: Int) -> Int? {
        let totals = store.keyspaces[keyspace].totals
        return totals.isKnown.load(ordering: .relaxed) ? totals.records.load(ordering: .relaxed) : nil
    }

    /// The live keys from `place` (slot and hash) on, `limit` or a few more: keys of one place are never split.
    ///
    /// It sees every write acknowledged before, and those of the caller's own that are on their way.
    public func page(
        keyspace: Int, from place: UInt64, limit: Int, slot: UInt16? = nil
    ) async throws(StorageError) -> Page {
        await settled()
        let state = store.keyspaces[keyspace]
        let lower = StoredKey.lowerBound(
            keyspace: state.settings.id, generation: state.generation, slot: UInt16(place >> 40),
            hash: place & 0xff_ffff_ffff)
        var upper = StoredKey.upperBound(keyspace: state.settings.id, generation: state.generation)
        if let slot, slot + 1 < UInt16(Slot.count) {
            upper = StoredKey.lowerBound(keyspace: state.settings.id, generation: state.generation, slot: slot + 1)
        }
        let now = store.clock.wallMicroseconds / 1000
        return try await scan(from: lower, to: upper, limit: limit, now: now)
    }

    /// Reads records of a range off the loop if that may block.
    private func scan(
        from lower: [UInt8], to upper: [UInt8], limit: Int, now: Int64
    ) async throws(StorageError) -> Page {
        let snapshot = try store.backend.snapshot()
        guard let reads else { return try Self.scan(snapshot, from: lower, to: upper, limit: limit, now: now) }
        let result: Result<Page, StorageError> = await withCheckedContinuation { continuation in
            reads.run { _ in
                let result = Result { () throws(StorageError) in
                    try Self.scan(snapshot, from: lower, to: upper, limit: limit, now: now)
                }
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }

    private static func scan(
        _ snapshot: any StorageSnapshot, from lower: [UInt8], to upper: [UInt8], limit: Int, now: Int64
    ) throws(StorageError) -> Page {
        var page = Page()
        var last: UInt64 = 0
        try withBytes(of: lower) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { key, record in
                    let place = StoredKey.place(of: key)
                    if page.records >= limit, place != last {
                        page.next = place
                        return .stop
                    }
                    last = place
                    page.records += 1
                    // A damaged record's key is listed: reading it says what is wrong.
                    let view = try? RecordView(record, storedKey: key)
                    if let view, view.expiry <= now {
                        page.expired.append(key.array)
                    } else if view?.isTombstone != true {
                        page.keys.append(key.slice(StoredKey.prefixLength, key.byteCount))
                    }
                    return .continue
                }
            }
        }
        return page
    }

    /// Waits until all commits of this worker are done.
    func settled() async {
        guard !store.isInline else { return }
        let newest = store.newestCommit
        while store.committed < newest {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                store.needTurnEnd()
                store.whenCommitted { continuation.resume() }
            }
        }
    }

    // MARK: Emptying a keyspace

    /// Puts a keyspace's next generation into the backend, as durable as it can be; the first step of a flush.
    func recordGeneration(_ generation: UInt32, keyspace: Int) async throws(StorageError) {
        do throws(StorageError) {
            try await store.finished(try store.record(generation: generation, keyspace: keyspace))
        } catch {
            store.recordedGenerations[keyspace] = store.keyspaces[keyspace].generation
            throw error
        }
    }

    /// Serves the keyspace under another generation from now on, unless it serves it under a later one; the second
    /// step.
    func enter(generation: UInt32, keyspace: Int) { store.enter(generation: generation, keyspace: keyspace) }

    /// Erases the records of former generations, a few at a time.
    func reclaim(keyspace: Int) async {
        activities += 1
        defer { activities -= 1 }
        let state = store.keyspaces[keyspace]
        let lower = StoredKey.lowerBound(keyspace: state.settings.id, generation: 0)
        let upper = StoredKey.lowerBound(keyspace: state.settings.id, generation: state.generation)
        while !isStopping, store.failure == nil {
            guard let keys = try? await storedKeys(from: lower, to: upper, limit: 512), !keys.isEmpty else { return }
            do throws(StorageError) {
                try await commitOwn { batch in
                    for key in keys { withBytes(of: key) { batch.delete($0) } }
                }
            } catch { return }
            await pause(.milliseconds(1))
        }
    }

    private func storedKeys(from lower: [UInt8], to upper: [UInt8], limit: Int) async throws(StorageError) -> [[UInt8]]
    {
        let snapshot = try store.backend.snapshot()
        let work: @Sendable () -> [[UInt8]] = {
            var keys: [[UInt8]] = []
            try? withBytes(of: lower) { lower throws(StorageError) in
                try withBytes(of: upper) { upper throws(StorageError) in
                    try snapshot.scan(from: lower, to: upper) { key, _ in
                        keys.append(key.array)
                        return keys.count < limit ? .continue : .stop
                    }
                }
            }
            return keys
        }
        guard let reads else { return work() }
        return await withCheckedContinuation { continuation in
            reads.run { _ in continuation.resume(returning: work()) }
        }
    }

    private func commitOwn(
        durability: Durability = .none, _ build: (inout WriteBatch) -> Void
    ) async throws(StorageError) {
        try await store.finished(try store.applyOwn(durability: durability, build))
    }

    private func pause(_ duration: Duration) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.schedule(after: duration) { continuation.resume() }
        }
    }

    // MARK: Expiry

    /// Looks for expired records every 100 ms while there are any that expire, and erases them. Runs until ``stop()``.
    func sweep() async {
        activities += 1
        defer { activities -= 1 }
        while !isStopping {
            await pause(.milliseconds(100))
            // Of a key with replicas, an expired value is a tombstone as it stands: there is nothing to erase.
            guard !store.isReplicated else { continue }
            for index in store.keyspaces.indices where !isStopping && store.failure == nil {
                guard store.keyspaces[index].totals.expiring.load(ordering: .relaxed) > 0 else { continue }
                await sweepStep(keyspace: index)
            }
        }
    }

    private func sweepStep(keyspace: Int) async {
        var budget = 8
        while budget > 0 {
            budget -= 1
            guard let page = try? await page(keyspace: keyspace, from: sweepPlaces[keyspace], limit: 250) else {
                return
            }
            sweepPlaces[keyspace] = page.next ?? 0
            // A record is written by the worker of its key alone: others may hold a newer one in their table.
            let expired = page.expired.filter { store.owns(storedKey: $0) }
            let residency = await makeResident(expired)
            for storedKey in expired { erase(storedKey, keyspace: keyspace) }
            residency.release()
            // Few are expired here: the rest can wait for the next step.
            if page.expired.count * 10 < page.records || page.next == nil { return }
        }
    }

    private func makeResident(_ storedKeys: [[UInt8]]) async -> Residency {
        let residency = Residency()
        guard !store.isInline else { return residency }
        residency.require(storedKeys, in: store)
        while !residency.isReady {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                store.whenLoaded { continuation.resume() }
            }
        }
        return residency
    }

    /// Erases a record if it is still there and expired.
    private func erase(_ storedKey: [UInt8], keyspace: Int) {
        let now = store.clock.wallMicroseconds / 1000
        let transaction = Transaction(store: store)
        transaction.begin(keyspace: keyspace, nowMilliseconds: now)
        withBytes(of: storedKey) { key in
            if transaction.facts(key.extracting(StoredKey.prefixLength..<key.byteCount)) == nil {
                store.counters.expired += 1
            }
        }
        _ = transaction.end()
    }

    func stop() async {
        isStopping = true
        while activities > 0 { await pause(.milliseconds(5)) }
        await settled()
    }

    func totals(keyspace: Int) -> KeyspaceTotals { store.keyspaces[keyspace].totals }
    func generation(keyspace: Int) -> UInt32 { store.keyspaces[keyspace].generation }
    /// By keyspace; nil if the backend takes no writes any more.
    var generations: [UInt32]? { store.failure == nil ? store.keyspaces.map(\.generation) : nil }

    /// Keeps the counts, where known, for the start after an orderly close.
    func recordCounts(_ counts: [Int?], marksClose: Bool) async throws(StorageError) {
        guard !store.isInline, store.failure == nil else { return }
        let ids = store.keyspaces.map(\.settings.id)
        try await commitOwn { batch in
            if marksClose { withBytes(of: DataStart.closedKey) { key in withBytes(of: [1]) { batch.put(key, $0) } } }
            for (id, count) in zip(ids, counts) {
                withBytes(of: StoredKey.meta("count/\(id)")) { key in
                    guard let count else { return batch.delete(key) }
                    var value = ByteBuffer(capacity: 8)
                    value.append(littleEndian: UInt64(max(0, count)))
                    value.withBytes { batch.put(key, $0) }
                }
            }
        }
    }

    /// Ends the reader's turn for good, before the backend is closed.
    func releaseReader() { store.reader.refresh() }
}
