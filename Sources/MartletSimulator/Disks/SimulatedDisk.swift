internal import MartletCore
public import MartletRuntime

/// A disk of a simulation, with the engine on it: an ordered map and the log of the batches that are not synced.
///
/// It outlives the process that uses it. The fault model, which real engines keep to (DESIGN 9) or are made to by their
/// own checks:
/// - a crash loses what was not synced, but for a prefix of the batches, drawn from the seed. A batch that was torn is
///   dropped whole, since an engine recovers to a prefix. What was synced stays. A volatile disk loses everything;
/// - work on it takes time drawn from the seed; it may be slow (``slowness``) or stand still (``stalledUntil``);
/// - a write or a sync may fail (``failNextWrite``, ``failNextSync``). That is final for the handle: later writes are
///   refused as poisoned, reads go on, and what was not synced may or may not be there after the next open;
/// - a read may fail (``failingReads``), which is not final;
/// - the disk may be full (``isFull``): batches are refused with nothing applied, until it is not full any more;
/// - a stored record may be damaged (``damage(_:)``): a bit flips, it is cut short, or what was meant for another
///   record lies in its place. Keys, and what the node keeps for itself, are not hit: engines check their own pages;
/// - a record may not be written although the disk says so (``phantomWrites``): what was there before stays;
/// - a read may be answered with another record (``misdirectedReads``);
/// - the process may die right before or after a sync (``crashAtSync``).
/// A sync that succeeds has synced: disks that lie are tested as a planted bug only (``plantedBug``).
public final class SimulatedDisk: @unchecked Sendable {  // its state is behind a lock; the rest is set once
    /// What the engine on it declares of itself.
    public struct Settings: Sendable {
        /// Nothing survives the process.
        public var isVolatile = false
        /// Reads wait for the disk.
        public var readsMayBlock = false

        public init(isVolatile: Bool = false, readsMayBlock: Bool = false) {
            self.isVolatile = isVolatile
            self.readsMayBlock = readsMayBlock
        }
    }

    /// What it did and what befell it, for a run's table.
    public struct Counters: Sendable, Equatable {
        public var batches = 0
        public var syncs = 0
        public var failedWrites = 0
        public var failedSyncs = 0
        public var failedReads = 0
        /// Batches refused for want of space.
        public var refusals = 0
        /// Records that were damaged.
        public var damagedRecords = 0
        /// Records that were not written, as nobody was told.
        public var phantomWrites = 0
        public var crashes = 0
        /// Batches that were not synced at a crash, and those of them that were lost.
        public var unsyncedBatches = 0
        public var lostBatches = 0
    }

    /// What a crash took: everything that was written from this moment on, whole batches.
    public struct Loss: Sendable, Equatable {
        public var from: MonotonicTime
    }

    /// Where within a sync the process dies.
    public enum CrashPoint: Sendable { case before, after }

    struct State {
        /// What is synced.
        var durable: any StorageBackend
        /// What is not, in order.
        var unsynced: [LoggedBatch] = []
        weak var handle: SimulatedBackend?
        var counters = Counters()
        var slowness = 1
        var stalledUntil = MonotonicTime(nanoseconds: 0)
        var isFull = false
        var failNextWrite = false
        var failNextSync = false
        var failingReads = 0
        var misdirectedReads = 0
        var phantomWrites = 0
        var crashAtSync: CrashPoint?
        var plantedBug: PlantedBug?
        /// Keys of clients whose records have a flipped bit.
        var damagedKeys: [[UInt8]] = []
    }

    public let settings: Settings
    let state: Lock<State>
    let random: SeededRandomSource
    private let now: @Sendable () -> MonotonicTime
    private let onCrashPoint: Lock<(@Sendable () -> Void)?> = Lock(nil)

    /// A disk with nothing on it.
    ///
    /// - Parameter now: the simulation's time, by which a loss is told.
    public init(
        _ settings: Settings = Settings(), random: SeededRandomSource, now: @escaping @Sendable () -> MonotonicTime
    ) {
        self.settings = settings
        self.random = random
        self.now = now
        state = Lock(State(durable: Self.emptyMap()))
    }

    /// A disk of a simulation.
    public convenience init(_ settings: Settings = Settings(), on executor: SimulationExecutor) {
        self.init(settings, random: executor.random.split()) { executor.now }
    }

    public var counters: Counters { state.withLock { $0.counters } }

    /// The engine as a node opens it.
    public var kind: BackendKind {
        BackendKind(
            name: "simulated", summary: "an ordered map on a disk that fails as it is told", version: "built in",
            needsDirectory: { _ in false }, settings: []
        ) { [self] _ throws(StorageError) in try open() }
    }

    // MARK: Faults

    /// How many times longer work takes than on a disk that is well.
    public var slowness: Int {
        get { state.withLock { $0.slowness } }
        set { state.withLock { $0.slowness = newValue } }
    }
    /// Work waits until then.
    public var stalledUntil: MonotonicTime {
        get { state.withLock { $0.stalledUntil } }
        set { state.withLock { $0.stalledUntil = newValue } }
    }
    /// Batches are refused with ``StorageError/Code/outOfSpace``.
    public var isFull: Bool {
        get { state.withLock { $0.isFull } }
        set { state.withLock { $0.isFull = newValue } }
    }
    /// The next batch is not written, and the handle is poisoned.
    public var failNextWrite: Bool {
        get { state.withLock { $0.failNextWrite } }
        set { state.withLock { $0.failNextWrite = newValue } }
    }
    /// The next sync fails, and the handle is poisoned.
    public var failNextSync: Bool {
        get { state.withLock { $0.failNextSync } }
        set { state.withLock { $0.failNextSync = newValue } }
    }
    /// So many reads to come fail.
    public var failingReads: Int {
        get { state.withLock { $0.failingReads } }
        set { state.withLock { $0.failingReads = newValue } }
    }
    /// So many reads to come are answered with another record than was asked for.
    public var misdirectedReads: Int {
        get { state.withLock { $0.misdirectedReads } }
        set { state.withLock { $0.misdirectedReads = newValue } }
    }
    /// Hears of each client's key that was asked for by a read that went astray.
    var onStray: (@Sendable ([UInt8]) -> Void)?

    func noteStray(_ key: [UInt8]) {
        state.withLock { $0.damagedKeys.append(key) }
        onStray?(key)
    }

    /// So many of the clients' records to be written are not.
    public var phantomWrites: Int {
        get { state.withLock { $0.phantomWrites } }
        set { state.withLock { $0.phantomWrites = newValue } }
    }
    /// Hears of each client's key whose record was not written.
    var onPhantom: (@Sendable ([UInt8]) -> Void)?

    /// Whether a stored key is that of a client's record.
    static func isClients(_ key: RawSpan) -> Bool {
        key.byteCount > StoredKey.prefixLength && key.byte(0) == StoredKey.Class.data.rawValue
    }

    /// What of a batch is written.
    func written(of batch: borrowing WriteBatch) -> WriteBatch {
        var written = WriteBatch()
        var lost: [[UInt8]] = []
        state.withLock { state in
            batch.forEach { key, value, isDelete in
                if state.phantomWrites > 0, Self.isClients(key) {
                    state.phantomWrites -= 1
                    state.counters.phantomWrites += 1
                    lost.append(key.slice(StoredKey.prefixLength, key.byteCount))
                } else if isDelete {
                    written.delete(key)
                } else {
                    written.put(key, value)
                }
            }
        }
        for key in lost { onPhantom?(key) }
        return written
    }

    /// A bug that is to be caught.
    public var plantedBug: PlantedBug? {
        get { state.withLock { $0.plantedBug } }
        set { state.withLock { $0.plantedBug = newValue } }
    }
    /// Whether the open handle takes no writes any more.
    public var isPoisoned: Bool { state.withLock { $0.handle }?.isPoisoned ?? false }
    /// Clients' keys whose records were hit by ``flipBit()``.
    public var damagedKeys: [[UInt8]] { state.withLock { $0.damagedKeys } }

    /// Has `kill` called right before, or right after, the next sync.
    public func crashAtSync(_ point: CrashPoint, kill: @escaping @Sendable () -> Void) {
        onCrashPoint.withLock { $0 = kill }
        state.withLock { $0.crashAtSync = point }
    }

    /// Takes ``crashAtSync(_:kill:)`` back.
    public func forgetCrashPoint() { state.withLock { $0.crashAtSync = nil } }

    func passed(_ point: CrashPoint) {
        let isDue = state.withLock { state in
            guard state.crashAtSync == point else { return false }
            state.crashAtSync = nil
            return true
        }
        if isDue { onCrashPoint.withLock { $0.take() }?() }
    }

    /// How a stored record is damaged.
    public enum Damage: Sendable { case flippedBit, cutShort, misdirected }

    /// Flips a bit of a record of a client's key, drawn from the seed. O(records).
    ///
    /// - Returns: the client's key; nil if no record is stored.
    @discardableResult
    public func flipBit() -> [UInt8]? { damage(.flippedBit) }

    /// Damages a record of a client's key, drawn from the seed. O(records).
    ///
    /// - Returns: the client's key; nil if there is none that can be damaged so.
    public func damage(_ damage: Damage) -> [UInt8]? {
        guard let handle = state.withLock({ $0.handle }), let hit = handle.drawRecord(random) else { return nil }
        var record = hit.record
        switch damage {
        case .flippedBit:
            let bit = random.below(record.count * 8)
            record[bit / 8] ^= 1 << UInt8(bit % 8)
        case .cutShort: record.removeLast(1 + random.below(record.count))
        case .misdirected:
            guard let other = handle.drawRecord(random), other.key != hit.key else { return nil }
            record = other.record
        }
        let key = Array(hit.key.dropFirst(StoredKey.prefixLength))
        state.withLock { state in
            state.counters.damagedRecords += 1
            state.damagedKeys.append(key)
            var stored: [UInt8]?
            _ = try? withBytes(of: hit.key) { key throws(StorageError) in
                try state.durable.snapshot().read(key) { stored = $0.array }
            }
            if stored == hit.record { Self.put(hit.key, record, into: state.durable) }
        }
        Self.put(hit.key, record, into: handle.live)
        return key
    }

    /// The hints that are stored, by key; of a disk that nobody has open, those that outlived its last process.
    func hints() -> [[UInt8]: [UInt8]] {
        let kind = StoredKey.Class.hint.rawValue
        let map = state.withLock { $0.handle?.live ?? $0.durable }
        var hints: [[UInt8]: [UInt8]] = [:]
        _ = try? withBytes(of: [kind]) { lower throws(StorageError) in
            try withBytes(of: [kind + 1]) { upper throws(StorageError) in
                try map.snapshot().scan(from: lower, to: upper) { key, value in
                    hints[key.array] = value.array
                    return .continue
                }
            }
        }
        return hints
    }

    // MARK: Open and crash

    func open() throws(StorageError) -> SimulatedBackend {
        if state.withLock({ $0.handle == nil && !$0.unsynced.isEmpty }) { crash() }
        return try state.withLock { state throws(StorageError) in
            guard state.handle == nil else { throw StorageError(.inUse, "simulated disk: in use") }
            let live = Self.emptyMap()
            try Self.copy(from: state.durable, to: live)
            let handle = SimulatedBackend(self, live: live)
            state.handle = handle
            return handle
        }
    }

    /// The process that used it died, or gave a poisoned handle up: what was not synced is lost but for a prefix.
    ///
    /// - Returns: what was lost; nil if nothing was.
    @discardableResult
    public func crash() -> Loss? {
        let handle = state.withLock { state in
            defer { state.handle = nil }
            return state.handle
        }
        handle?.abandon()
        return state.withLock { state in
            state.counters.crashes += 1
            state.crashAtSync = nil
            guard !settings.isVolatile else {
                state.durable = Self.emptyMap()
                return Loss(from: MonotonicTime(nanoseconds: 0))
            }
            let batches = state.unsynced
            state.unsynced = []
            let kept = batches.isEmpty ? 0 : random.below(batches.count + 1)
            for batch in batches.prefix(kept) { Self.apply(batch.batch, to: state.durable) }
            state.counters.unsyncedBatches += batches.count
            state.counters.lostBatches += batches.count - kept
            return kept < batches.count ? Loss(from: batches[kept].time) : nil
        }
    }

    func log(_ batch: borrowing WriteBatch, _ state: inout State) {
        state.unsynced.append(LoggedBatch(batch, at: now()))
    }

    // MARK: Maps

    /// The reference backend holds the pairs; it stands for the engine and its pages.
    static func emptyMap() -> any StorageBackend {
        do throws(StorageError) {
            return try BackendKind.simulatedMap.open(BackendOpening(directory: nil))
        } catch {
            preconditionFailure("a map in memory cannot be opened: \(error)")
        }
    }

    static func apply(_ batch: borrowing WriteBatch, to map: any StorageBackend) {
        do throws(StorageError) {
            try map.apply(batch, durability: .none)
        } catch {
            preconditionFailure("a map in memory takes no batch: \(error)")
        }
    }

    private static func put(_ key: [UInt8], _ value: [UInt8], into map: any StorageBackend) {
        var batch = WriteBatch()
        withBytes(of: key) { key in withBytes(of: value) { batch.put(key, $0) } }
        apply(batch, to: map)
    }

    private static func copy(from: any StorageBackend, to: any StorageBackend) throws(StorageError) {
        var batch = WriteBatch()
        let nothing: [UInt8] = []
        try withBytes(of: nothing) { none throws(StorageError) in
            try from.snapshot().scan(from: none, to: none) { key, value in
                batch.put(key, value)
                return .continue
            }
        }
        apply(batch, to: to)
    }
}

/// A batch in the simulated log.
final class LoggedBatch: Sendable {
    let batch: WriteBatch
    let time: MonotonicTime

    init(_ batch: borrowing WriteBatch, at time: MonotonicTime) {
        var copy = WriteBatch()
        copy.append(batch)
        self.batch = copy
        self.time = time
    }
}
