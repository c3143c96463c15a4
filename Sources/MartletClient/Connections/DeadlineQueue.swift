import MartletRuntime

/// The deadlines of calls, the earliest first; a call that ended is forgotten lazily.
///
/// Most calls end long before their deadline, so that ended ones would pile up: the queue is rebuilt once they are more
/// than half of it. All operations are O(log n) amortised.
struct DeadlineQueue {
    private struct Entry {
        var deadline: MonotonicTime
        var id: UInt64
    }

    private var heap: [Entry] = []
    /// Ids that were inserted and not removed.
    private var live: Set<UInt64> = []

    init() {}

    var count: Int { live.count }
    /// Entries held, dead ones included: what it costs in memory.
    var held: Int { heap.count }

    mutating func insert(_ id: UInt64, at deadline: MonotonicTime) {
        live.insert(id)
        heap.append(Entry(deadline: deadline, id: id))
        siftUp(from: heap.count - 1)
    }

    mutating func remove(_ id: UInt64) {
        guard live.remove(id) != nil else { return }
        if heap.count > 64, heap.count > live.count * 2 {
            heap.removeAll { !live.contains($0.id) }
            for index in stride(from: heap.count / 2, through: 0, by: -1) { siftDown(from: index) }
        }
    }

    /// The earliest deadline of a call that still waits.
    mutating func earliest() -> MonotonicTime? {
        while let top = heap.first {
            if live.contains(top.id) { return top.deadline }
            removeTop()
        }
        return nil
    }

    /// Takes out one call whose deadline is `now` or earlier; calls of one deadline come in the order of their ids.
    mutating func popExpired(at now: MonotonicTime) -> UInt64? {
        guard let deadline = earliest(), deadline <= now else { return nil }
        let id = heap[0].id
        removeTop()
        live.remove(id)
        return id
    }

    private static func before(_ a: Entry, _ b: Entry) -> Bool { (a.deadline, a.id) < (b.deadline, b.id) }

    private mutating func removeTop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        siftDown(from: 0)
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.before(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && Self.before(heap[child], heap[least]) { least = child }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
