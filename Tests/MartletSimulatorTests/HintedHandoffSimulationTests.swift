import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Five nodes, three owners of each key, and two that stand in for them, in virtual time.
@Suite struct HintedHandoffSimulationTests {
    private static func run(
        seed: UInt64, isSloppy: Bool = true, storage: ThreeNodes.Storage? = nil,
        _ prepare: @escaping (ThreeNodes) -> Void = { _ in },
        _ play: @escaping @Sendable (ThreeNodes, @escaping ReplicationSimulationTests.Expect) async -> Void
    ) -> ReplicationSimulationTests.Notes {
        let storages = (0..<5).map { index in
            storage ?? ((seed + UInt64(index)) % 2 == 0 ? .memory : ThreeNodes.Storage.disk(.always))
        }
        return ReplicationSimulationTests.run(
            seed: seed, storages,
            { world in
                world.isSloppy = isSloppy
                prepare(world)
            }, play)
    }

    /// Hints that all running nodes hold.
    private static func held(_ world: ThreeNodes) -> Int { (0..<5).reduce(0) { $0 + world.hints($1).held } }

    /// Waits until nobody holds a hint; false if that takes too long.
    private static func areDrained(_ world: ThreeNodes) async -> Bool {
        for _ in 0..<60 where held(world) > 0 { await world.pause(.milliseconds(500)) }
        return held(world) == 0
    }

    /// A field of a receipt.
    private static func field(_ name: String, of reply: ReplyReader.Reply) -> Int64? {
        guard case .array(let elements) = reply else { return nil }
        for (place, element) in elements.enumerated() where place + 1 < elements.count {
            guard case .bulk(let bytes?) = element, bytes == Array(name.utf8) else { continue }
            if case .integer(let number) = elements[place + 1] { return number }
        }
        return nil
    }

    @Test(arguments: UInt64(1)...8)
    func writesGoOnWithTwoOfThreeOwnersGoneAndComeOver(seed: UInt64) {
        let notes = Self.run(seed: seed, storage: .disk(.always)) { world, expect in
            for key in 0..<30 { expect(await world.call(key % 3, ["SET", "k\(key)", "old"]), "+OK", "before") }
            world.crash(3)
            world.crash(4)
            await world.pause(.seconds(2))
            var hinted: Int64 = 0
            for key in 0..<30 {
                let put = ["MARTLET.PUT", "k\(key)", "new"].map { Array($0.utf8) }
                let receipt = await world.ask(key % 3, put)
                hinted += Self.field("hints", of: receipt) ?? -1000
                expect(await world.call((key + 1) % 3, ["GET", "k\(key)"]), "$new", "read back of \(receipt)")
            }
            expect("\(hinted > 0)", "true", "receipts tell hints from owners: \(hinted)")
            expect("\(Self.held(world) >= 20)", "true", "hints are held: \(Self.held(world))")
            await world.start(3)
            await world.start(4)
            expect("\(await Self.areDrained(world))", "true", "all is handed over")
            await world.pause(.seconds(1))
            // What came by hints is there without the others.
            world.crash(0)
            world.crash(1)
            world.crash(2)
            await world.pause(.seconds(1))
            var count = 0
            for key in 0..<30 {
                expect(await world.call(3, ["MARTLET.CONSISTENCY", "one"]), "+OK", "level")
                let reply = await world.call(3, ["GET", "k\(key)"])
                if reply == "$new" { count += 1 }
            }
            expect("\(count >= 18)", "true", "owned by the two that were away, and current: \(count)")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...4)
    func aStrictKeyspaceRefusesWhereHintsWouldHaveToCount(seed: UInt64) {
        let notes = Self.run(seed: seed, isSloppy: false) { world, expect in
            for key in 0..<30 { expect(await world.call(key % 3, ["SET", "k\(key)", "old"]), "+OK", "before") }
            world.crash(3)
            world.crash(4)
            await world.pause(.seconds(2))
            var refused = 0
            for key in 0..<30 {
                let reply = await world.call(key % 3, ["SET", "k\(key)", "new"])
                if reply.hasPrefix("-NOQUORUM") { refused += 1 } else { expect(reply, "+OK", "or it is applied") }
            }
            expect("\(refused > 0)", "true", "keys of which two owners are gone: \(refused)")
            expect("\(Self.held(world))", "0", "no hints")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...8)
    func oneNodeOfFiveTakesWritesAndReadsAlone(seed: UInt64) {
        let notes = Self.run(seed: seed, { $0.level = .one }) { world, expect in
            for node in 1..<5 { world.crash(node) }
            await world.pause(.seconds(2))
            for key in 0..<30 {
                let begun = world.now
                expect(await world.call(0, ["SET", "k\(key)", "v\(key)"]), "+OK", "write alone")
                expect(await world.call(0, ["GET", "k\(key)"]), "$v\(key)", "read alone")
                expect(await world.call(0, ["SET", "k\(key)", "w\(key)", "XX"]), "+OK", "write over it")
                let isSoon = world.now.since(begun) < .seconds(2)
                expect("\(isSoon)", "true", "answered after \(world.now.since(begun))")
            }
            for node in 1..<5 { await world.start(node) }
            expect("\(await Self.areDrained(world))", "true", "all is handed over")
            await world.pause(.seconds(30))
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "all"]), "+OK", "level")
            for key in 0..<30 { expect(await world.call(0, ["GET", "k\(key)"]), "$w\(key)", "everywhere") }
            expect(await world.call(0, ["DBSIZE"]), ":30", "no key twice")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...6)
    func hintsOutliveTheirHolderOnDisk(seed: UInt64) {
        let notes = Self.run(seed: seed, storage: .disk(.always)) { world, expect in
            world.crash(4)
            await world.pause(.seconds(2))
            for key in 0..<40 { expect(await world.call(key % 4, ["SET", "k\(key)", "v"]), "+OK", "write") }
            let before = Self.held(world)
            expect("\(before > 10)", "true", "hints are held: \(before)")
            for node in 0..<4 {
                world.crash(node)
                await world.start(node)
            }
            await world.pause(.seconds(2))
            expect("\(Self.held(world))", "\(before)", "all are still there")
            await world.start(4)
            expect("\(await Self.areDrained(world))", "true", "all is handed over")
            expect("\((0..<4).reduce(0) { $0 + Int(world.hints($1).counters.replayed) } >= before)", "true", "replayed")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...4)
    func aSilentOwnerGetsAStandInSoon(seed: UInt64) {
        let notes = Self.run(seed: seed, { $0.level = .all }) { world, expect in
            for key in 0..<20 { expect(await world.call(key % 4, ["SET", "k\(key)", "old"]), "+OK", "before") }
            world.freeze(4)
            // Before anybody knows, an owner has its time; afterwards it is gone round at once.
            expect(await world.call(0, ["SET", "k0", "new"]), "+OK", "at once")
            await world.pause(.seconds(2))
            for key in 0..<20 {
                let begun = world.now
                expect(await world.call(key % 4, ["SET", "k\(key)", "new"]), "+OK", "with one silent")
                let isSoon = world.now.since(begun) < .milliseconds(200)
                expect("\(isSoon)", "true", "answered after \(world.now.since(begun))")
            }
            world.thaw(4)
            expect("\(await Self.areDrained(world))", "true", "all is handed over")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...4)
    func aFullStoreDropsAndFailsNoWrite(seed: UInt64) {
        let notes = Self.run(seed: seed, { $0.hints.bytes = 600 }) { world, expect in
            world.crash(4)
            await world.pause(.seconds(2))
            for key in 0..<60 { expect(await world.call(key % 4, ["SET", "k\(key)", "v"]), "+OK", "write") }
            let dropped = (0..<4).reduce(0) { $0 + world.hints($1).counters.dropped }
            expect("\(dropped > 0)", "true", "some had no room")
            for node in 0..<4 { expect("\(world.hints(node).bytes <= 600)", "true", "within bounds") }
            await world.start(4)
            await world.pause(.seconds(60))
            expect("\(Self.held(world))", "0", "no hint is left")
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "all"]), "+OK", "level")
            for key in 0..<60 { expect(await world.call(0, ["GET", "k\(key)"]), "$v", "everywhere") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...4)
    func oldHintsAreGivenUpAndReplicasCompared(seed: UInt64) {
        let notes = Self.run(seed: seed, { $0.hints.age = 5_000 }) { world, expect in
            world.crash(4)
            await world.pause(.seconds(2))
            for key in 0..<40 { expect(await world.call(key % 4, ["SET", "k\(key)", "v"]), "+OK", "write") }
            expect("\(Self.held(world) > 0)", "true", "hints are held")
            await world.pause(.seconds(20))
            expect("\(Self.held(world))", "0", "given up while their target is away")
            expect("\((0..<4).contains { world.hints($0).counters.expired > 0 })", "true", "counted")
            await world.start(4)
            await world.pause(.seconds(30))
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "all"]), "+OK", "level")
            for key in 0..<40 { expect(await world.call(0, ["GET", "k\(key)"]), "$v", "everywhere") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...4)
    func emptyingAKeyspaceVoidsItsHints(seed: UInt64) {
        let notes = Self.run(seed: seed) { world, expect in
            world.freeze(4)
            await world.pause(.seconds(2))
            for key in 0..<40 { expect(await world.call(key % 4, ["SET", "k\(key)", "v"]), "+OK", "write") }
            expect("\(Self.held(world) > 0)", "true", "hints are held")
            world.thaw(4)
            world.crash(4)
            await world.pause(.seconds(1))
            _ = await world.call(0, ["FLUSHALL"])
            await world.start(4)
            await world.pause(.seconds(3))
            expect(await world.call(0, ["FLUSHALL"]), "+OK", "flush")
            await world.pause(.seconds(5))
            expect("\(Self.held(world))", "0", "no hint is left")
            for node in 0..<5 { expect(await world.call(node, ["DBSIZE"]), ":0", "nothing came back") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }
}
