import Glibc
import MartletCore
import MartletRuntime
import MartletSimulator
import Testing

@Suite struct SimulatedLoopTests {
    @Test func timersRunByDeadlineAndTimeStandsStillMeanwhile() {
        let world = SimulatedEnvironment.make(seed: 5, workers: 1)
        let loop = world.loops[0]
        let start = loop.now
        let ran = Box<[String]>([])
        loop.post {
            for (name, delay) in [("c", 30), ("a", 10), ("b", 10), ("d", 3_600_000)] {
                loop.schedule(after: .milliseconds(delay)) {
                    ran.value.append("\(name)@\(loop.now.since(start).inNanoseconds / 1_000_000)")
                }
            }
            loop.schedule(after: .milliseconds(20)) { ran.value.append("never") }.cancel()
        }
        world.executor.run()
        #expect(ran.value == ["a@10", "b@10", "c@30", "d@3600000"])
        #expect(world.clock.wallMicroseconds == VirtualClock.origin + 3_601_000_000)
    }

    /// One timer cancels another that is due at the same moment.
    @Test func dueTimerCanStillBeCancelled() {
        let world = SimulatedEnvironment.make(seed: 5, workers: 1)
        let loop = world.loops[0]
        let ran = Box(0)
        loop.post {
            let second = Box<(any LoopTimer)?>(nil)
            loop.schedule(after: .milliseconds(1)) { second.value?.cancel() }
            second.value = loop.schedule(after: .milliseconds(1)) { ran.value += 1 }
        }
        world.executor.run()
        #expect(ran.value == 0)
    }

    @Test func runForAPeriodLeavesTheRest() {
        let world = SimulatedEnvironment.make(seed: 5, workers: 1)
        let loop = world.loops[0]
        let ran = Box(0)
        loop.post {
            func tick() {
                ran.value += 1
                loop.schedule(after: .seconds(1)) { tick() }
            }
            tick()
        }
        world.executor.run(for: .milliseconds(9500))
        #expect(ran.value == 10)
        #expect(world.executor.run(until: { ran.value == 20 }))
    }

    /// The real loop's order within a turn.
    @Test func turnRunsInItsOrder() {
        let world = SimulatedEnvironment.make(seed: 9, workers: 1)
        let loop = world.loops[0]
        let order = Box<[String]>([])
        loop.post {
            loop.atTurnEnd {
                order.value.append("end")
                loop.post { order.value.append("job of the end") }
            }
            loop.post {
                order.value.append("first")
                loop.post { order.value.append("third") }
            }
            loop.post { order.value.append("second") }
        }
        world.executor.run()
        #expect(order.value == ["first", "second", "third", "end", "job of the end"])
    }

    @Test func blockingWorkKeepsItsOrderAndTakesTime() {
        let world = SimulatedEnvironment.make(seed: 3, workers: 1)
        let start = world.executor.now
        let blocking = world.environment.makeBlockingExecutor("disk")
        let done = Box<[Int]>([])
        for number in 0..<10 { blocking.submit { done.value.append(number) } }
        #expect(done.value.isEmpty)
        world.executor.run()
        #expect(done.value == Array(0..<10))
        #expect(world.executor.now > start)
        blocking.submit { done.value.append(10) }
        blocking.shutdown()
        #expect(done.value.last == 10)
    }

    /// Whole simulations run side by side on the threads of a test run.
    @Test(arguments: 0..<20) func worldsDoNotMeet(seed: UInt64) {
        #expect(playWorld(seed: seed).replies.count == 3)
    }
}
