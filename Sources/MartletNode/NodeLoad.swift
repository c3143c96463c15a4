internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// How much a node has taken on, and from where on it takes no more: shared by its workers, read for every command.
///
/// Two limits, both of which leave reads and administration alone. *Memory*: beyond ``memoryLimit`` commands that may
/// store more are refused (`-OOM`), and so are records of peers but tombstones, until deletes or the expiry of values
/// have made room. *The backlog of a slow disk*: beyond ``backlogLimit`` bytes that the backend was handed and has not
/// taken, writes are refused (`-BUSY`) before they are queued. (Dean and Barroso, The Tail at Scale, 2013: a queue that
/// is full helps nobody; who asks can turn to another replica.)
public final class NodeLoad: Sendable {
    /// Bytes that the process may have allocated; 0: no limit.
    public let memoryLimit: Int
    /// Bytes of batches that may be on their way into the backend.
    public let backlogLimit: Int
    private let usedMemory: @Sendable () -> Int
    private let isFull = Atomic<Bool>(false)
    private let used = Atomic<Int>(0)
    private let backlog = Atomic<Int>(0)
    private let refusedForMemory = Atomic<UInt64>(0)
    private let refusedForBacklog = Atomic<UInt64>(0)
    private let stoodStill = Atomic<UInt64>(0)

    /// How often memory is measured.
    static let period = Duration.milliseconds(100)

    init(_ settings: NodeSettings, usedMemory: @escaping @Sendable () -> Int) {
        memoryLimit = settings.memoryLimit
        backlogLimit = settings.backlogLimit
        self.usedMemory = usedMemory
    }

    /// Measures; what it says holds until the next time. Room is said to be there again a little below the limit, so
    /// that a node at the edge does not change its mind with every command.
    public func measure() {
        let bytes = usedMemory()
        used.store(bytes, ordering: .relaxed)
        guard memoryLimit > 0 else { return }
        let wasFull = isFull.load(ordering: .relaxed)
        isFull.store(bytes > (wasFull ? memoryLimit - memoryLimit / 32 : memoryLimit), ordering: .relaxed)
    }

    /// Notes bytes handed to the backend, or taken by it.
    func addBacklog(_ bytes: Int) { backlog.add(bytes, ordering: .relaxed) }

    /// Whether more memory is used than the node may.
    @inline(__always)
    public var isMemoryFull: Bool { isFull.load(ordering: .relaxed) }

    /// Whether the backend is behind by more than is good.
    @inline(__always)
    public var isBacklogged: Bool { backlog.load(ordering: .relaxed) > backlogLimit }

    /// Notes a refusal.
    public func noteRefusal(forMemory: Bool) {
        if forMemory {
            refusedForMemory.add(1, ordering: .relaxed)
        } else {
            refusedForBacklog.add(1, ordering: .relaxed)
        }
    }

    /// Notes that a worker stood still (``StandstillWatch``).
    func noteStandstill() { stoodStill.add(1, ordering: .relaxed) }

    /// As last measured, in bytes; measured now if that never was.
    public var usedBytes: Int {
        if used.load(ordering: .relaxed) == 0 { measure() }
        return used.load(ordering: .relaxed)
    }
    public var backlogBytes: Int { backlog.load(ordering: .relaxed) }
    public var memoryRefusals: UInt64 { refusedForMemory.load(ordering: .relaxed) }
    public var standstills: UInt64 { stoodStill.load(ordering: .relaxed) }
    public var backlogRefusals: UInt64 { refusedForBacklog.load(ordering: .relaxed) }
}
