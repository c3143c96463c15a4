internal import MartletCore
internal import MartletRuntime

/// Reads the newest contents; it holds nothing between reads.
final class MemoryReader: StorageReader {
    private let backend: MemoryBackend
    init(_ backend: MemoryBackend) { self.backend = backend }

    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool { try backend.read(key, body) }

    func readTracing(
        _ key: RawSpan, _ body: (RawSpan) -> Void
    ) throws(StorageError) -> (isFound: Bool, level: ReadLevel) {
        (try backend.read(key, body), .memtable)  // all of it is in memory
    }

    func touch(_ keys: RawSpan, ends: [Int]) { backend.touch(keys, ends: ends) }

    func refresh() {}
}

/// A frozen root. Reading it takes no lock.
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
