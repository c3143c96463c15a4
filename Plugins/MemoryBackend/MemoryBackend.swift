internal import MartletCore
internal import MartletRuntime

/// An ordered map in memory behind one lock.
final class MemoryBackend: StorageBackend {
    struct State: Sendable {
        var tree = Tree()
        var snapshots = 0
        var reads: UInt64 = 0
        var bytesApplied: UInt64 = 0
        var isClosed = false
    }

    let properties = BackendProperties(
        name: "memory", isVolatile: true, readsMayBlock: false, maximumDurability: .none)
    private let capacity: Int
    private let state = Lock(State())

    init(capacity: Int) { self.capacity = capacity }

    deinit {
        empty()
        state.withLock { $0.tree.destroy() }
    }

    func makeReader() throws(StorageError) -> any StorageReader { MemoryReader(self) }

    @inline(__always)
    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "memory: closed") }
            state.reads &+= 1
            guard let leaf = state.tree.find(key) else { return false }
            leaf.withValue(body)
            return true
        }
    }

    func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "memory: closed") }
            try admit(batch, to: state.tree)
            func one(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) {
                if isDelete { _ = state.tree.remove(key) } else { state.tree.put(key, value) }
            }
            batch.forEach(one)
            state.bytesApplied &+= UInt64(batch.byteCount)
        }
    }

    /// Refuses a batch that holds too long a key or value, or may lead over the capacity. Nothing of it is applied then.
    @inline(__always)
    private func admit(_ batch: borrowing WriteBatch, to tree: borrowing Tree) throws(StorageError) {
        guard batch.byteCount > Leaf.maximumKeyLength || capacity > 0 else { return }
        try admitSlowly(batch, to: tree)
    }

    private func admitSlowly(_ batch: borrowing WriteBatch, to tree: borrowing Tree) throws(StorageError) {
        var growth = 0
        func one(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) throws(StorageError) {
            guard key.byteCount <= Leaf.maximumKeyLength, value.byteCount <= Leaf.maximumValueLength else {
                throw StorageError(.tooLarge, "memory: keys take up to 65535 bytes and values up to 4 GiB - 1")
            }
            if !isDelete, capacity > 0 { growth += tree.growth(key, value) }
        }
        try batch.forEach(one)
        if capacity > 0, growth > 0, tree.bytes + growth > capacity {
            throw StorageError(.outOfSpace, "memory: the capacity of \(capacity) bytes is used up")
        }
    }

    func sync() throws(StorageError) {}

    func snapshot() throws(StorageError) -> any StorageSnapshot {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.closed, "memory: closed") }
            state.snapshots += 1
            return MemorySnapshot(self, root: state.tree.freeze())
        }
    }

    /// Ends a snapshot. What it alone held is freed in steps, between which others get the lock.
    func release(_ root: Link) {
        state.withLock { state in
            state.snapshots -= 1
            state.tree.discard(root)
        }
        while state.withLock({ $0.tree.reclaim(atMost: 256) }) {}
    }

    func checkpoint(to directory: String) throws(StorageError) {
        throw StorageError(.unsupported, "memory: keeps nothing on disk")
    }

    func statistics() -> StorageStatistics {
        state.withLock { state in
            var found = StorageStatistics()
            found.keys = UInt64(state.tree.count)
            found.bytesInMemory = UInt64(state.tree.bytes)
            found.bytesApplied = state.bytesApplied
            found.reads = [.memtable: state.reads]
            found.counters = [("payload_bytes", UInt64(state.tree.payload)), ("snapshots", UInt64(state.snapshots))]
            return found
        }
    }

    func close() throws(StorageError) { empty() }

    private func empty() {
        state.withLock { state in
            state.isClosed = true
            state.tree.removeAll()
        }
        while state.withLock({ $0.tree.reclaim(atMost: 256) }) {}
    }
}

final class MemoryReader: StorageReader {
    private let backend: MemoryBackend
    init(_ backend: MemoryBackend) { self.backend = backend }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool { try backend.read(key, body) }
    func refresh() {}
}

final class MemorySnapshot: StorageSnapshot {
    private let backend: MemoryBackend
    private let root: Link

    init(_ backend: MemoryBackend, root: Link) {
        self.backend = backend
        self.root = root
    }

    deinit { backend.release(root) }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
        guard let leaf = Tree.find(key, below: root) else { return false }
        leaf.withValue(body)
        return true
    }

    func scan(
        from lower: RawSpan, to upper: RawSpan, _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
    ) throws(StorageError) {
        Tree.scan(below: root, from: lower, to: upper, body)
    }
}
