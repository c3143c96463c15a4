internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// A worker's way to its records: the core that its ReplicaCoordinator and Replica share, used on the worker's loop
/// only.
///
/// Over a volatile backend, reads and writes go straight to the backend, inline. Over any other, records pass through
/// the ``RecordTable``: what commands need is made resident first (``fetch(_:hash:)``), commands run on resident
/// records alone, and their writes form the turn's batch, which the committer takes at the end of the turn. What other
/// owners send of keys that this one holds nothing of goes into that batch without an entry each (``BulkRecords``).
final class RecordStore {
    let loop: any EventLoop
    let clock: any NodeClock
    let settings: NodeSettings
    let worker: Int
    let backend: any StorageBackend
    let reader: any StorageReader
    let isInline: Bool
    let hashSeed: UInt64
    var keyspaces: [KeyspaceState]
    /// By keyspace the greatest generation that this worker has put into the backend, or is about to.
    var recordedGenerations: [UInt32]
    var minting: Minting
    let load: NodeLoad
    var counters = StoreCounters()
    /// ``counters`` as of the last turn, for other threads.
    private let published: Lock<StoreCounters>

    /// Whether other nodes hold replicas too: then a delete leaves a tombstone.
    var isReplicated = false
    /// Sums of what is held, to be compared with other owners'; nil on a node that is alone.
    var trees: Trees?
    /// Hears of a damaged record that a peer's was put in the place of: with a birth that nobody else knows of yet.
    var onReplaced: ((_ storedKey: RawSpan) -> Void)?
    /// Hears that a keyspace was emptied: what is held of a former generation is void.
    var onGeneration: (() -> Void)?
    var table = RecordTable()
    /// What came in bulk and is not to be read from the disk yet, oldest first: not committed, or not ``listed``.
    var bulk: [BulkRecords] = []
    /// Where values are unpacked to be digested.
    var digestScratch = ByteBuffer()
    /// What ``merge(_:storedKey:keyspace:policy:durability:)`` writes; empty between its calls.
    var mergeBatch = WriteBatch()
    var keyScratch = ByteBuffer(capacity: 256)
    private let cacheLimit: Int
    private let committer: Committer?
    let reads: BlockingReads?
    /// What the start found of a former run's data.
    let start: DataStart

    private var turnBatch = WriteBatch()
    private var turnDurability = Durability.none
    /// The number that the turn's batch will be committed under; 1 for the first.
    private(set) var openCommit: UInt64 = 1
    private(set) var committed: UInt64 = 0
    /// What is committed after this stays in memory, for ``mostKept`` commits: listings in use do not show it.
    var listed = UInt64.max
    private static let mostKept: UInt64 = 64
    /// The backend failed for good.
    private(set) var failure: StorageError?
    var noteFailure: (@Sendable (StorageError) -> Void)?
    private var failuresSeen = 0
    private var hasTurnEnd = false
    private var loading = LoadBatch()
    private var loadWaiters: [() -> Void] = []
    private var commitWaiters: [() -> Void] = []

    init(_ parts: WorkerParts) {
        loop = parts.loop
        clock = parts.clock
        settings = parts.settings
        worker = parts.worker
        backend = parts.backend
        reader = parts.reader
        load = parts.load
        isInline = parts.committer == nil
        committer = parts.committer
        published = parts.counters
        reads = parts.reads
        start = parts.start
        hashSeed = parts.settings.hashSeed
        keyspaces = parts.keyspaces
        recordedGenerations = parts.keyspaces.map(\.generation)
        minting = Minting(
            node: parts.nodeIdentifier, incarnation: parts.incarnation, worker: parts.worker, leases: parts.leases)
        cacheLimit = parts.settings.cacheBytes / parts.settings.workers
    }

    // MARK: The end of a turn

    /// Has ``endTurn()`` run once this turn's commands are done.
    func needTurnEnd() {
        guard !hasTurnEnd else { return }
        hasTurnEnd = true
        loop.atTurnEnd { [self] in endTurn() }
    }

    private func endTurn() {
        hasTurnEnd = false
        reader.refresh()
        submitBatch()
        submitLoads()
        let counted = counters
        published.withLock { $0 = counted }
        let readable = min(committed, max(listed, committed - min(committed, Self.mostKept)))
        if !bulk.isEmpty { bulk.removeAll { $0.commit <= readable } }
        if !doubtful.isEmpty { forgetDoubtful(upTo: readable) }
        if !isInline { table.evict(to: cacheLimit, committed: readable) }
    }

    // MARK: Writing

    /// Applies a command's writes: at once over a volatile backend, else into the turn's batch.
    ///
    /// - Returns: the commit that the reply waits for; 0 for none.
    func apply(_ batch: inout WriteBatch, hashes: [UInt64], durability: Durability) throws(StorageError) -> UInt64 {
        if let failure { throw failure }
        if isInline {
            minting.addLease(to: &batch)
            do throws(StorageError) {
                try backend.apply(batch, durability: .none)
            } catch {
                if isReplicated { minting.giveUpBirths() }
                throw error
            }
            needTurnEnd()
            return 0
        }
        var index = 0
        batch.forEach { key, value, isDelete in
            let entry = table.find(key, hash: hashes[index]) ?? insertEntry(key, hash: hashes[index], isLoading: false)
            let before = entry.byteCount
            isDelete ? entry.storeAbsence() : entry.store(value)
            entry.isLoading = false
            entry.pendingCommit = openCommit
            table.resized(entry, from: before)
            index += 1
        }
        turnBatch.append(batch)
        turnDurability = max(turnDurability, durability)
        needTurnEnd()
        return openCommit
    }

    /// Adds an operation of the node's own to the turn's batch, or applies it at once over a volatile backend.
    func applyOwn(
        durability: Durability = .none, _ build: (inout WriteBatch) -> Void
    ) throws(StorageError) -> UInt64 {
        if let failure { throw failure }
        if isInline {
            var batch = WriteBatch()
            build(&batch)
            try backend.apply(batch, durability: .none)
            return 0
        }
        build(&turnBatch)
        turnDurability = max(turnDurability, durability)
        needTurnEnd()
        return openCommit
    }

    private func submitBatch() {
        guard let committer, !turnBatch.isEmpty else { return }
        minting.addLease(to: &turnBatch)
        // A refusal means that a failure is about to be heard of, which fails this commit as well.
        _ = committer.submit(
            &turnBatch, durability: turnDurability, worker: worker, commit: openCommit, failuresSeen: failuresSeen)
        openCommit += 1
        turnBatch.removeAll()
        turnDurability = .none
    }

    /// The commit of the newest write: what the open turn has gathered is committed under the open number.
    var newestCommit: UInt64 { turnBatch.isEmpty ? openCommit - 1 : openCommit }

    /// From when on a listing does not show what is stored.
    struct ListingPoint {
        fileprivate(set) var commit: UInt64
        fileprivate var failures: Int
    }

    /// Of a listing of what is committed now.
    var listingPoint: ListingPoint { ListingPoint(commit: committed, failures: failuresSeen) }

    /// Whether memory still has all that was stored since a listing that ``listed`` covers.
    func keepsAll(since point: ListingPoint) -> Bool {
        point.failures == failuresSeen && committed <= point.commit + Self.mostKept
    }

    /// Runs `body` when the next commit is done or failed.
    func whenCommitted(_ body: @escaping () -> Void) { commitWaiters.append(body) }

    /// Runs `body` once a commit is done, or with the error that it failed with.
    func whenDone(_ commit: UInt64, _ body: @escaping (StorageError?) -> Void) {
        if hasFailed(commit) { return body(lastError ?? failure) }
        if commit <= committed { return body(nil) }
        if let failure { return body(lastError ?? failure) }
        whenCommitted { [self] in whenDone(commit, body) }
    }

    /// Returns once a commit is done; throws why it failed.
    func finished(_ commit: UInt64) async throws(StorageError) {
        let error = await withCheckedContinuation { continuation in
            whenDone(commit) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
    }

    /// Whether a commit failed, whenever that was: who waits for another node besides asks late. O(failures kept).
    @inline(__always)
    func hasFailed(_ commit: UInt64) -> Bool {
        !failures.isEmpty && failures.contains { $0.contains(commit) }
    }
    /// The numbers of commits that failed, those of failures in a row together, ascending; the last ones.
    private var failures: [ClosedRange<UInt64>] = []
    private static let failuresKept = 256

    private func noteFailed(_ commits: ClosedRange<UInt64>) {
        if let last = failures.last, last.upperBound + 1 >= commits.lowerBound {
            failures[failures.count - 1] = last.lowerBound...commits.upperBound
        } else {
            failures.append(commits)
        }
        if failures.count > Self.failuresKept { failures.removeFirst() }
    }

    /// Takes note of what the committer did; called on the loop.
    func receive(_ outcome: Committer.Outcome) {
        switch outcome {
        case .committed(let commit):
            committed = max(committed, commit)
            counters.commits += 1
        case .failed(_, let error):
            submitBatch()  // what this turn gathered may build on what failed: it is refused there
            failuresSeen += 1
            let failed = openCommit - 1
            if failed > committed { noteFailed(committed + 1...failed) }
            if error.code != .outOfSpace {
                failure = StorageError(.poisoned, error.message)  // from now on nothing is even tried
                noteFailure?(error)
            }
            lastError = error
            if isReplicated { minting.giveUpBirths() }
            trees?.forgetAll()
            let done = committed
            reader.refresh()  // what had been committed is read from the disk from now on
            bulk.removeAll()
            table.removeAll { $0.pendingCommit > done && $0.pins == 0 && !$0.isLoading }
            table.forEach { entry in
                if entry.pendingCommit > done {
                    entry.isLoading = true
                    reload(entry)
                }
            }
            for keyspace in keyspaces { keyspace.totals.isKnown.store(false, ordering: .relaxed) }
        }
        let waiters = commitWaiters
        commitWaiters = []
        for waiter in waiters { waiter() }
        // Nothing waits for what failed any more: later commits can be told of.
        if case .failed = outcome { committed = max(committed, failures.last?.upperBound ?? 0) }
        needTurnEnd()
    }
    private(set) var lastError: StorageError?

    // MARK: Making records resident

    /// Whether a stored key's client key belongs to this worker.
    func owns(storedKey: [UInt8]) -> Bool {
        withBytes(of: storedKey) { storedKey in
            guard storedKey.byteCount >= StoredKey.prefixLength else { return false }
            let key = storedKey.extracting(StoredKey.prefixLength..<storedKey.byteCount)
            return Partition.worker(of: key, workers: settings.workers, partitions: settings.partitions) == worker
        }
    }

    /// Makes the stored key of a client's key and returns the hash it is found by in memory.
    func locate(_ key: RawSpan, keyspace: Int, into storedKey: inout ByteBuffer) -> UInt64 {
        storedKey.removeAll()
        return locate(key, keyspace: keyspace, behind: &storedKey)
    }

    /// As ``locate(_:keyspace:into:)``, appended to what the buffer holds.
    func locate(_ key: RawSpan, keyspace: Int, behind storedKeys: inout ByteBuffer) -> UInt64 {
        let state = keyspaces[keyspace]
        let hash = XXH3.hash(key, seed: hashSeed)
        StoredKey.append(
            to: &storedKeys, keyspace: state.settings.id, generation: state.generation, slot: Slot.of(key),
            hash: hash >> 24, key: key)
        return Self.spread(hash, keyspace)
    }

    /// The hash that the record of a client's key is found by in memory.
    func hash(of key: RawSpan, keyspace: Int) -> UInt64 { Self.spread(XXH3.hash(key, seed: hashSeed), keyspace) }

    @inline(__always)
    private static func spread(_ hash: UInt64, _ keyspace: Int) -> UInt64 {
        hash &+ UInt64(truncatingIfNeeded: keyspace) &* 0x9e37_79b9_7f4a_7c15
    }

    /// The entry of a stored key, made to load if the table has none. Only over a backend that is not volatile.
    func fetch(_ key: RawSpan, hash: UInt64) -> RecordEntry {
        if let entry = table.find(key, hash: hash) {
            entry.frequency = min(3, entry.frequency + 1)
            counters.cacheHits += 1
            return entry
        }
        if let entry = entryOfBulk(key, hash: hash) { return entry }
        counters.cacheMisses += 1
        let entry = insertEntry(key, hash: hash, isLoading: true)
        reload(entry)
        return entry
    }

    func insertEntry(_ key: RawSpan, hash: UInt64, isLoading: Bool) -> RecordEntry {
        let entry = RecordEntry(hash: hash, key: key, isLoading: isLoading)
        table.insert(entry)
        return entry
    }

    private func reload(_ entry: RecordEntry) {
        if read(entry, waiting: reads == nil) { return }
        loading.add(entry)
        needTurnEnd()
    }

    /// Reads an entry's record on the loop even if that blocks: where a command reads a key it did not declare.
    func readNow(_ entry: RecordEntry) { _ = read(entry, waiting: true) }

    /// Reads an entry's record on the loop; false if that could not be done without waiting for a disk.
    private func read(_ entry: RecordEntry, waiting: Bool) -> Bool {
        let before = entry.byteCount
        do throws(StorageError) {
            var record = ByteBuffer()
            let found = try entry.withKey { key throws(StorageError) in
                waiting
                    ? try reader.read(key) { record.append($0) }
                    : try reader.readWithoutWaiting(key) { record.append($0) }
            }
            guard let found else { return false }
            if found { record.withBytes { entry.store($0) } } else { entry.storeAbsence() }
            entry.loadError = nil
        } catch {
            entry.storeAbsence()
            entry.loadError = error
            entry.withKey { doubt($0) }
        }
        entry.isLoading = false
        table.resized(entry, from: before)
        needTurnEnd()
        return true
    }

    /// Runs `body` over what is committed now, off the loop where reads may block; `done` hears the result on the loop,
    /// in this turn or a later one, nil if it failed.
    func readCommitted<Result: Sendable>(
        _ body: @escaping @Sendable (any StorageSnapshot) throws(StorageError) -> Result,
        _ done: @escaping (Result?) -> Void
    ) {
        guard let snapshot = try? backend.snapshot() else { return done(nil) }
        guard let reads else { return done(try? body(snapshot)) }
        let done = Confined(done, on: loop)
        reads.run { _ in
            let result = try? body(snapshot)
            done.post { $0(result) }
        }
    }

    /// Runs `body` when some records that were asked for have become resident.
    func whenLoaded(_ body: @escaping () -> Void) { loadWaiters.append(body) }

    /// Stored keys whose records could not be read, or came damaged, which may have befallen them on their way from the
    /// disk only: their entries leave the table at the turn's end, or once nobody needs them, so that who asks next
    /// reads the disk anew.
    private var doubtful: [[UInt8]] = []

    /// Counts a record that turned out to be damaged.
    func noteDamage(_ storedKey: RawSpan) {
        counters.damaged += 1
        doubt(storedKey)
    }

    /// Has a record read anew by who asks next: what is in memory may not be what is stored.
    func doubt(_ storedKey: RawSpan) {
        guard !isInline else { return }
        doubtful.append(storedKey.array)
        needTurnEnd()
    }

    private func forgetDoubtful(upTo readable: UInt64) {
        doubtful.removeAll { storedKey in
            let entry = withBytes(of: storedKey) { table.find($0, hash: hash(ofStored: $0)) }
            guard let entry, !entry.isLoading, entry.pendingCommit <= committed else { return true }
            guard entry.pins == 0, entry.pendingCommit <= readable else { return false }
            table.remove(entry)
            return true
        }
    }

    private func submitLoads() {
        guard let reads, !loading.isEmpty else { return }
        let batch = Confined(loading)
        loading = LoadBatch()
        let me = Confined(self, on: loop)
        reads.run { reader in
            batch.value.read(from: reader)
            me.post { store in store.receive(batch.value) }
        }
    }

    private func receive(_ batch: LoadBatch) {
        batch.deliver { entry, record in
            guard entry.isLoading else { return }  // a write has replaced it meanwhile
            let before = entry.byteCount
            if let record { entry.store(record) } else { entry.storeAbsence() }
            entry.loadError = batch.error
            entry.isLoading = false
            if batch.error != nil { entry.withKey { doubt($0) } }
            table.resized(entry, from: before)
        }
        let waiters = loadWaiters
        loadWaiters = []
        for waiter in waiters { waiter() }
        needTurnEnd()
    }
}

/// Point reads that may wait for a disk: one thread with a reader of its own, for one worker.
final class BlockingReads: Sendable {
    private let executor: any BlockingExecutor
    private let reader: Confined<any StorageReader>

    init(reader: sending any StorageReader, executor: any BlockingExecutor) {
        self.executor = executor
        self.reader = Confined(reader)
    }

    func run(_ body: @escaping @Sendable (any StorageReader) -> Void) {
        executor.submit { [reader] in body(reader.value) }
    }

    func shutdown() { executor.shutdown() }
}

/// What a worker's store is made of.
struct WorkerParts {
    var worker: Int
    var loop: any EventLoop
    var clock: any NodeClock
    var settings: NodeSettings
    var backend: any StorageBackend
    var reader: any StorageReader
    var committer: Committer?
    var reads: BlockingReads?
    var keyspaces: [KeyspaceState]
    var nodeIdentifier: UInt32
    var incarnation: UInt64
    var leases: LeaseKeeper
    var start: DataStart
    var counters: Lock<StoreCounters>
    var load: NodeLoad
}

/// A keyspace as one worker sees it.
struct KeyspaceState: Sendable {
    var settings: KeyspaceSettings
    /// Raised by FLUSHDB; part of every stored key.
    var generation: UInt32
    /// Shared by the node's workers.
    let totals: KeyspaceTotals
    /// What is kept of writes that did not know of each other.
    var policy = ConflictPolicy.latest
}

/// How many records of a keyspace a node holds; shared by its workers.
final class KeyspaceTotals: Sendable {
    /// Records, expired ones that were not swept yet included.
    let records = Atomic<Int>(0)
    /// Records with an expiry; what makes the sweep run. An estimate after a restart.
    let expiring = Atomic<Int>(0)
    /// Whether ``records`` counts all: not so after an unclean start, or a failed commit, until they are counted.
    let isKnown = Atomic<Bool>(true)
}

/// What a worker counts for INFO and the compare report.
struct StoreCounters: Sendable {
    var cacheHits: UInt64 = 0
    var cacheMisses: UInt64 = 0
    var commits: UInt64 = 0
    var damaged: UInt64 = 0
    var expired: UInt64 = 0
}
