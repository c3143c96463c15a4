import MartletClient
import MartletCore
import MartletNode
import MartletRuntime
import MartletServer
import MartletSimulator
import MemoryBackend
import Testing

/// A node and its clients, whole, in virtual time: the very actors that serve the real network.
@Suite struct NodeSimulationTests {
    struct Outcome: Equatable {
        var trace: UInt64 = 0
        var events: UInt64 = 0
        var writes = 0
        var wrongReads = 0
        var failures: [String] = []
        var counter = ""
        var tornReads = 0
    }

    /// How a world is set up; drawn from the seed.
    struct Setup {
        var workers: Int
        var isVolatile: Bool
        init(seed: UInt64) {
            workers = Int(seed % 4) + 1
            isVolatile = seed % 3 != 0
        }
    }

    static let address = SocketAddress(host: "10.0.0.1", port: 7001)
    static let clients = 4

    static func run(seed: UInt64) -> Outcome {
        let setup = Setup(seed: seed)
        let world = SimulatedEnvironment.make(seed: seed, workers: setup.workers)
        let disk = SimulatedDisk(SimulatedDisk.Settings(readsMayBlock: true), on: world.executor)
        let outcome = Lock(Outcome())
        world.environment.spawn("node") {
            do {
                var settings = NodeSettings(cluster: "sim", name: "n1", durability: setup.isVolatile ? .none : .always)
                settings.workers = setup.workers
                settings.cacheBytes = seed % 2 == 0 ? 0 : 64 << 10
                let kind = setup.isVolatile ? BackendKind.memory : disk.kind
                let node = try Node.open(settings, NodeOpening(kind: kind, path: ""), in: world.environment)
                await node.start()
                let server = try await Server.open(Server.Settings(address: address), for: node)
                await play(world, outcome)
                await server.drain()
                try await node.stop()
            } catch {
                outcome.withLock { $0.failures.append("node: \(error)") }
            }
        }
        world.executor.run(for: .seconds(600))
        return outcome.withLock { outcome in
            outcome.trace = world.executor.trace.hash
            outcome.events = world.executor.trace.count
            return outcome
        }
    }

    /// Clients of another host write, read what they wrote, count up together, and set and get keys together.
    private static func play(_ world: SimulatedEnvironment, _ outcome: Lock<Outcome>) async {
        let host = world.makeNeighbour(workers: 1)
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            host.environment.spawn("clients") {
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<clients {
                        group.addTask { await writeAndRead(number, host, outcome) }
                        group.addTask { await count(host, outcome) }
                        group.addTask { await setTogether(number, host, outcome) }
                    }
                }
                let counter = await RawClient.connect(on: host.loops[0])
                let reply = await counter.call("*2\r\n$3\r\nGET\r\n$7\r\ncounter\r\n", lines: 2)
                outcome.withLock { $0.counter = reply.last ?? "" }
                counter.close()
                done.resume()
            }
        }
    }

    private static func writeAndRead(_ number: Int, _ host: SimulatedEnvironment, _ outcome: Lock<Outcome>) async {
        do throws(MartletError) {
            let client = try await MartletClient(
                addresses: [address], on: host.loops[0], random: host.environment.random)
            for step in 0..<20 {
                let key = MartletKey("client-\(number)-\(step % 7)")
                try await client.put(key, step)
                let read = try await client.value(key, as: Int.self)
                outcome.withLock { outcome in
                    outcome.writes += 1
                    outcome.wrongReads += read == step ? 0 : 1
                }
            }
            await client.close()
        } catch {
            outcome.withLock { $0.failures.append("client \(number): \(error)") }
        }
    }

    private static func count(_ host: SimulatedEnvironment, _ outcome: Lock<Outcome>) async {
        let client = await RawClient.connect(on: host.loops[0])
        let increment = "*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n"
        for _ in 0..<5 { _ = await client.call(String(repeating: increment, count: 5), lines: 5) }
        client.close()
    }

    /// Keys that are always set together are never seen half set, whatever workers they belong to.
    private static func setTogether(_ number: Int, _ host: SimulatedEnvironment, _ outcome: Lock<Outcome>) async {
        let client = await RawClient.connect(on: host.loops[0])
        for step in 0..<10 {
            let value = "\(number)\(step)"
            let pairs = ["a", "b", "c", "d"].map { "$1\r\n\($0)\r\n$2\r\n\(value)\r\n" }.joined()
            _ = await client.call("*9\r\n$4\r\nMSET\r\n\(pairs)", lines: 1)
            let keys = ["a", "b", "c", "d"].map { "$1\r\n\($0)\r\n" }.joined()
            let reply = await client.call("*5\r\n$4\r\nMGET\r\n\(keys)", lines: 9)
            let values = Set(stride(from: 2, to: reply.count, by: 2).map { reply[$0] })
            if values.count != 1 { outcome.withLock { $0.tornReads += 1 } }
        }
        client.close()
    }

    @Test func everyOperationEndsRight() {
        for seed in 1...60 as ClosedRange<UInt64> {
            let outcome = Self.run(seed: seed)
            #expect(outcome.failures.isEmpty, "seed \(seed): \(outcome.failures)")
            #expect(outcome.writes == Self.clients * 20, "seed \(seed)")
            #expect(outcome.wrongReads == 0, "seed \(seed)")
            #expect(outcome.counter == "\(Self.clients * 25)", "seed \(seed)")
            #expect(outcome.tornReads == 0, "seed \(seed)")
        }
    }

    @Test func theSameSeedGivesTheSameTrace() {
        for seed in 1...12 as ClosedRange<UInt64> {
            #expect(Self.run(seed: seed) == Self.run(seed: seed), "seed \(seed)")
        }
        #expect(Self.run(seed: 1).trace != Self.run(seed: 5).trace)
    }

    /// Each process hashes the standard library's collections by its own random key; the trace must not show it.
    @Test func processesAgree() async throws {
        let here = [3, 4, 5].map { Self.run(seed: $0).trace }
        for _ in 0..<2 {
            let child = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
                print("traces=\([3, 4, 5].map { NodeSimulationTests.run(seed: $0).trace })=")
            }
            let text = String(decoding: try #require(child).standardOutputContent, as: UTF8.self)
            #expect(text.split(separator: "=").dropFirst().first.map(String.init) == "\(here)")
        }
    }
}

/// A connection that sends text and waits for lines.
final class RawClient: @unchecked Sendable {
    let loop: SimulatedEventLoop
    private let handler = Handler()
    private var text = ""
    private var waiter: (lines: Int, resume: ([String]) -> Void)?

    private init(_ loop: SimulatedEventLoop) { self.loop = loop }

    static func connect(on loop: SimulatedEventLoop) async -> RawClient {
        let client = RawClient(loop)
        await withCheckedContinuation { (opened: CheckedContinuation<Void, Never>) in
            loop.post {
                client.handler.onBytes = { bytes in client.received(String(decoding: bytes, as: UTF8.self)) }
                client.handler.onOpened = { opened.resume() }
                loop.connect(client.handler)
            }
        }
        return client
    }

    func call(_ command: String, lines: Int) async -> [String] {
        await withCheckedContinuation { continuation in
            waiter = (lines, { continuation.resume(returning: $0) })
            _ = handler.stream?.write { $0.append(command) }
        }
    }

    private func received(_ more: String) {
        text += more
        var lines = text.components(separatedByCRLF: ())
        guard let waiter, lines.count > waiter.lines else { return }
        lines.removeLast()
        self.waiter = nil
        text = ""
        waiter.resume(lines)
    }

    func close() { handler.stream?.close() }
}

extension String {
    fileprivate func components(separatedByCRLF: Void) -> [String] {
        split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    }
}
