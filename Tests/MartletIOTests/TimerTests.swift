import MartletIO
import MartletRuntime
import Synchronization
import Testing

@Suite struct TimerTests {
    @Test func timersRunByDeadlineThenByAge() {
        let order = Lock<[Int]>([])
        let early = Atomic<Int>(0)
        withLoop { loop, finish in
            let clock = SystemClock()
            let start = clock.monotonic
            for (name, delay) in [(3, 30), (1, 10), (2, 10), (0, 0), (4, 40)] {
                loop.schedule(after: .milliseconds(delay)) {
                    order.withLock { $0.append(name) }
                    if clock.monotonic.since(start) < .milliseconds(delay) { early.wrappingAdd(1, ordering: .relaxed) }
                    if name == 4 { finish() }
                }
            }
        }
        #expect(order.withLock { $0 } == [0, 1, 2, 3, 4])
        #expect(early.load(ordering: .relaxed) == 0)
    }

    @Test func cancelledTimersDoNotRun() {
        let ran = Lock<[Int]>([])
        withLoop { loop, finish in
            var timers: [any LoopTimer] = []
            for number in 0..<100 {
                timers.append(
                    loop.schedule(after: .milliseconds(1 + number % 7)) { ran.withLock { $0.append(number) } })
            }
            for number in 0..<100 where number % 3 != 0 { timers[number].cancel() }
            let last = loop.schedule(after: .milliseconds(20)) { finish() }
            timers[0].cancel()
            timers[0].cancel()
            _ = last
        }
        let expected = (1..<100).filter { $0 % 3 == 0 }
        #expect(ran.withLock { $0 }.sorted() == expected)
    }

    /// A timer that cancels another of the same moment, and one that makes itself anew without delay.
    @Test func timersMayChangeTimers() {
        let ticks = Atomic<Int>(0)
        withLoop { loop, finish in
            var second: (any LoopTimer)?
            loop.schedule(after: .milliseconds(1)) { second?.cancel() }
            second = loop.schedule(after: .milliseconds(1)) { Issue.record("cancelled, and ran") }
            func tick() {
                if ticks.wrappingAdd(1, ordering: .relaxed).newValue == 100 { return finish() }
                loop.schedule(after: .zero) { tick() }
            }
            loop.schedule(after: .milliseconds(5)) { tick() }
        }
        #expect(ticks.load(ordering: .relaxed) == 100)
    }
}
