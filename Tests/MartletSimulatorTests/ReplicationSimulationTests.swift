import MartletCore
import MartletNode
import MartletRuntime
import MartletServer
import MemoryBackend
import Testing

@testable import MartletSimulator

/// Three nodes act as one store, in virtual time: any of them takes any command.
@Suite struct ReplicationSimulationTests {
    /// What a test writes down of a run.
    struct Notes: Equatable {
        var faults: [String] = []
        var done = false
        var trace: UInt64 = 0
    }

    @Test(arguments: UInt64(1)...12)
    func whatOneNodeWroteAllOthersRead(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            for round in 0..<30 {
                let (key, value) = ("key-\(round % 9)", "value-\(round)")
                expect(await world.call(round % 3, ["SET", key, value]), "+OK", "SET by \(round % 3)")
                for reader in 0..<3 {
                    expect(await world.call(reader, ["GET", key]), "$" + value, "GET by \(reader)")
                }
            }
            expect(await world.call(0, ["DEL", "key-0", "key-1", "absent"]), ":2", "DEL")
            expect(await world.call(1, ["EXISTS", "key-0", "key-1", "key-2"]), ":1", "EXISTS")
            expect(await world.call(2, ["MSET", "a", "1", "b", "2", "c", "3"]), "+OK", "MSET")
            expect(await world.call(1, ["MGET", "a", "b", "c", "no"]), "*$1$2$3$-", "MGET")
            expect(await world.call(1, ["MSETNX", "a", "1", "b", "2"]), "-CROSSSLOT", "MSETNX")
            expect(await world.call(0, ["SET", "t", "v", "NX", "PX", "100000"]), "+OK", "SET NX")
            expect(await world.call(1, ["SET", "t", "w", "NX"]), "$-", "SET NX again")
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test(arguments: UInt64(1)...12)
    func countersAreExactWhoeverCounts(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            await withTaskGroup(of: Void.self) { group in
                for node in 0..<3 {
                    for _ in 0..<2 {
                        group.addTask { for _ in 0..<20 { _ = await world.call(node, ["INCR", "counter"]) } }
                    }
                }
            }
            for node in 0..<3 { expect(await world.call(node, ["GET", "counter"]), "$120", "the sum") }
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test(arguments: UInt64(1)...12)
    func withOneNodeGoneQuorumsGoOnAndWithTwoTheyRefuse(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            for key in 0..<12 { expect(await world.call(2, ["SET", "k\(key)", "old"]), "+OK", "before") }
            world.crash(2)
            await world.pause(.seconds(1))
            for key in 0..<12 {
                expect(await world.call(key % 2, ["GET", "k\(key)"]), "$old", "read with one gone")
                expect(await world.call(key % 2, ["SET", "k\(key)", "new"]), "+OK", "write with one gone")
                expect(await world.call(1 - key % 2, ["GET", "k\(key)"]), "$new", "read back")
            }
            world.crash(1)
            await world.pause(.seconds(1))
            expect(await world.call(0, ["GET", "k0"]), "-NOQUORUM", "read with two gone")
            expect(await world.call(0, ["SET", "k0", "x"]), "-NOQUORUM", "write with two gone")
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "one"]), "+OK", "the level of a connection")
            expect(await world.call(0, ["GET", "k0"]), "$new", "read one with two gone")
            expect(await world.call(0, ["SET", "k0", "x"]), "+OK", "write one with two gone")
            expect(await world.call(0, ["GET", "k0"]), "$x", "read one after it")
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "one", "all"]), "+OK", "two levels")
            expect(await world.call(0, ["SET", "k0", "y"]), "-NOQUORUM", "write all with two gone")
            expect(await world.call(0, ["GET", "k0"]), "$x", "what was refused is not applied")
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "4"]), "+OK", "more than there are owners")
            expect(await world.call(0, ["GET", "k0"]), "-ERR the consistency level needs 4", "too many")
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "most"]), "-ERR unknown consistency level", "no level")
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "default"]), "+OK", "the keyspace's own")
            expect(await world.call(0, ["GET", "k0"]), "-NOQUORUM", "read with two gone again")
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test func theSameSeedGivesTheSameTrace() {
        let first = Self.run(seed: 77) { world, _ in _ = await world.call(1, ["SET", "a", "b"]) }
        #expect(first == Self.run(seed: 77) { world, _ in _ = await world.call(1, ["SET", "a", "b"]) })
        #expect(first.trace != Self.run(seed: 78) { world, _ in _ = await world.call(1, ["SET", "a", "b"]) }.trace)
    }

    // MARK: The world

    typealias Expect = @Sendable (_ reply: String, _ prefix: String, _ what: String) -> Void

    static func run(
        seed: UInt64, _ play: @escaping @Sendable (ThreeNodes, @escaping Expect) async -> Void
    ) -> Notes {
        let executor = SimulationExecutor(seed: seed)
        let notes = Lock(Notes())
        let world = ThreeNodes(executor, isVolatile: seed % 2 == 0)
        world.host.environment.spawn("test") {
            await world.start()
            await play(world) { reply, prefix, what in
                guard !reply.hasPrefix(prefix) else { return }
                notes.withLock { $0.faults.append("\(what): \(reply), not \(prefix)") }
            }
            notes.withLock { $0.done = true }
        }
        executor.run(for: .seconds(600))
        return notes.withLock { notes in
            notes.trace = executor.trace.hash
            return notes
        }
    }
}

/// Three nodes joined by messages, and clients of another host.
final class ThreeNodes: @unchecked Sendable {  // confined to the simulation's thread
    let host: SimulatedEnvironment
    private let messages: MessageNetwork
    private let worlds: [SimulatedEnvironment]
    private let disks: [SimulatedDisk?]
    private var clients: [(node: Int, client: OneCall, isFree: Bool)] = []

    init(_ executor: SimulationExecutor, isVolatile: Bool) {
        let network = SimulatedNetwork(executor)
        messages = MessageNetwork(executor)
        let disks = (0..<3).map { _ in
            isVolatile ? nil : SimulatedDisk(SimulatedDisk.Settings(readsMayBlock: true), on: executor)
        }
        self.disks = disks
        worlds = disks.map { SimulatedEnvironment.make(on: executor, network: network, workers: 1, disk: $0) }
        host = SimulatedEnvironment.make(on: executor, network: network, workers: 1)
    }

    private func address(_ node: Int) -> SocketAddress { SocketAddress(host: "10.0.0.\(node + 1)", port: 7001) }

    func start() async {
        let members = (1...3).map { Member(id: UInt32($0), name: "n\($0)") }
        guard let ring = try? Ring(members: members, placement: .count(3)) else { return }
        for index in 0..<3 {
            let (world, disk) = (worlds[index], disks[index])
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                world.environment.spawn("node") { [self] in
                    await start(index, world, disk, ring)
                    done.resume()
                }
            }
        }
        await pause(.seconds(1))  // until all links are open
    }

    private func start(_ index: Int, _ world: SimulatedEnvironment, _ disk: SimulatedDisk?, _ ring: Ring) async {
        do {
            let settings = NodeSettings(
                cluster: "sim", name: "n\(index + 1)", durability: disk == nil ? .none : .always)
            let node = try Node.open(
                settings, NodeOpening(kind: disk?.kind ?? .memory, path: ""), in: world.environment)
            let transport = messages.makeTransport(
                node: UInt32(index + 1), incarnation: node.incarnation, worker: 0, of: 1, on: world.loops[0])
            for peer in UInt32(1)...3 where peer != UInt32(index + 1) { transport.connect(to: peer) }
            await node.start()
            await node.join(
                ClusterMembership(epoch: 1, node: UInt32(index + 1), keyspaces: [.init(ring: ring)]),
                over: [Confined(transport, on: world.loops[0])])
            _ = try await Server.open(Server.Settings(address: address(index)), for: node)
        } catch {
            Issue.record("node \(index): \(error)")
        }
    }

    func crash(_ node: Int) {
        messages.crash(node: UInt32(node + 1))
        worlds[node].crash()
    }

    func pause(_ duration: Duration) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            host.loops[0].schedule(after: duration) { done.resume() }
        }
    }

    /// Sends one command to a node; the reply in short, as ``OneCall`` has it.
    func call(_ node: Int, _ arguments: [String]) async -> String {
        let index: Int
        if let free = clients.firstIndex(where: { $0.node == node && $0.isFree }) {
            index = free
        } else {
            index = clients.count
            let client = OneCall()
            clients.append((node, client, false))
            await client.connect(to: address(node), on: host.loops[0])
        }
        clients[index].isFree = false
        defer { clients[index].isFree = true }
        var text = "*\(arguments.count)\r\n"
        for argument in arguments { text += "$\(argument.utf8.count)\r\n\(argument)\r\n" }
        return await clients[index].client.call(text)
    }
}

/// A connection that asks one thing at a time.
final class OneCall: StreamHandler {
    private var stream: (any ByteStream)?
    private var replies = ReplyReader()
    private var waiter: CheckedContinuation<String, Never>?
    private var whenOpen: CheckedContinuation<Void, Never>?

    func connect(to address: SocketAddress, on loop: SimulatedEventLoop) async {
        let me = Confined(self)
        await withCheckedContinuation { (open: CheckedContinuation<Void, Never>) in
            loop.post {
                me.value.whenOpen = open
                me.value.stream = try? loop.connect(to: address, handler: me.value)
            }
        }
    }

    func call(_ command: String) async -> String {
        await withCheckedContinuation { continuation in
            waiter = continuation
            _ = stream?.write { $0.append(command) }
        }
    }

    func opened() {
        whenOpen?.resume()
        whenOpen = nil
    }

    func received(_ bytes: RawSpan) {
        replies.append(bytes.array)
        guard let waiter, let reply = replies.next() else { return }
        self.waiter = nil
        waiter.resume(returning: Self.short(reply))
    }

    func closed(_ error: StreamError?) {
        waiter?.resume(returning: "closed")
        waiter = nil
    }

    /// A reply in short: its mark and text, of an array its elements' after it.
    private static func short(_ reply: ReplyReader.Reply) -> String {
        switch reply {
        case .line(let text): "+" + text
        case .error(let text): "-" + text
        case .integer(let number): ":\(number)"
        case .bulk(let bytes): "$" + (bytes.map { String(decoding: $0, as: UTF8.self) } ?? "-")
        case .array(let elements): "*" + elements.map(short).joined()
        case .malformed(let text): "malformed: " + text
        }
    }
}
