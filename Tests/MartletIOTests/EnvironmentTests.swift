import Glibc
import MartletRuntime
import Synchronization
import Testing

@testable import MartletIO

@Suite struct EnvironmentTests {
    @Test func blockingWorkRunsInOrderOnOneThread() {
        let executor = ThreadBlockingExecutor(name: "blocking")
        let order = Lock<[Int]>([])
        let threads = Lock<Set<UInt>>([])
        for number in 0..<1000 {
            executor.submit {
                order.withLock { $0.append(number) }
                threads.withLock { _ = $0.insert(UInt(pthread_self())) }
            }
        }
        executor.shutdown()
        executor.shutdown()
        #expect(order.withLock { $0 } == Array(0..<1000))
        #expect(threads.withLock { $0.count } == 1)
        #expect(!threads.withLock { $0.contains(UInt(pthread_self())) })
    }

    @Test func randomNumbersDiffer() {
        let source = SystemRandomSource()
        let numbers = Set((0..<2000).map { _ in source.next() })
        #expect(numbers.count == 2000)
    }

    @Test func clocksGoForward() {
        let clock = SystemClock()
        let first = clock.monotonic
        #expect(clock.monotonic >= first)
        #expect(clock.wallMicroseconds > 1_700_000_000_000_000)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
            (1_795_254_301_042_000, "2026-11-21T09:45:01.042Z"),
        ] as [(Int64, String)]) func logStampsTheCalendarsTime(microseconds: Int64, text: String)
    {
        #expect(StandardErrorLog.timestamp(microseconds) == text)
    }

    /// In a process of its own, since it takes that process's standard error.
    @Test func logWritesLinesToStandardError() async {
        await #expect(processExitsWith: .success) {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            let original = dup(STDERR_FILENO)
            dup2(ends[1], STDERR_FILENO)
            let log = StandardErrorLog.make(label: "node-1", level: .notice)
            log(.info, "not this")
            log(.warning, "two\nlines")
            dup2(original, STDERR_FILENO)
            close(ends[1])
            var bytes = [UInt8](repeating: 0, count: 1000)
            let line = String(decoding: bytes[..<read(ends[0], &bytes, bytes.count)], as: UTF8.self)
            precondition(line.hasSuffix("Z warning node-1 two\\x0alines\n"), line)
            precondition(line.filter { $0 == "\n" }.count == 1)
        }
    }

    @Test func signalsReachTheirLoop() async {
        await #expect(processExitsWith: .success) {
            let seen = Lock<[ProcessSignal]>([])
            withLoop { loop, finish in
                let waiter = SignalWaiter([.terminate, .hangUp], on: loop) { signal in
                    precondition(loop.isCurrent)
                    seen.withLock { $0.append(signal) }
                    if signal == .hangUp { kill(getpid(), SIGTERM) } else { finish() }
                }
                _ = waiter
                kill(getpid(), SIGHUP)
            }
            precondition(seen.withLock { $0 } == [.hangUp, .terminate])
        }
    }

    @Test func environmentStartsItsLoops() async {
        let environment = RealEnvironment.make(workers: 2, log: .silent)
        #expect(environment.loops.count == 2)
        for worker in 0..<2 {
            let isOnLoop = Lock(false)
            await environment.spawn("test", on: worker) {
                isOnLoop.withLock { $0 = environment.loops[worker].isCurrent }
            }.value
            #expect(isOnLoop.withLock { $0 })
        }
        RealEnvironment.stop(environment)
    }
}
