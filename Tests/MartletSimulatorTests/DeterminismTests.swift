import Glibc
import MartletRuntime
import MartletSimulator
import Testing

@Suite struct DeterminismTests {
    @Test(arguments: [1, 2, 3, 77, 1 << 63] as [UInt64]) func sameSeedSameTrace(seed: UInt64) {
        let first = playWorld(seed: seed)
        let second = playWorld(seed: seed)
        #expect(first.events > 100)
        #expect(first.hash == second.hash)
        #expect(first.events == second.events)
        #expect(first.replies == second.replies)
        #expect(first.replies.sorted() == ["0: 1 6 500", "1: 1 6 500", "2: 1 6 500"])
    }

    @Test func seedsDiffer() {
        let hashes = Set((0..<50).map { playWorld(seed: $0).hash })
        #expect(hashes.count == 50)
    }

    /// Processes hash the standard library's collections by different keys; the trace must not.
    @Test func processesAgree() async throws {
        let here = playWorld(seed: 42).hash
        for _ in 0..<2 {
            let child = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
                print("hash=\(playWorld(seed: 42).hash)=")
            }
            let text = String(decoding: try #require(child).standardOutputContent, as: UTF8.self)
            #expect(text.split(separator: "=").dropFirst().first == "\(here)")
        }
    }

    @Test func jobOfAForeignThreadTraps() async {
        await #expect(processExitsWith: .failure) {
            let world = SimulatedEnvironment.make(seed: 1, workers: 1)
            let loop = Unmanaged.passRetained(world.loops[0]).toOpaque()
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { pointer in
                    Unmanaged<SimulatedEventLoop>.fromOpaque(pointer!).takeUnretainedValue().post {}
                    return nil
                }, loop)
            pthread_join(thread, nil)
        }
    }

    @Test func touchingAnotherLoopTraps() async {
        await #expect(processExitsWith: .failure) {
            let world = SimulatedEnvironment.make(seed: 1, workers: 2)
            let register = Register(world.loops[1])
            world.loops[0].post { register.assumeIsolated { _ in } }
            world.executor.run()
        }
    }
}
