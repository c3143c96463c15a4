import MartletRuntime
import MartletSimulator
import Testing

/// Processes that stand still and die, and calendars that are wrong.
@Suite struct SimulatedProcessTests {
    @Test func aPausedProcessDoesNothingAndThenAllOfIt() {
        let world = SimulatedEnvironment.make(seed: 4, workers: 2)
        let done = Box<[String]>([])
        let blocking = world.environment.makeBlockingExecutor("disk")
        world.loops[0].post {
            world.loops[0].schedule(after: .milliseconds(10)) { done.value.append("timer") }
            blocking.submit { world.loops[1].post { done.value.append("disk") } }
        }
        world.process.pause()
        world.executor.run(for: .seconds(1))
        #expect(done.value.isEmpty)
        world.process.resume()
        world.executor.run(for: .seconds(1))
        #expect(done.value.sorted() == ["disk", "timer"])
    }

    /// A timer that falls due during a pause runs once, at its end.
    @Test func timersOfAPauseRunLate() {
        let world = SimulatedEnvironment.make(seed: 4, workers: 1)
        let ran = Box<[Duration]>([])
        let begin = world.executor.now
        world.loops[0].post {
            world.loops[0].schedule(after: .milliseconds(100)) { ran.value.append(world.executor.now.since(begin)) }
        }
        world.executor.run(for: .milliseconds(50))
        world.process.pause()
        world.executor.run(for: .milliseconds(450))
        world.process.resume()
        world.executor.run(for: .seconds(1))
        #expect(ran.value == [.milliseconds(500)])
    }

    @Test func aDeadProcessStaysDead() {
        let world = SimulatedEnvironment.make(seed: 4, workers: 1)
        let ran = Box(0)
        world.loops[0].schedule(after: .milliseconds(1)) { ran.value += 1 }
        world.environment.spawn("never") { ran.value += 1 }
        world.process.kill()
        world.process.resume()
        world.executor.run()
        #expect(ran.value == 0)
        #expect(world.process.state == .dead)
    }

    @Test func calendarsJumpAndDrift() {
        let world = SimulatedEnvironment.make(seed: 4, workers: 1)
        let clock = world.clock
        func error() -> Int64 {
            clock.wallMicroseconds - VirtualClock.origin - Int64(world.executor.now.nanoseconds / 1000)
        }
        #expect(error() == 0)
        clock.jump(microseconds: 5_000_000)
        #expect(error() == 5_000_000)
        clock.drift = 100
        world.executor.run(for: .seconds(10))
        #expect(error() == 5_001_000)
        clock.drift = -100
        world.executor.run(for: .seconds(20))
        #expect(error() == 4_999_000)
        clock.drift = 0
        clock.jump(microseconds: -4_999_000)
        world.executor.run(for: .seconds(10))
        #expect(error() == 0)
        #expect(clock.monotonic == world.executor.now)
    }

    @Test func brokenConnectionsAreHeardOfAtBothEnds() {
        let server = SimulatedEnvironment.make(seed: 1, workers: 1)
        let client = server.makeNeighbour(workers: 1)
        let heard = Box(0)
        server.loops[0].post {
            _ = server.loops[0].serve { _ in
                let handler = Handler()
                handler.onClosed = { heard.value += $0 == nil ? 0 : 1 }
                return handler
            }
        }
        client.loops[0].schedule(after: .milliseconds(1)) {
            let handler = Handler()
            handler.onClosed = { heard.value += $0 == nil ? 0 : 1 }
            client.loops[0].connect(handler)
        }
        server.executor.run()
        #expect(server.network.breakStreams(to: serverAddress, probability: 1) == 1)
        server.executor.run()
        #expect(heard.value == 2)
    }
}
