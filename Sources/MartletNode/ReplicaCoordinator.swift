internal import MartletCore
public import MartletRuntime
internal import Synchronization

/// Drives client operations to the replicas of their keys; one per worker.
///
/// With one owner a key the replica is the worker's own, and an operation whose records are resident finishes
/// synchronously, without a task: a front door enters once per batch of commands (`assumeIsolated` on the loop), then
/// for each command calls ``Transaction/begin(keyspace:nowMilliseconds:)``, runs it and calls ``Transaction/end()``.
/// Over a backend that is not volatile it first makes a batch's records resident (``Residency``), and holds replies
/// back until the commit they depend on is done (``state(of:)``).
public actor ReplicaCoordinator {
    public nonisolated let loop: any EventLoop
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    let store: RecordStore
    /// The worker's transaction, for one command at a time.
    public let transaction: Transaction
    /// Whether clients' writes may be stale.
    public let standstill: StandstillWatch
    private let clock: any NodeClock
    /// The worker's part in its cluster; nil for a node that is alone.
    public internal(set) var replication: Replication?

    init(store: Confined<RecordStore>, loop: any EventLoop, clock: any NodeClock) {
        self.loop = loop
        self.clock = clock
        self.store = store.handedOver
        transaction = Transaction(store: store.handedOver)
        standstill = StandstillWatch(store.handedOver.load)
    }

    /// Begins to watch for standstills of the worker: once the node is open.
    func watchForStandstills() { standstill.start(on: loop) }

    /// Whether commands run without making records resident first.
    public var isInline: Bool { store.isInline }

    /// Milliseconds since 1970, read once a turn of the loop.
    public var wallMilliseconds: Int64 {
        let turn = loop.now
        if turn != wallTurn {
            wallTurn = turn
            standstill.look(at: turn)
            wall = clock.wallMicroseconds / 1000
        }
        return wall
    }
    private var wallTurn = MonotonicTime(nanoseconds: 0)
    private var wall: Int64 = 0

    /// By keyspace how many records the node holds and how many of them expire; nil where they are not counted.
    public var counts: [(records: Int, expiring: Int)?] {
        store.keyspaces.map { keyspace in
            guard keyspace.totals.isKnown.load(ordering: .relaxed) else { return nil }
            return (
                keyspace.totals.records.load(ordering: .relaxed), keyspace.totals.expiring.load(ordering: .relaxed)
            )
        }
    }

    /// What has become of a commit.
    public enum CommitState: Sendable {
        case pending
        case done
        /// Not applied, or not known to be, as the reply says.
        case failed(reply: String)
    }

    /// What has become of the commit that a reply waits for.
    public func state(of commit: UInt64) -> CommitState {
        if store.hasFailed(commit) {
            let error = store.lastError ?? StorageError(.closed, "the commit failed")
            return .failed(reply: TransactionFailure(error).reply)
        }
        return commit <= store.committed ? .done : .pending
    }

    /// Runs `body` once, on the loop, when the next commit is done or has failed.
    public func whenCommitted(_ body: @escaping () -> Void) { store.whenCommitted(body) }

    /// Runs `body` once, on the loop, when some records that were asked for have become resident.
    public func whenLoaded(_ body: @escaping () -> Void) { store.whenLoaded(body) }

    // MARK: Commands over the keys of several workers

    /// Copies of the records of keys of this worker, once all commits of theirs are done.
    ///
    /// What a commit wrote that failed meanwhile is read anew. Throws if a record cannot be read: that is not absence.
    public func copyRecords(of keys: [[UInt8]], keyspace: Int) async throws(StorageError) -> [RecordCopy] {
        let residency = Residency()
        defer { residency.release() }
        residency.require(keys: keys, keyspace: keyspace, in: store)
        while true {
            let isLoading = residency.entries.contains(where: \.isLoading)
            guard isLoading || residency.entries.contains(where: { $0.pendingCommit > store.committed }) else { break }
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                if isLoading {
                    store.whenLoaded { continuation.resume() }
                } else {
                    store.whenCommitted { continuation.resume() }
                }
            }
        }
        if let error = residency.entries.lazy.compactMap(\.loadError).first {
            store.needTurnEnd()  // where entries that nobody needs are forgotten, so that the next command tries again
            throw error
        }
        var copies: [RecordCopy] = []
        for key in keys { copies.append(try store.copy(of: key, keyspace: keyspace)) }
        return copies
    }

    /// Commits what a command over several workers wrote, as one batch; nil if that was done.
    public func commit(_ writes: GatheredWrites) async -> TransactionFailure? {
        do throws(StorageError) {
            try await store.finished(try store.applyGathered(writes))
            return nil
        } catch {
            return TransactionFailure(error)
        }
    }

    /// Takes committed records of this worker's keys into its table.
    public func install(_ records: [RecordCopy]) { store.install(records) }

    // MARK: Residency

    /// Names a key whose record ``requireNamed(in:)`` asks for, together with those of the others named.
    public func name(_ key: RawSpan, keyspace: Int, in residency: Residency) {
        guard key.byteCount <= store.keyspaces[keyspace].settings.maximumKey else { return }
        residency.name(key, keyspace: keyspace, in: store)
    }

    /// Asks for the records of the keys that were named and keeps them in memory until the residency is released.
    public func requireNamed(in residency: Residency) { residency.requireNamed(in: store) }
}

/// Records that a batch of commands needs in memory while it runs.
public final class Residency {
    var entries: [RecordEntry] = []
    private var firstLoading = 0
    /// Stored keys that were named, their ends in it, and their hashes.
    private var named = ByteBuffer(capacity: 128)
    private var ends: [Int] = []
    private var hashes: [UInt64] = []

    /// Keys that are brought near at once: as many as the processor's nearest cache can hold the records of.
    public static let touches = 32

    public init() {}

    /// Whether all are known, or known to be unreadable.
    public var isReady: Bool {
        while firstLoading < entries.count, !entries[firstLoading].isLoading { firstLoading += 1 }
        return firstLoading == entries.count
    }

    func name(_ key: RawSpan, keyspace: Int, in store: RecordStore) {
        hashes.append(store.locate(key, keyspace: keyspace, behind: &named))
        ends.append(named.count)
    }

    func name(storedKey: RawSpan, in store: RecordStore) {
        hashes.append(store.isInline ? 0 : store.hash(ofStored: storedKey))
        named.append(storedKey)
        ends.append(named.count)
    }

    /// Of a store that keeps nothing resident they are brought near, if they are several.
    func requireNamed(in store: RecordStore) {
        guard !hashes.isEmpty else { return }
        if store.isInline {
            if ends.count > 1 { named.withBytes { store.reader.touch($0, ends: ends) } }
        } else {
            if hashes.count > 1 { store.table.touch(hashes) }
            var start = 0
            for (index, end) in ends.enumerated() {
                keep(named.withBytes(start..<end) { store.fetch($0, hash: hashes[index]) })
                start = end
            }
        }
        named.removeAll()
        ends.removeAll(keepingCapacity: true)
        hashes.removeAll(keepingCapacity: true)
    }

    private func require(_ key: RawSpan, keyspace: Int, in store: RecordStore) {
        name(key, keyspace: keyspace, in: store)
        requireNamed(in: store)
    }

    func require(keys: [[UInt8]], keyspace: Int, in store: RecordStore) {
        guard !store.isInline else { return }
        for key in keys { withBytes(of: key) { name($0, keyspace: keyspace, in: store) } }
        requireNamed(in: store)
    }

    func require(_ storedKeys: [[UInt8]], in store: RecordStore) {
        for storedKey in storedKeys { withBytes(of: storedKey) { require(storedKey: $0, in: store) } }
    }

    private func require(storedKey: RawSpan, in store: RecordStore) {
        guard storedKey.byteCount >= StoredKey.prefixLength else { return }
        let key = storedKey.extracting(StoredKey.prefixLength..<storedKey.byteCount)
        let id = storedKey.bigEndian(1, as: UInt32.self)
        guard let keyspace = store.keyspaces.firstIndex(where: { $0.settings.id == id }) else { return }
        require(key, keyspace: keyspace, in: store)
    }

    func keep(_ entry: RecordEntry) {
        entry.pins += 1
        entries.append(entry)
    }

    public var isEmpty: Bool { entries.isEmpty }

    /// Lets the records go.
    public func release() {
        guard !entries.isEmpty else { return }
        for entry in entries { entry.pins -= 1 }
        entries.removeAll(keepingCapacity: true)
        firstLoading = 0
    }
}
