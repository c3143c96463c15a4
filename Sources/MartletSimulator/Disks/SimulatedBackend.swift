internal import MartletCore
public import MartletRuntime
internal import MemoryBackend

extension BackendKind {
    static var simulatedMap: BackendKind { .memory }
}

/// An open handle of the engine on a simulated disk; ``SimulatedDisk`` says what may befall it.
public final class SimulatedBackend: StorageBackend {
    public let properties: BackendProperties
    private let disk: SimulatedDisk
    /// What is applied, synced or not.
    let live: any StorageBackend
    private enum Condition { case open, poisoned, closed }
    private let condition = Lock(Condition.open)

    init(_ disk: SimulatedDisk, live: any StorageBackend) {
        self.disk = disk
        self.live = live
        properties = BackendProperties(
            name: "simulated", isVolatile: disk.settings.isVolatile, readsMayBlock: disk.settings.readsMayBlock,
            maximumDurability: disk.settings.isVolatile ? .none : .always)
    }

    var isPoisoned: Bool { condition.withLock { $0 == .poisoned } }

    private func checkWritable() throws(StorageError) {
        switch condition.withLock({ $0 }) {
        case .open: return
        case .poisoned: throw StorageError(.poisoned, "simulated disk: an earlier write failed")
        case .closed: throw Self.closed
        }
    }

    private func checkReadable() throws(StorageError) {
        if condition.withLock({ $0 == .closed }) { throw Self.closed }
    }

    private static var closed: StorageError { StorageError(.closed, "simulated disk: closed") }

    /// Fails the handle for good.
    private func poison(_ message: String) -> StorageError {
        condition.withLock { if $0 == .open { $0 = .poisoned } }
        return StorageError(.inputOutput, "simulated disk: \(message)")
    }

    // MARK: Writing

    public func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
        if disk.phantomWrites > 0 { return try write(disk.written(of: batch), durability) }
        try write(batch, durability)
    }

    private func write(_ batch: borrowing WriteBatch, _ durability: Durability) throws(StorageError) {
        try checkWritable()
        let fails = try disk.state.withLock { state throws(StorageError) in
            if state.isFull, !batch.isEmpty {
                state.counters.refusals += 1
                if state.plantedBug == .refusedIsApplied { SimulatedDisk.apply(batch, to: live) }
                throw StorageError(.outOfSpace, "simulated disk: no space left")
            }
            guard !state.failNextWrite else {
                state.failNextWrite = false
                state.counters.failedWrites += 1
                return true
            }
            state.counters.batches += 1
            if !disk.settings.isVolatile { disk.log(batch, &state) }
            return false
        }
        if fails { throw poison("the write failed") }
        // A batch whose sync fails is not seen in this run, and may or may not be there in the next.
        if durability == .always, !disk.settings.isVolatile { try sync() }
        SimulatedDisk.apply(batch, to: live)
    }

    public func sync() throws(StorageError) {
        try checkWritable()
        disk.passed(.before)
        try checkWritable()
        let fails = disk.state.withLock { state in
            if state.failNextSync {
                state.failNextSync = false
                state.counters.failedSyncs += 1
                return true
            }
            state.counters.syncs += 1
            guard state.plantedBug != .acknowledgedBeforeSync else { return false }
            for logged in state.unsynced { SimulatedDisk.apply(logged.batch, to: state.durable) }
            state.unsynced.removeAll(keepingCapacity: true)
            return false
        }
        if fails { throw poison("the sync failed") }
        disk.passed(.after)
        try checkWritable()
    }

    // MARK: Reading

    public func makeReader() throws(StorageError) -> any StorageReader {
        try checkReadable()
        return SimulatedReader(self, try live.makeReader())
    }

    public func snapshot() throws(StorageError) -> any StorageSnapshot {
        try checkReadable()
        return SimulatedSnapshot(self, try live.snapshot())
    }

    /// Throws if this read is one that fails.
    fileprivate func beforeRead() throws(StorageError) {
        try checkReadable()
        let fails = disk.state.withLock { state in
            guard state.failingReads > 0 else { return false }
            state.failingReads -= 1
            state.counters.failedReads += 1
            return true
        }
        if fails { throw StorageError(.inputOutput, "simulated disk: the read failed") }
    }

    /// Another record, of which a client's key is asked and this read is one that goes astray.
    fileprivate func stray(_ key: RawSpan) -> [UInt8]? {
        let isAstray = disk.state.withLock { state in
            guard state.misdirectedReads > 0, SimulatedDisk.isClients(key) else { return false }
            state.misdirectedReads -= 1
            return true
        }
        guard isAstray, let other = drawRecord(disk.random), other.key != key.array else { return nil }
        disk.noteStray(key.slice(StoredKey.prefixLength, key.byteCount))
        return other.record
    }

    /// Whether a read has to wait for the disk, drawn from the seed.
    fileprivate var mustWait: Bool { disk.random.happens(0.5) }

    /// Whether the planted bug hides a damaged record.
    fileprivate func hides(_ key: RawSpan) -> Bool {
        disk.state.withLock { state in
            guard state.plantedBug == .damagedIsAbsent, key.byteCount > StoredKey.prefixLength else { return false }
            return state.damagedKeys.contains(key.slice(StoredKey.prefixLength, key.byteCount))
        }
    }

    /// A record of a client's key, drawn from `random`; nil if none is stored. O(records).
    func drawRecord(_ random: SeededRandomSource) -> (key: [UInt8], record: [UInt8])? {
        var records: [(key: [UInt8], record: [UInt8])] = []
        let lower = [StoredKey.Class.data.rawValue]
        let upper = [StoredKey.Class.meta.rawValue]
        _ = try? withBytes(of: lower) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try live.snapshot().scan(from: lower, to: upper) { key, record in
                    if record.byteCount > 0 { records.append((key.array, record.array)) }
                    return .continue
                }
            }
        }
        return records.isEmpty ? nil : records[random.below(records.count)]
    }

    // MARK: The rest

    public func checkpoint(to directory: String) throws(StorageError) {
        try checkReadable()
        try live.checkpoint(to: directory)
    }

    public func statistics() -> StorageStatistics { live.statistics() }

    public func close() throws(StorageError) {
        let before = condition.withLock { condition in
            defer { condition = .closed }
            return condition
        }
        guard before != .closed else { return }
        if before == .poisoned {
            disk.crash()
        } else {
            disk.state.withLock { state in
                if state.plantedBug != .acknowledgedBeforeSync {
                    for logged in state.unsynced { SimulatedDisk.apply(logged.batch, to: state.durable) }
                }
                state.unsynced = []
                state.handle = nil
            }
        }
        try live.close()
    }

    /// Its process died.
    func abandon() {
        condition.withLock { $0 = .closed }
        try? live.close()
    }
}

/// Reads the newest contents.
private final class SimulatedReader: StorageReader {
    private let backend: SimulatedBackend
    private let inner: any StorageReader

    init(_ backend: SimulatedBackend, _ inner: any StorageReader) {
        self.backend = backend
        self.inner = inner
    }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
        try backend.beforeRead()
        if backend.hides(key) { return false }
        if let record = backend.stray(key) {
            withBytes(of: record) { body($0) }
            return true
        }
        return try inner.read(key, body)
    }

    /// Half of what is asked for happens to be in the engine's memory.
    func readWithoutWaiting(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool? {
        if backend.properties.readsMayBlock, backend.mustWait { return nil }
        return try read(key, body)
    }

    func refresh() { inner.refresh() }
}

private final class SimulatedSnapshot: StorageSnapshot {
    private let backend: SimulatedBackend
    private let inner: any StorageSnapshot

    init(_ backend: SimulatedBackend, _ inner: any StorageSnapshot) {
        self.backend = backend
        self.inner = inner
    }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
        try backend.beforeRead()
        return try inner.read(key, body)
    }

    func scan(
        from lower: RawSpan, to upper: RawSpan, _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
    ) throws(StorageError) {
        try backend.beforeRead()
        try inner.scan(from: lower, to: upper, body)
    }
}
