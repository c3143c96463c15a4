/// A loop's pending timers, earliest first; timers of one deadline run in the order they were made.
///
/// Each timer knows its place, so that cancelling removes it at once: most timers guard a request and are cancelled
/// long before they are due. Adding, cancelling and taking are O(log n).
package final class TimerHeap {
    private var order = TimerOrder()
    /// By slot; nil where it is free.
    private var timers: [ScheduledTimer?] = []
    private var freeSlots: [Int] = []
    private var made: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { order.entries.isEmpty }
    package var count: Int { order.entries.count }

    /// When the earliest timer is due; nil if there is none.
    package var earliest: MonotonicTime? { order.entries.first?.deadline }

    /// How many timers were ever made: a bound for ``takeDue(at:madeBefore:)``.
    package var sequence: UInt64 { made }

    package func add(at deadline: MonotonicTime, _ work: @escaping () -> Void) -> ScheduledTimer {
        let slot = freeSlots.popLast() ?? timers.count
        let timer = ScheduledTimer(slot: slot, heap: self, work: work)
        if slot == timers.count { timers.append(timer) } else { timers[slot] = timer }
        order.insert(TimerOrder.Entry(deadline: deadline, sequence: made, slot: slot))
        made += 1
        return timer
    }

    /// Takes the earliest timer's work if it is due and not newer than `bound`, so that a timer which makes another of
    /// no delay cannot hold the loop.
    package func takeDue(at now: MonotonicTime, madeBefore bound: UInt64 = .max) -> (() -> Void)? {
        guard let first = order.entries.first, first.deadline <= now, first.sequence < bound else { return nil }
        return remove(first.slot)
    }

    package func removeAll() {
        for timer in timers { _ = timer?.forget() }
        order = TimerOrder()
        timers.removeAll()
        freeSlots.removeAll()
    }

    /// Takes out the timer of a slot; its work.
    @discardableResult
    fileprivate func remove(_ slot: Int) -> (() -> Void)? {
        let work = timers[slot]?.forget()
        timers[slot] = nil
        freeSlots.append(slot)
        order.remove(slot)
        return work
    }
}

/// One timer of a heap.
package final class ScheduledTimer: LoopTimer {
    /// Where the heap finds it; -1 once it is out.
    private var slot: Int
    private var work: () -> Void
    private weak var heap: TimerHeap?

    fileprivate init(slot: Int, heap: TimerHeap, work: @escaping () -> Void) {
        self.slot = slot
        self.heap = heap
        self.work = work
    }

    package func cancel() {
        guard slot >= 0 else { return }
        heap?.remove(slot)
    }

    /// Leaves the heap, and hands over the work with what it holds.
    fileprivate func forget() -> () -> Void {
        slot = -1
        let work = work
        self.work = {}
        return work
    }
}

/// What a heap's timers are ordered by, apart from them: what is compared and moved holds no reference, and each has
/// four below it, so that a level is one or two cache lines.
private struct TimerOrder {
    struct Entry {
        var deadline: MonotonicTime
        var sequence: UInt64
        /// Of the timer.
        var slot: Int

        @inline(__always)
        func isBefore(_ other: Entry) -> Bool {
            deadline == other.deadline ? sequence < other.sequence : deadline < other.deadline
        }
    }

    private static let fanout = 4

    private(set) var entries: [Entry] = []
    /// By slot, where its entry is.
    private var places: [Int] = []

    mutating func insert(_ entry: Entry) {
        if entry.slot == places.count { places.append(0) }
        entries.append(entry)
        sift(entries.count - 1)
    }

    mutating func remove(_ slot: Int) {
        guard let last = entries.popLast(), last.slot != slot else { return }
        let place = places[slot]
        entries[place] = last
        sift(place)
    }

    /// Puts the entry at a place where it belongs.
    private mutating func sift(_ place: Int) { Self.sift(place, &entries, &places) }

    private static func sift(_ place: Int, _ entries: inout [Entry], _ places: inout [Int]) {
        var entries = entries.mutableSpan
        var places = places.mutableSpan
        let slot = entries[place].slot
        moveUp(place, &entries, &places)
        moveDown(places[slot], &entries, &places)
    }

    private static func moveUp(_ start: Int, _ entries: inout MutableSpan<Entry>, _ places: inout MutableSpan<Int>) {
        let moving = entries[start]
        var place = start
        while place > 0 {
            let parent = (place - 1) / Self.fanout
            guard moving.isBefore(entries[parent]) else { break }
            entries[place] = entries[parent]
            places[entries[place].slot] = place
            place = parent
        }
        entries[place] = moving
        places[moving.slot] = place
    }

    private static func moveDown(_ start: Int, _ entries: inout MutableSpan<Entry>, _ places: inout MutableSpan<Int>) {
        let moving = entries[start]
        var place = start
        while true {
            let first = Self.fanout * place + 1
            var (least, earliest) = (place, moving)
            for child in first..<max(first, min(first + Self.fanout, entries.count))
            where entries[child].isBefore(earliest) {
                (least, earliest) = (child, entries[child])
            }
            guard least != place else { break }
            entries[place] = earliest
            places[earliest.slot] = place
            place = least
        }
        entries[place] = moving
        places[moving.slot] = place
    }
}
