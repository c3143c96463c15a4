import MartletRuntime
import Testing

@testable import MartletClient

@Suite struct QueueTests {
    @Test func deadlinesExpireInOrder() {
        var queue = DeadlineQueue()
        var random = SplitMix(seed: 3)
        var model: [UInt64: UInt64] = [:]
        for id in 1...500 as ClosedRange<UInt64> {
            let deadline = random.next() % 1000
            model[id] = deadline
            queue.insert(id, at: MonotonicTime(nanoseconds: deadline))
        }
        for id in 1...500 as ClosedRange<UInt64> where random.next() % 3 == 0 {
            model[id] = nil
            queue.remove(id)
        }
        var expired: [UInt64] = []
        while let id = queue.popExpired(at: MonotonicTime(nanoseconds: 600)) { expired.append(id) }
        let due = model.filter { $0.value <= 600 }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
        #expect(expired == due)
        #expect(queue.earliest()?.nanoseconds == model.values.filter { $0 > 600 }.min())
    }

    @Test func endedCallsDoNotPileUp() {
        var queue = DeadlineQueue()
        for id in 0..<100_000 as Range<UInt64> {
            queue.insert(id, at: MonotonicTime(nanoseconds: 5_000_000_000 + id))
            if id >= 10 { queue.remove(id - 10) }
        }
        #expect(queue.count == 10)
        #expect(queue.held <= 100)
    }

    @Test func fifoKeepsOrder() {
        var queue = FIFO<Int>()
        var model: [Int] = []
        var random = SplitMix(seed: 5)
        for step in 0..<20_000 {
            switch random.next() % 5 {
            case 0, 1:
                queue.append(step)
                model.append(step)
            case 2, 3: #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            default:
                queue.prepend([step, -step])
                model = [step, -step] + model
            }
            #expect(queue.count == model.count)
            #expect(queue.first == model.first)
            if model.count > 200 {
                while let next = queue.popFirst() { #expect(next == model.removeFirst()) }
            }
        }
    }

    @Test func delaysGrowToTheirLimitAndBeginAnew() {
        let random = SeededRandom(seed: 1)
        var backoff = Backoff(base: .milliseconds(50), limit: .seconds(2))
        var longest = Duration.zero
        for attempt in 0..<50 {
            let delay = backoff.next(random: random)
            #expect(delay >= .milliseconds(1))
            #expect(delay <= min(.seconds(2), .milliseconds(50) * (1 << min(attempt, 10))))
            longest = max(longest, delay)
        }
        #expect(longest > .seconds(1))
        backoff.reset()
        #expect(backoff.next(random: random) <= .milliseconds(50))
    }
}
