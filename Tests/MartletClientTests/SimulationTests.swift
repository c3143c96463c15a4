import MartletRuntime
import MartletSimulator
import Testing

@testable import MartletClient

/// The client in virtual time, on a network whose delays and segments the seed draws.
@Suite struct SimulationTests {
    fileprivate struct Outcome: Equatable {
        var trace: UInt64 = 0
        var applied = 0
        var read = 0
        var failures: [String: Int] = [:]
        var held = -1
    }

    /// Twenty tasks write and read; the first server crashes on the way.
    private func run(seed: UInt64) -> Outcome {
        let world = SimulatedEnvironment.make(seed: seed, workers: 1)
        let addresses = (1...2).map { SocketAddress(host: "10.0.0.\($0)", port: 7001) }
        let servers = addresses.map { serve(on: world.makeNeighbour(workers: 1), at: $0) }
        world.executor.schedule(after: .milliseconds(30)) { servers[0].crash() }
        let outcome = Lock(Outcome())
        world.environment.spawn("clients") {
            guard
                let client = try? await MartletClient(
                    addresses: addresses, settings: ClientSettings(), loop: world.loops[0],
                    random: world.environment.random, dialect: RedisDialect(), stopLoop: {})
            else { return }
            await withTaskGroup(of: Void.self) { group in
                for task in 0..<20 { group.addTask { await work(task, client, outcome) } }
            }
            let held = await client.pool.calls.count + client.pool.ended.count
            outcome.withLock { $0.held = held }
            await client.close()
        }
        world.executor.run()
        return outcome.withLock { outcome in
            outcome.trace = world.executor.trace.hash
            return outcome
        }
    }

    private func serve(on world: SimulatedEnvironment, at address: SocketAddress) -> SimulatedEnvironment {
        let loop = world.loops[0]
        loop.post {
            _ = try? loop.listen(on: address) { stream in
                ScriptedConnection(stream: stream, seen: Lock(ScriptedServer.Seen())) { command in
                    switch command[0] {
                    case "HELLO": .reply(ScriptedServer.greeting)
                    case "SET": .reply("+OK\r\n")
                    default: .reply("$2\r\nok\r\n")
                    }
                }
            }
        }
        return world
    }

    @Test func everyCallEndsAndOnlyWritesThatWereSentAreUnknown() {
        var lost = 0
        for seed in 1...40 as ClosedRange<UInt64> {
            let outcome = run(seed: seed)
            #expect(outcome.read == 400, "seed \(seed): reads go to the other server")
            #expect(outcome.applied + outcome.failures.values.reduce(0, +) == 400, "seed \(seed)")
            #expect(outcome.failures.keys.allSatisfy { $0 == "connectionLost unknown" }, "seed \(seed): \(outcome)")
            #expect(outcome.held == 0, "seed \(seed)")
            lost += outcome.failures.values.reduce(0, +)
        }
        #expect(lost > 0, "no crash hit a write")
    }

    @Test func theSameSeedGivesTheSameTrace() {
        for seed in 1...10 as ClosedRange<UInt64> { #expect(run(seed: seed) == run(seed: seed)) }
        #expect(run(seed: 1).trace != run(seed: 2).trace)
    }

    @Test func aDeadlineOfAnHourPassesInVirtualTime() {
        let world = SimulatedEnvironment.make(seed: 5, workers: 1)
        let address = SocketAddress(host: "10.0.0.9", port: 7001)
        let server = world.makeNeighbour(workers: 1).loops[0]
        server.post {
            _ = try? server.listen(on: address) { stream in
                ScriptedConnection(stream: stream, seen: Lock(ScriptedServer.Seen())) { command in
                    command[0] == "HELLO" ? .reply(ScriptedServer.greeting) : .silence
                }
            }
        }
        let failure = Lock<MartletError?>(nil)
        let began = world.executor.now
        world.environment.spawn("client") {
            do throws(MartletError) {
                let client = try await MartletClient(
                    addresses: [address], on: world.loops[0], random: world.environment.random)
                try await client.put("k", "v", deadline: .seconds(3600))
            } catch {
                failure.withLock { $0 = error }
            }
        }
        world.executor.run(for: .seconds(3599))
        #expect(failure.withLock { $0?.code } == nil)
        world.executor.run(for: .seconds(2))
        #expect(failure.withLock { $0?.code } == .deadlineExceeded)
        #expect(failure.withLock { $0?.outcome } == .unknown)
        #expect(world.executor.now.since(began) >= .seconds(3600))
    }
}

/// Writes and reads twenty times.
private func work(_ task: Int, _ client: MartletClient, _ outcome: Lock<SimulationTests.Outcome>) async {
    for step in 0..<20 {
        do throws(MartletError) {
            try await client.put("\(task):\(step)", step)
            outcome.withLock { $0.applied += 1 }
        } catch {
            outcome.withLock { $0.failures["\(error.code) \(error.outcome)", default: 0] += 1 }
        }
        if (try? await client.value("\(task):\(step)", as: String.self)) == "ok" { outcome.withLock { $0.read += 1 } }
    }
}
