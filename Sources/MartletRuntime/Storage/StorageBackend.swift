/// How much of a write has to survive what, before it is acknowledged.
public enum Durability: UInt8, Sendable, Comparable, CaseIterable {
    /// In the engine, not synced: a crash of the machine may lose it, a crash of the process should not.
    case none = 0
    /// As `none`, and synced at a fixed interval (1 s unless configured): the loss is bounded by that interval.
    case interval = 1
    /// Synced to stable storage before it is acknowledged.
    case always = 2

    public static func < (a: Durability, b: Durability) -> Bool { a.rawValue < b.rawValue }

    /// The configuration's word for it.
    public var name: String { ["none", "interval", "always"][Int(rawValue)] }

    public init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.name == name.lowercased() }) else { return nil }
        self = found
    }
}

/// An ordered map of byte keys to byte values on one node: the contract a storage engine is plugged in by.
///
/// Keys are ordered as unsigned bytes, a prefix before what it begins. Every method may be called from any thread,
/// `apply` and `sync` by one thread at a time. A backend keeps to these rules, which the conformance suite checks:
/// - a batch is applied whole or not at all, also across a crash;
/// - after a crash the contents are those after some prefix of the batches applied, which holds every batch that was
///   applied with ``Durability/always`` or followed by a successful ``sync()``; deletes are as durable as puts;
/// - a snapshot does not see batches applied after it was taken;
/// - it never expires, merges or alters a value;
/// - after a failed write or sync it refuses every later write (``StorageError/Code/poisoned``): what an engine holds
///   after a failed fsync is not known. Reads go on. Being out of space is the exception: it is recoverable.
public protocol StorageBackend: AnyObject, Sendable {
    /// What the node has to know of this backend to drive it.
    var properties: BackendProperties { get }

    /// A reader for one thread, which is used on that thread alone and released before ``close()``.
    func makeReader() throws(StorageError) -> any StorageReader

    /// Applies all operations of the batch, in their order, atomically; returns once they are as durable as asked.
    ///
    /// Under `none` and `interval` it does not sync; the caller does so by ``sync()`` when the interval ends.
    func apply(_ batch: borrowing WriteBatch, durability: Durability) throws(StorageError)

    /// Makes everything applied so far durable.
    func sync() throws(StorageError)

    /// A view of the contents as they are now, unaffected by later batches. O(1) or close to it.
    func snapshot() throws(StorageError) -> any StorageSnapshot

    /// Writes a consistent copy of the contents into a new directory, which this backend can open later.
    func checkpoint(to directory: String) throws(StorageError)

    /// The engine's counters and sizes as of now.
    func statistics() -> StorageStatistics

    /// Syncs what is not synced and releases files and memory. Readers and snapshots are released before.
    func close() throws(StorageError)
}

/// What a backend declares of itself.
public struct BackendProperties: Sendable {
    /// The name in configuration and metrics: `memory`, `lmdb`, `rocksdb`.
    public var name: String
    /// Nothing survives the process: commits need no thread of their own, and a restart begins empty.
    public var isVolatile: Bool
    /// A read may wait for a disk, so it may not run on an event loop.
    public var readsMayBlock: Bool
    /// The strongest level that ``StorageBackend/apply(_:durability:)`` can meet.
    public var maximumDurability: Durability

    public init(name: String, isVolatile: Bool, readsMayBlock: Bool, maximumDurability: Durability) {
        self.name = name
        self.isVolatile = isVolatile
        self.readsMayBlock = readsMayBlock
        self.maximumDurability = maximumDurability
    }
}

/// Point reads of the newest contents, by one thread.
public protocol StorageReader: AnyObject {
    /// Lends the value of `key` to `body` and answers true, or answers false if there is none.
    ///
    /// `body` runs at most once, before this returns; it must not call the backend.
    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool

    /// As ``read(_:_:)``, but answers nil, with `body` not run, where it would have to wait for a disk.
    ///
    /// An event loop asks this way first, so that what an engine has in memory costs no change of threads.
    func readWithoutWaiting(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool?

    /// As ``read(_:_:)``, and says which level answered: for a person who asks about one key, at whatever cost.
    func readTracing(
        _ key: RawSpan, _ body: (RawSpan) -> Void
    ) throws(StorageError) -> (isFound: Bool, level: ReadLevel)

    /// Is told which keys are read or written next, one after another: an engine whose reads wait for main memory can
    /// fetch what lies under all of them at once. `keys` holds them one behind the other, each up to its end in `ends`.
    /// It changes nothing that can be read.
    func touch(_ keys: RawSpan, ends: [Int])

    /// Ends a turn of reads: reads after it see every batch applied before it. A reader may hold one transaction from
    /// the first read of a turn to here; reads within a turn may or may not see batches applied meanwhile, but a read
    /// that begins after ``refresh()`` does. Cheap if nothing was read.
    func refresh()
}

extension StorageReader {
    /// For an engine that cannot tell.
    public func readWithoutWaiting(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool? { nil }

    /// For an engine that gains nothing by it.
    public func touch(_ keys: RawSpan, ends: [Int]) {}

    /// For an engine that cannot tell.
    public func readTracing(
        _ key: RawSpan, _ body: (RawSpan) -> Void
    ) throws(StorageError) -> (isFound: Bool, level: ReadLevel) {
        (try read(key, body), .engine)
    }
}

/// A frozen view of a backend's contents. Released by its last reference; keeps space of later writes occupied till
/// then. It may move between threads but is used by one at a time.
public protocol StorageSnapshot: AnyObject, Sendable {
    /// As ``StorageReader/read(_:_:)``, of the frozen contents.
    func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool

    /// Lends the pairs with `lower` <= key < `upper` in ascending order until `body` answers `stop`.
    ///
    /// An empty `upper` stands for the end of all keys. Both spans lent are valid during the call only.
    func scan(
        from lower: RawSpan, to upper: RawSpan, _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
    ) throws(StorageError)
}

/// Whether a scan goes on after a pair.
public enum ScanStep: Sendable {
    case `continue`
    case stop
}

/// The level a point read was served from, as far as an engine can tell.
public enum ReadLevel: String, Sendable, CaseIterable {
    case recordCache = "record_cache"
    case memtable
    case blockCache = "block_cache"
    case bloomNegative = "bloom_negative"
    case disk
    /// The engine cannot tell.
    case engine
}

/// Counters and sizes of a backend, under names that mean the same for every backend where they can.
public struct StorageStatistics: Sendable {
    /// Live keys, exact or estimated; nil if unknown.
    public var keys: UInt64?
    /// Bytes of the data directory's files; 0 for a volatile backend.
    public var bytesOnDisk: UInt64 = 0
    /// Bytes of memory that the engine accounts for itself.
    public var bytesInMemory: UInt64 = 0
    /// Bytes of keys and values handed to `apply` since open.
    public var bytesApplied: UInt64 = 0
    /// Bytes the engine wrote to its files since open, compaction included, as far as it knows; else 0.
    public var bytesWritten: UInt64 = 0
    /// Point reads by the level they were served from.
    public var reads: [ReadLevel: UInt64] = [:]
    /// Syncs since open.
    public var syncs: UInt64 = 0
    /// The engine's own counters by name, in a fixed order.
    public var counters: [(name: String, value: UInt64)] = []

    public init() {}
}
