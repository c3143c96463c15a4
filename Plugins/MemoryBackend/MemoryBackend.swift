internal import MartletCore
internal import MartletRuntime

/// The tree behind one lock, and the commit log behind another, if there is one. The two are never held together.
final class MemoryBackend: StorageBackend {
    struct State: Sendable {
        var tree = Tree()
        var snapshots = 0
        var reads: UInt64 = 0
        var bytesApplied: UInt64 = 0
        /// What came of looking ahead; nothing reads it.
        var touched: UInt64 = 0
        var isClosed = false
    }

    let properties: BackendProperties
    private let capacity: Int
    private let state: Lock<State>
    private let log: Lock<CommitLog>?

    /// A backend that keeps nothing on disk. `capacity` is in bytes, 0 for no limit.
    init(capacity: Int) {
        self.capacity = capacity
        state = Lock(State())
        log = nil
        properties = BackendProperties(
            name: "memory", isVolatile: true, readsMayBlock: false, maximumDurability: .none)
    }

    /// A backend that logs its batches in a directory, and begins with what it finds there.
    init(capacity: Int, directory: any LogDirectory, policy: CommitLog.Policy) throws(StorageError) {
        var state = State()
        do throws(StorageError) {
            log = Lock(try CommitLog.open(in: directory, policy: policy, into: &state.tree))
        } catch {
            state.tree.removeAll()
            while state.tree.reclaim(atMost: .max) {}
            state.tree.destroy()
            throw error
        }
        self.capacity = capacity
        self.state = Lock(state)
        properties = BackendProperties(
            name: "memory", isVolatile: false, readsMayBlock: false, maximumDurability: .always)
    }

    deinit {
        try? close()
        state.withLock { $0.tree.destroy() }
    }

    func makeReader() throws(StorageError) -> any StorageReader {
        guard !state.withLock({ $0.isClosed }) else { throw Self.closed }
        return MemoryReader(self)
    }

    @inline(__always)
    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw Self.closed }
            state.reads &+= 1
            guard let leaf = state.tree.find(key) else { return false }
            leaf.withValue(body)
            return true
        }
    }

    func touch(_ keys: RawSpan, ends: [Int]) {
        state.withLock { state in
            guard !state.isClosed else { return }
            var first = 0
            while first < ends.count {
                let last = min(first + Tree.walkers, ends.count)
                state.touched &+= state.tree.touch(keys, ends: ends, first..<last)
                first = last
            }
        }
    }

    func snapshot() throws(StorageError) -> any StorageSnapshot { MemorySnapshot(self, root: try freeze()) }

    private func freeze() throws(StorageError) -> Link {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw Self.closed }
            state.snapshots += 1
            return state.tree.freeze()
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

    func statistics() -> StorageStatistics {
        var found = StorageStatistics()
        state.withLock { state in
            found.keys = UInt64(state.tree.count)
            found.bytesInMemory = UInt64(state.tree.bytes)
            found.bytesApplied = state.bytesApplied
            found.reads = [.memtable: state.reads]
            found.counters = [("payload_bytes", UInt64(state.tree.payload)), ("snapshots", UInt64(state.snapshots))]
        }
        log?.withLock { log in
            found.bytesOnDisk = log.directory.bytesOnDisk
            found.bytesWritten = log.bytesWritten
            found.syncs = log.syncs
            found.counters += [("log_bytes", UInt64(log.logBytes)), ("log_snapshots", log.snapshots)]
        }
        return found
    }

    func close() throws(StorageError) {
        let wasOpen = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard wasOpen else { return }
        let ended = log?.withLock { $0.close() }
        if let root = ended?.root { release(root) }
        state.withLock { $0.tree.removeAll() }
        while state.withLock({ $0.tree.reclaim(atMost: 256) }) {}
        if let failure = ended?.failure { throw failure }
    }

    private static var closed: StorageError { StorageError(.closed, "memory: closed") }
}

extension MemoryBackend {
    func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError) {
        guard let log else {
            return try state.withLock { state throws(StorageError) in
                try admit(batch, to: state)
                carryOut(batch, on: &state)
            }
        }
        try state.withLock { state throws(StorageError) in try admit(batch, to: state) }
        let before = try log.withLock { log throws(StorageError) in
            let before = log.bytesWritten
            try log.append(batch, sync: durability == .always)
            return before
        }
        let live = state.withLock { state in
            carryOut(batch, on: &state)
            return state.tree.payload
        }
        advanceSnapshot(log, live: live, since: before)
    }

    func sync() throws(StorageError) {
        guard !state.withLock({ $0.isClosed }) else { throw Self.closed }
        try log?.withLock { log throws(StorageError) in try log.sync() }
    }

    private func carryOut(_ batch: borrowing WriteBatch, on state: inout State) {
        func one(_ key: RawSpan, _ value: RawSpan, _ isDelete: Bool) {
            if isDelete { _ = state.tree.remove(key) } else { state.tree.put(key, value) }
        }
        batch.forEach(one)
        state.bytesApplied &+= UInt64(batch.byteCount)
    }

    /// Does a bounded part of the log's snapshot, on the thread that writes, so that it cannot fall behind the writes.
    private func advanceSnapshot(_ log: Lock<CommitLog>, live: Int, since before: UInt64) {
        let (begins, goesOn) = log.withLock { ($0.wantsSnapshot(live: live), $0.isWritingSnapshot) }
        guard begins || goesOn, let frozen = begins ? try? freeze() : Link.none else { return }
        let done = log.withLock { log in
            if begins { return log.beginSnapshot(frozen) }
            return log.continueSnapshot(appended: Int(log.bytesWritten - before))
        }
        if let done { release(done) }
    }

    /// Refuses a batch that holds too long a key or value, or may lead over the capacity. Nothing of it is applied
    /// then.
    @inline(__always)
    private func admit(_ batch: borrowing WriteBatch, to state: borrowing State) throws(StorageError) {
        guard !state.isClosed else { throw Self.closed }
        guard batch.byteCount > Leaf.maximumKeyLength || capacity > 0 else { return }
        try admitSlowly(batch, to: state.tree)
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

    /// Writes a snapshot and an empty log after it, which a backend with `log: true` opens.
    func checkpoint(to directory: String) throws(StorageError) {
        let root = try freeze()
        defer { release(root) }
        let files = try SystemLogDirectory(creating: directory)
        var writer = try SnapshotWriter(of: root, generation: 1, firstSequence: 0, in: files)
        do throws(StorageError) {
            while try !writer.step(1 << 20) {}
        } catch {
            writer.close()
            throw error
        }
        writer.close()
        try CommitLog.createLog(1, firstSequence: 0, in: files).file.close()
    }
}
