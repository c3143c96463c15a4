internal import MartletCore
internal import MartletRuntime

/// An ordered map in memory behind one lock.
final class MemoryBackend: StorageBackend {
    struct State: Sendable {
        var pairs: [(key: [UInt8], value: [UInt8])] = []
        var bytes = 0
        var bytesApplied: UInt64 = 0
        var isClosed = false
    }

    let properties = BackendProperties(
        name: "memory", isVolatile: true, readsMayBlock: false, maximumDurability: .none)
    private let capacity: Int
    private let state = Lock(State())

    init(capacity: Int) { self.capacity = capacity }

    func makeReader() throws(StorageError) -> any StorageReader { MemoryReader(self) }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "memory: closed") }
            return state.pairs.lend(key, body)
        }
    }

    func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
        let capacity = capacity
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "memory: closed") }
            let before = (capacity > 0 ? state.pairs : [], state.bytes)
            var puts = false
            func one(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) {
                puts = puts || !isDelete
                let at = state.pairs.firstIndex(from: key)
                if at < state.pairs.count, withBytes(of: state.pairs[at].key, { $0.equals(key) }) {
                    state.bytes -= key.byteCount + state.pairs[at].value.count
                    if isDelete {
                        state.pairs.remove(at: at)
                    } else {
                        state.pairs[at].value = value.array
                        state.bytes += key.byteCount + value.byteCount
                    }
                } else if !isDelete {
                    state.pairs.insert((key.array, value.array), at: at)
                    state.bytes += key.byteCount + value.byteCount
                }
            }
            batch.forEach(one)
            if capacity > 0, puts, state.bytes > capacity, state.bytes > before.1 {
                (state.pairs, state.bytes) = before
                throw StorageError(.outOfSpace, "memory: the capacity of \(capacity) bytes is used up")
            }
            state.bytesApplied += UInt64(batch.byteCount)
        }
    }

    func sync() throws(StorageError) {}

    func snapshot() throws(StorageError) -> any StorageSnapshot {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "memory: closed") }
            return MemorySnapshot(pairs: state.pairs)
        }
    }

    func checkpoint(to directory: String) throws(StorageError) {
        throw StorageError(.unsupported, "memory: keeps nothing on disk")
    }

    func statistics() -> StorageStatistics {
        state.withLock { state in
            var found = StorageStatistics()
            found.keys = UInt64(state.pairs.count)
            found.bytesInMemory = UInt64(state.bytes)
            found.bytesApplied = state.bytesApplied
            return found
        }
    }

    func close() throws(StorageError) {
        state.withLock { state in
            state.isClosed = true
            state.pairs = []
            state.bytes = 0
        }
    }
}

final class MemoryReader: StorageReader {
    private let backend: MemoryBackend
    init(_ backend: MemoryBackend) { self.backend = backend }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool { try backend.read(key, body) }
    func refresh() {}
}

final class MemorySnapshot: StorageSnapshot {
    private let pairs: [(key: [UInt8], value: [UInt8])]
    init(pairs: [(key: [UInt8], value: [UInt8])]) { self.pairs = pairs }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool { pairs.lend(key, body) }

    func scan(
        from lower: RawSpan, to upper: RawSpan, _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
    ) throws(StorageError) {
        for index in pairs.firstIndex(from: lower)..<pairs.count {
            let key = pairs[index].key
            let step = withBytes(of: key) { key in
                if !upper.isEmpty, key.compare(upper) >= 0 { return ScanStep.stop }
                return withBytes(of: pairs[index].value) { body(key, $0) }
            }
            if step == .stop { return }
        }
    }
}

extension [(key: [UInt8], value: [UInt8])] {
    fileprivate func firstIndex(from key: RawSpan) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if withBytes(of: self[middle].key, { $0.compare(key) < 0 }) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    fileprivate func lend(_ key: RawSpan, _ body: (RawSpan) -> Void) -> Bool {
        let at = firstIndex(from: key)
        guard at < count, withBytes(of: self[at].key, { $0.equals(key) }) else { return false }
        withBytes(of: self[at].value) { body($0) }
        return true
    }
}
