import MartletRuntime
import Testing

@testable import MartletLauncher

/// The supervisor's decisions, without processes.
@Suite struct SupervisionTests {
    private func time(_ seconds: Int) -> MonotonicTime { MonotonicTime(nanoseconds: UInt64(seconds) * 1_000_000_000) }

    private func running() -> Supervision {
        var supervision = Supervision(names: ["a", "b"])
        #expect(supervision.receive(.begin) == [.start(0), .start(1)])
        #expect(supervision.receive(.isReady(0, now: time(0))).isEmpty)
        #expect(supervision.receive(.isReady(1, now: time(0))).isEmpty)
        return supervision
    }

    @Test func delaysDoubleUpToFiveSecondsAndBeginAnewAfterSteadyService() {
        var supervision = running()
        var delays: [Duration] = []
        for _ in 0..<8 {
            for action in supervision.receive(.ended(0, .signalled(9), now: time(1))) {
                if case .startLater(0, let delay) = action { delays.append(delay) }
            }
            #expect(supervision.receive(.isDue(0)) == [.start(0)])
        }
        #expect(delays == [100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
        _ = supervision.receive(.isReady(0, now: time(10)))
        #expect(
            supervision.receive(.ended(0, .exited(1), now: time(20))) == [
                .log(.warning, "a ended with code 1: restart 1 in 100 ms"),
                .startLater(0, after: .milliseconds(100)),
            ])
    }

    @Test func aSignalEndsAllInOrder() {
        var supervision = running()
        _ = supervision.receive(.ended(1, .signalled(11), now: time(1)))
        #expect(supervision.receive(.signalled) == [.terminate(0)])
        #expect(supervision.receive(.isDue(1)).isEmpty, "what waits is not started while all end")
        #expect(supervision.receive(.ended(0, .exited(0), now: time(2))) == [.finish(0)])
    }

    @Test func aSecondSignalKills() {
        var supervision = running()
        #expect(supervision.receive(.signalled) == [.terminate(0), .terminate(1)])
        #expect(supervision.receive(.ended(0, .exited(0), now: time(1))).isEmpty)
        #expect(supervision.receive(.signalled) == [.kill(1)])
        #expect(supervision.receive(.ended(1, .signalled(9), now: time(1))).last == .finish(1))
    }

    @Test func whatDoesNotEndInOrderIsTold() {
        var supervision = running()
        _ = supervision.receive(.signalled)
        _ = supervision.receive(.ended(0, .exited(1), now: time(1)))
        #expect(supervision.receive(.ended(1, .exited(0), now: time(1))) == [.finish(1)])
    }

    @Test func aFaultyConfigurationEndsAllAtTheStart() {
        var supervision = Supervision(names: ["a", "b"])
        _ = supervision.receive(.begin)
        _ = supervision.receive(.isReady(0, now: time(0)))
        #expect(supervision.receive(.ended(1, .exited(78), now: time(0))).contains(.terminate(0)))
        #expect(supervision.receive(.ended(0, .exited(0), now: time(0))) == [.finish(78)])
    }

    @Test func aFaultyConfigurationLaterTakesNoneDown() {
        var supervision = running()
        let actions = supervision.receive(.ended(1, .exited(78), now: time(3)))
        #expect(actions.last == .startLater(1, after: .milliseconds(100)))
    }

    @Test func whatEndsInOrderByItselfStaysEnded() {
        var supervision = running()
        #expect(supervision.receive(.ended(0, .exited(0), now: time(1))).count == 1)
        #expect(supervision.receive(.ended(1, .exited(0), now: time(1))).last == .finish(0))
    }
}
