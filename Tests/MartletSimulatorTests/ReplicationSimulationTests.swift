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

    @Test(arguments: UInt64(1)...6)
    func aDeleteWhereNothingIsFoundDeletesWhatOthersHold(seed: UInt64) {
        let notes = Self.run(seed: seed, nil, { $0.level = .one }) { world, expect in
            world.separate(2..<3)
            await world.pause(.seconds(3))
            for key in ["a", "b", "c"] { expect(await world.call(0, ["SET", key, "v"]), "+OK", "SET \(key)") }
            await world.pause(.milliseconds(100))
            expect(await world.call(2, ["DEL", "a"]), ":0", "DEL of what the owner has not seen")
            expect(await world.call(2, ["UNLINK", "b"]), ":0", "UNLINK")
            expect(await world.call(2, ["MARTLET.DEL", "c"]), "*", "MARTLET.DEL")
            world.heal()
            await world.pause(.seconds(20))
            for node in 0..<3 {
                expect(await world.call(node, ["EXISTS", "a", "b", "c"]), ":0", "by \(node)")
                expect(await world.call(node, ["DBSIZE"]), ":0", "counted by \(node)")
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...6)
    func readsDoNotWaitForASilentOwner(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            for key in 0..<12 { expect(await world.call(2, ["SET", "k\(key)", "v\(key)"]), "+OK", "before") }
            world.freeze(2)
            for key in 0..<12 {
                let begun = world.now
                expect(await world.call(key % 2, ["GET", "k\(key)"]), "$v\(key)", "read with one silent")
                let isSoon = world.now.since(begun) < .milliseconds(300)
                expect("\(isSoon)", "true", "answered after \(world.now.since(begun))")
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...6)
    func aNodeThatDoesNotAnswerIsGoneRound(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            for key in 0..<12 { expect(await world.call(2, ["SET", "n\(key)", "0"]), "+OK", "before") }
            world.freeze(2)
            await world.pause(.seconds(2))  // several of the detectors' periods
            for key in 0..<12 {
                let begun = world.now
                expect(await world.call(key % 2, ["INCR", "n\(key)"]), ":1", "count with one silent")
                let isSoon = world.now.since(begun) < .milliseconds(300)
                expect("\(isSoon)", "true", "answered after \(world.now.since(begun))")
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...4)
    func aNodeOfAnotherEpochRefusesAtOnce(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            world.crash(2)
            world.epochs = [2: 2]
            await world.start(2)
            await world.pause(.seconds(1))
            for key in 0..<9 {
                let begun = world.now
                expect(await world.call(key % 2, ["MARTLET.CONSISTENCY", "all"]), "+OK", "level")
                expect(await world.call(key % 2, ["SET", "k\(key)", "v"]), "-", "one of all refuses")
                expect(await world.call(key % 2, ["GET", "k\(key)"]), "-NOQUORUM", "and answers no read")
                expect(await world.call(key % 2, ["MARTLET.CONSISTENCY", "quorum"]), "+OK", "level")
                expect(await world.call(key % 2, ["GET", "k\(key)"]), "$v", "two have it")
                expect("\(world.now.since(begun) < .milliseconds(500))", "true", "\(world.now.since(begun))")
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
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
        seed: UInt64, policy: ConflictPolicy = .latest, _ storages: [ThreeNodes.Storage]? = nil,
        _ prepare: (ThreeNodes) -> Void = { _ in },
        _ play: @escaping @Sendable (ThreeNodes, @escaping Expect) async -> Void
    ) -> Notes {
        let executor = SimulationExecutor(seed: seed)
        let notes = Lock(Notes())
        let usual = Array(repeating: seed % 2 == 0 ? .memory : ThreeNodes.Storage.disk(.always), count: 3)
        let world = ThreeNodes(executor, storages ?? usual)
        world.policy = policy
        prepare(world)
        world.host.environment.spawn("test") {
            await world.start()
            await play(world) { reply, prefix, what in
                guard !reply.hasPrefix(prefix) else { return }
                notes.withLock { $0.faults.append("\(what): \(reply), not \(prefix)") }
            }
            notes.withLock { $0.done = true }
        }
        _ = executor.run { notes.withLock { $0.done } || executor.now > MonotonicTime(nanoseconds: 600_000_000_000) }
        return notes.withLock { notes in
            notes.trace = executor.trace.hash
            return notes
        }
    }

    /// A value that this node could not store is not answered, although another owner holds it, whose word comes after
    /// the failure: two owners of three have to.
    @Test(arguments: UInt64(1)...60) func whatCouldNotBeStoredIsNotRead(seed: UInt64) {
        let notes = Self.run(seed: seed, [.disk(.always), .disk(.interval), .disk(.always)]) { world, expect in
            expect(await world.call(0, ["SET", "k", "old"]), "+OK", "before")
            world.crash(2)
            await world.pause(.seconds(1))
            world.fill(0)
            world.messages.faults.clog(from: 2, to: 1, by: .milliseconds(Int(seed % 12)))
            let read = Lock("")
            world.host.environment.spawn("reader") {
                let reply = await world.call(0, ["GET", "k"])
                read.withLock { $0 = reply }
            }
            await world.pause(.microseconds(Int(seed) * 20))
            let written = await world.call(0, ["SET", "k", "new"])
            await world.pause(.seconds(5))
            let found = read.withLock { $0 }
            expect("\(written.hasPrefix("-"))", "true", "two owners do not hold it: \(written)")
            expect("\(found == "$new")", "false", "one owner holds it")
            world.fill(0, false)
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }
}
