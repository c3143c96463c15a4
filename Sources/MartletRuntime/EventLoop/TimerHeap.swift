/// A loop's pending timers, earliest first; timers of one deadline run in the order they were made.
///
/// A binary heap in which each timer knows its place, so that cancelling removes it at once: most timers guard a
/// request and are cancelled long before they are due. Adding, cancelling and taking are O(log n).
package final class TimerHeap {
    private var timers: [ScheduledTimer] = []
    private var made: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { timers.isEmpty }
    package var count: Int { timers.count }

    /// When the earliest timer is due; nil if there is none.
    package var earliest: MonotonicTime? { timers.first?.deadline }

    /// How many timers were ever made: a bound for ``takeDue(at:madeBefore:)``.
    package var sequence: UInt64 { made }

    package func add(at deadline: MonotonicTime, _ work: @escaping () -> Void) -> ScheduledTimer {
        let timer = ScheduledTimer(deadline: deadline, sequence: made, heap: self, work: work)
        made += 1
        timer.place = timers.count
        timers.append(timer)
        moveUp(timer.place)
        return timer
    }

    /// Takes the earliest timer's work if it is due and not newer than `bound`, so that a timer which makes another of
    /// no delay cannot hold the loop.
    package func takeDue(at now: MonotonicTime, madeBefore bound: UInt64 = .max) -> (() -> Void)? {
        guard let first = timers.first, first.deadline <= now, first.sequence < bound else { return nil }
        let work = first.work
        remove(first)
        return work
    }

    package func removeAll() {
        for timer in timers { timer.forget() }
        timers.removeAll()
    }

    fileprivate func remove(_ timer: ScheduledTimer) {
        let place = timer.place
        timer.forget()
        guard let last = timers.popLast(), last !== timer else { return }
        last.place = place
        timers[place] = last
        moveUp(place)
        moveDown(last.place)
    }

    private func moveUp(_ start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard timers[place].isBefore(timers[parent]) else { return }
            exchange(place, parent)
            place = parent
        }
    }

    private func moveDown(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in (2 * place + 1)...(2 * place + 2) where child < timers.count {
                if timers[child].isBefore(timers[least]) { least = child }
            }
            guard least != place else { return }
            exchange(place, least)
            place = least
        }
    }

    private func exchange(_ a: Int, _ b: Int) {
        timers.swapAt(a, b)
        timers[a].place = a
        timers[b].place = b
    }
}

/// One timer of a heap.
package final class ScheduledTimer: LoopTimer {
    fileprivate let deadline: MonotonicTime
    fileprivate let sequence: UInt64
    fileprivate var work: () -> Void
    fileprivate var place: Int = -1
    private weak var heap: TimerHeap?

    fileprivate init(deadline: MonotonicTime, sequence: UInt64, heap: TimerHeap, work: @escaping () -> Void) {
        self.deadline = deadline
        self.sequence = sequence
        self.heap = heap
        self.work = work
    }

    package func cancel() {
        guard place >= 0 else { return }
        heap?.remove(self)
    }

    fileprivate func isBefore(_ other: ScheduledTimer) -> Bool {
        deadline == other.deadline ? sequence < other.sequence : deadline < other.deadline
    }

    /// Leaves the heap, and releases what the work holds.
    fileprivate func forget() {
        place = -1
        work = {}
    }
}
