import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Replicas that lose data never pretend, and find back to the others, in virtual time.
@Suite struct CatchUpSimulationTests {
    static let seeds: ClosedRange<UInt64> = 1...20

    /// What a test writes down of a run.
    struct Notes {
        var faults: [String] = []
        var rare: [String: Int] = [:]
        var done = false
    }
    typealias Note = @Sendable (String) -> Void

    static func run(
        seed: UInt64, _ storages: [ThreeNodes.Storage], workers: Int = 1, isBugPlanted: Bool = false,
        _ play: @escaping @Sendable (ThreeNodes, @escaping Note) async -> Void
    ) -> Notes {
        let executor = SimulationExecutor(seed: seed)
        let notes = Lock(Notes())
        let world = ThreeNodes(executor, storages)
        world.workers = workers
        if isBugPlanted { world.settings.plantedNeed = 1 }
        world.host.environment.spawn("test") {
            await world.start()
            await play(world) { fault in notes.withLock { $0.faults.append(fault) } }
            notes.withLock { $0.done = true }
        }
        _ = executor.run { notes.withLock { $0.done } || executor.now > MonotonicTime(nanoseconds: 600_000_000_000) }
        return notes.withLock { $0 }
    }

    /// The keys and what was last written to each: acknowledged, and what may or may not have been applied since.
    final class Writes: @unchecked Sendable {  // confined to the simulation's thread
        var acknowledged: [String: Int] = [:]
        var latest: [String: Int] = [:]
        var count = 0

        /// A fault if a reply to a GET cannot be: older than what was acknowledged before it was sent.
        func fault(_ key: String, _ reply: String, since known: Int?) -> String? {
            guard reply.hasPrefix("$") else { return nil }  // an error is no wrong answer
            guard let known else { return nil }
            let value = Int(reply.dropFirst()) ?? -1
            return value >= known ? nil : "GET \(key): \(reply), though \(known) was acknowledged"
        }
    }

    /// Writes and reads keys through nodes that are up until told to stop.
    static func workload(
        _ world: ThreeNodes, _ writes: Writes, rounds: Int, via nodes: [Int], _ note: Note
    ) async {
        for round in 0..<rounds {
            let key = "k\(round % 40)"
            let node = nodes[round % nodes.count]
            writes.count += 1
            let value = writes.count
            writes.latest[key] = value
            if await world.call(node, ["SET", key, "\(value)"]) == "+OK" { writes.acknowledged[key] = value }
            let known = writes.acknowledged[key]
            let reply = await world.call(nodes[(round / 2) % nodes.count], ["GET", key])
            if let fault = writes.fault(key, reply, since: known) { note(fault) }
            if round % 7 == 0 { await world.pause(.milliseconds(20)) }
        }
    }

    /// All is to be well within a minute, with nobody reading.
    static func settle(_ world: ThreeNodes, _ writes: Writes, _ note: Note) async {
        world.messages.faults.heal()
        var digests: [String] = []
        for _ in 0..<60 {
            await world.pause(.seconds(1))
            digests = await world.digests()
            if Set(digests).count == 1 { break }
        }
        if Set(digests).count != 1 { note("after a minute: \(digests)") }
        for node in 0..<3 {
            if await world.status(node)?.inNeed != 0 { note("node \(node) is not caught up after a minute") }
        }
        for (key, value) in writes.acknowledged.sorted(by: { $0.key < $1.key }) {
            for node in 0..<3 {
                let reply = await world.call(node, ["GET", key])
                guard reply.hasPrefix("$"), (Int(reply.dropFirst()) ?? -1) >= value else {
                    note("at the end GET \(key) by \(node): \(reply), not \(value)")
                    continue
                }
            }
        }
    }

    @Test func aFreshClusterIsFoundedWellWithinASecond() {
        let notes = Self.run(seed: 5, [.memory, .disk(.always), .disk(.interval)]) { world, note in
            for node in 0..<3 {
                let status = await world.status(node)
                if status?.inNeed != 0 || status?.lost != 0 { note("\(node): \(status!)") }
            }
            let reply = await world.call(0, ["SET", "a", "b"])
            if reply != "+OK" { note(reply) }
        }
        #expect(notes.faults.isEmpty && notes.done)
    }

    @Test(arguments: seeds) func aMemoryNodeKilledInTheMiddleOfWritesComesBackWhole(seed: UInt64) {
        let storages: [ThreeNodes.Storage] =
            seed % 2 == 0 ? [.memory, .memory, .memory] : [.memory, .disk(.always), .memory]
        let notes = Self.run(seed: seed, storages) { world, note in
            let writes = Writes()
            for victim in [0, 2, 0] {
                let others = [0, 1, 2].filter { $0 != victim }
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await Self.workload(world, writes, rounds: 150, via: others, note) }
                    group.addTask {
                        await world.pause(.milliseconds(100))
                        world.crash(victim)
                        await world.pause(.milliseconds(300))
                        await world.start(victim)
                    }
                }
                // Before the next loss this one has to be made good.
                for _ in 0..<100 where await world.status(victim)?.inNeed != 0 {
                    await world.pause(.milliseconds(100))
                }
            }
            await Self.settle(world, writes, note)
            for node in 0..<3 where await world.status(node)?.lost != 0 { note("loss is counted where there is none") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: seeds) func aWipedNodeComesBackWhole(seed: UInt64) {
        let notes = Self.run(seed: seed, [.disk(.always), .disk(.always), .memory]) { world, note in
            let writes = Writes()
            await Self.workload(world, writes, rounds: 120, via: [0, 1, 2], note)
            world.crash(1)
            world.wipe(1)
            await Self.workload(world, writes, rounds: 60, via: [0, 2], note)
            await world.start(1)
            await Self.workload(world, writes, rounds: 60, via: [0, 1, 2], note)
            await Self.settle(world, writes, note)
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: seeds) func aNodeThatLostUnsyncedBatchesCatchesUpAndOneThatSyncedNeedsNot(seed: UInt64) {
        let notes = Self.run(seed: seed, [.disk(.interval), .disk(.always), .disk(.interval)]) { world, note in
            let writes = Writes()
            for victim in [0, 1, 2] {
                await Self.workload(world, writes, rounds: 60, via: [0, 1, 2], note)
                world.crash(victim)
                await Self.workload(world, writes, rounds: 30, via: [0, 1, 2].filter { $0 != victim }, note)
                await world.start(victim)
                let inNeed = await world.status(victim)?.inNeed
                if (inNeed == 0) != (victim == 1) { note("node \(victim) starts with \(inNeed ?? -1) in need") }
                await world.pause(.seconds(3))
            }
            await Self.settle(world, writes, note)
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: seeds) func allMemoryNodesRestartedAreFoundedEmptyAndThatIsALoss(seed: UInt64) {
        let notes = Self.run(seed: seed, [.memory, .memory, .memory]) { world, note in
            let writes = Writes()
            await Self.workload(world, writes, rounds: 40, via: [0, 1, 2], note)
            for node in 0..<3 { world.crash(node) }
            await world.pause(.seconds(1))
            await world.start(0)
            await world.start(1)
            await world.pause(.seconds(2))
            // Two of three do not know what the third may hold.
            let early = await world.call(0, ["GET", "k1"])
            if !early.hasPrefix("-NOQUORUM") { note("before all are there: \(early)") }
            await world.start(2)
            await world.pause(.seconds(1))
            var founded: UInt64 = 0
            for node in 0..<3 {
                let status = await world.status(node)
                founded = max(founded, status?.founded ?? 0)
                if status?.inNeed != 0 || status?.lost != 256 { note("\(status!)") }
            }
            if founded != 256 { note("nobody founded all: \(founded)") }
            let reply = await world.call(1, ["GET", "k1"])
            if reply != "$-" { note("after the founding: \(reply)") }
            writes.acknowledged = [:]
            await Self.workload(world, writes, rounds: 40, via: [0, 1, 2], note)
            await Self.settle(world, writes, note)
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: seeds) func flappingLinksDoNotKeepItFromCatchingUp(seed: UInt64) {
        let notes = Self.run(seed: seed, [.memory, .disk(.always), .memory]) { world, note in
            let writes = Writes()
            world.settings.pageEntries = 3
            await Self.workload(world, writes, rounds: 120, via: [0, 1, 2], note)
            world.crash(2)
            await world.pause(.seconds(1))
            await world.start(2)
            for round in 0..<6 {
                world.messages.faults.resets = 0.3
                await Self.workload(world, writes, rounds: 15, via: [0, 1], note)
                world.messages.faults.partition([3], from: round % 2 == 0 ? [1] : [2])
                await world.pause(.milliseconds(500))
                world.messages.faults.heal()
                await world.pause(.milliseconds(300))
            }
            await Self.settle(world, writes, note)
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    /// Only one of the others holds a write that the restarted node had acknowledged; it finds the other first.
    static func catchesUpFromTheWrongOne(seed: UInt64, isBugPlanted: Bool) -> Notes {
        run(seed: seed, [.memory, .memory, .memory], isBugPlanted: isBugPlanted) { world, note in
            let writes = Writes()
            await workload(world, writes, rounds: 20, via: [0, 1, 2], note)
            world.messages.faults.partition([3], from: [1, 2])
            await world.pause(.seconds(6))  // until what is on its way to it is lost
            await workload(world, writes, rounds: 40, via: [0, 1], note)
            world.crash(0)
            world.messages.faults.heal()
            world.messages.faults.partition([2], from: [1, 3])
            await world.start(0)
            await world.pause(.seconds(3))
            for (key, value) in writes.acknowledged.sorted(by: { $0.key < $1.key }) {
                for node in [0, 2] {
                    let reply = await world.call(node, ["GET", key])
                    if let fault = writes.fault(key, reply, since: value) { note(fault) }
                }
            }
            await settle(world, writes, note)
        }
    }

    @Test(arguments: seeds) func anAnswerIsRatherRefusedThanGuessed(seed: UInt64) {
        let notes = Self.catchesUpFromTheWrongOne(seed: seed, isBugPlanted: false)
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test func catchingUpFromOnePeerOnlyIsFoundOut() {
        let caught = (UInt64(1)...20).filter {
            !Self.catchesUpFromTheWrongOne(seed: $0, isBugPlanted: true).faults.isEmpty
        }
        #expect(caught.count >= 10, "of 20 seeds \(caught) found it")
    }

    /// What went bad on its way from the disk is read again; two that wait for each other's record would wait for ever.
    @Test(arguments: UInt64(1)...4) func allOwnersMisreadAKeyOnce(seed: UInt64) {
        let disks = Array(repeating: ThreeNodes.Storage.disk(.always), count: 2)
        let notes = ReplicationSimulationTests.run(seed: seed, disks, { $0.placement = .count(2) }) { world, expect in
            for key in 0..<20 { expect(await world.call(0, ["SET", "k\(key)", "v"]), "+OK", "before") }
            await world.pause(.seconds(3))
            for node in 0..<2 { world.misdirectRead(node) }
            expect(await world.call(0, ["GET", "absent"]), "-", "what cannot be known is not absent")
            await world.pause(.seconds(1))
            for node in 0..<2 { expect(await world.call(node, ["GET", "absent"]), "$-", "read again by \(node)") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    /// A record that went bad on its way from the disk is not kept in memory: a scan, which reads the disk, would find
    /// nothing to mend, and exchanges leave the key out for ever.
    @Test(arguments: UInt64(1)...4) func whatWasReadAstrayIsNotKept(seed: UInt64) {
        let disks = Array(repeating: ThreeNodes.Storage.disk(.always), count: 3)
        let notes = ReplicationSimulationTests.run(seed: seed, disks, { $0.level = .one }) { world, expect in
            for key in 0..<20 { expect(await world.call(0, ["SET", "k\(key)", "v"]), "+OK", "before") }
            await world.stop(1)
            await world.start(1)  // with nothing in memory
            world.messages.faults.partition([2], from: [1, 3])
            var astray = 0
            for key in 0..<20 {
                world.misdirectRead(1)
                if await world.call(1, ["GET", "k\(key)"]).hasPrefix("-") { astray += 1 }
            }
            if astray < 10 { expect("\(astray)", "10 or more", "reads astray") }
            await world.pause(.seconds(1))
            for key in 0..<20 { expect(await world.call(1, ["GET", "k\(key)"]), "$v", "k\(key) read again") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    /// Has what disks hold compared, and read, every few seconds.
    private static func haveFoundSoon(_ world: ThreeNodes) {
        world.antiEntropy.scanPeriod = 5_000_000_000
        world.antiEntropy.period = 2_000_000_000
    }

    /// What is in memory and not on the disk, which said that it had written it, is written again once that is found.
    @Test(arguments: UInt64(1)...4) func whatTheDiskDidNotWriteIsWrittenAgain(seed: UInt64) {
        let disks = Array(repeating: ThreeNodes.Storage.disk(.always), count: 3)
        let notes = ReplicationSimulationTests.run(seed: seed, disks, Self.haveFoundSoon) { world, expect in
            for key in 0..<20 { expect(await world.call(0, ["SET", "k\(key)", "old"]), "+OK", "before") }
            for node in 0..<3 {
                world.losePut(node)
                let reply = await world.call(node, ["SET", "k\(node)", "new"])
                expect(reply, "+OK", "acknowledged by \(node)")
                await world.pause(.milliseconds(100))
            }
            if Set(await world.digests()).count == 1 { expect("all is written", "-", "before the scan") }
            await world.pause(.seconds(30))
            let digests = await world.digests()
            if Set(digests).count != 1 { expect("\(digests)", "-", "after the scan") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    /// What is erased in memory and not on the disk, which said that it was, is collected after all.
    /// By the node that leads, which finds it in its own storage only; by another; and by all, who then differ in
    /// nothing.
    @Test(arguments: UInt64(1)...4, [0..<1, 1..<2, 0..<3])
    func whatTheDiskDidNotEraseIsFound(seed: UInt64, by nodes: Range<Int>) {
        let disks = Array(repeating: ThreeNodes.Storage.disk(.always), count: 3)
        let prepare = { (world: ThreeNodes) in
            Self.haveFoundSoon(world)
            (world.tombstones.age, world.tombstones.period) = (3_000, 1_000_000_000)
        }
        let notes = ReplicationSimulationTests.run(seed: seed, disks, prepare) { world, expect in
            for key in 0..<3 { expect(await world.call(0, ["SET", "k\(key)", "v"]), "+OK", "before") }
            for key in 0..<3 { expect(await world.call(0, ["DEL", "k\(key)"]), ":1", "deleted") }
            await world.pause(.seconds(1))
            for node in nodes { world.losePut(node) }
            await world.pause(.seconds(60))
            for digest in await world.digests() { expect(digest, "0 records, 0", "collected") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    /// A wiped node takes records in bulk, and writes of just these keys, before it can read them from its disk, which
    /// may be full at times.
    @Test(arguments: UInt64(1)...6, [false, true]) func writesGoOnFromWhatCameInBulk(seed: UInt64, isFull: Bool) {
        let disks = Array(repeating: ThreeNodes.Storage.disk(.always), count: 3)
        let notes = ReplicationSimulationTests.run(seed: seed, disks, Self.haveFoundSoon) { world, expect in
            for first in stride(from: 0, to: 3000, by: 100) {
                let pairs = (first..<first + 100).flatMap { ["{tag}\($0)", "before"] }
                expect(await world.call(0, ["MSET"] + pairs), "+OK", "before")
            }
            world.crash(1)
            world.wipe(1)
            await withTaskGroup(of: Void.self) { group in
                for client in 0..<30 {
                    group.addTask {
                        for key in stride(from: client, to: 3000, by: 30) {
                            expect(await world.call(0, ["SET", "{tag}\(key)", "after"]), "+OK", "a write")
                        }
                    }
                }
                group.addTask {
                    await world.start(1)
                    for _ in 0..<(isFull ? 20 : 0) {
                        await world.pause(.milliseconds(7))
                        world.fill(1)
                        await world.pause(.milliseconds(3))
                        world.fill(1, false)
                    }
                }
            }
            await world.pause(.seconds(30))
            let digests = await world.digests()
            if Set(digests).count != 1 || !digests[0].hasPrefix("3000 ") { expect("\(digests)", "-", "at the end") }
            for node in 0..<3 {
                expect("\(AntiEntropySimulationTests.statistics(world, node).corrected)", "0", "leaves of \(node)")
            }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    /// Pages go on from a stored key, which is of no keyspace any more once that was emptied.
    @Test(arguments: UInt64(1)...6) func aKeyspaceEmptiedInTheMiddleIsCaughtUpOn(seed: UInt64) {
        let disks = Array(repeating: ThreeNodes.Storage.disk(.always), count: 3)
        let notes = ReplicationSimulationTests.run(seed: seed, disks) { world, expect in
            for first in stride(from: 0, to: 5000, by: 100) {
                let pairs = (first..<first + 100).flatMap { ["{tag}\($0)", "before"] }
                expect(await world.call(0, ["MSET"] + pairs), "+OK", "before")
            }
            world.crash(1)
            world.wipe(1)
            await world.start(1)
            await world.pause(.milliseconds(3 * Int(seed)))
            expect(await world.call(0, ["FLUSHALL"]), "+OK", "emptied")
            await world.pause(.seconds(2))
            expect("\(await world.status(1)?.inNeed ?? -1)", "0", "partitions in need")
            expect(await world.call(1, ["DBSIZE"]), ":0", "records")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    /// Two owners that both lost what was not synced, each with a damaged record, do not wait for each other for ever.
    @Test(arguments: UInt64(1)...4) func twoInNeedWithDamagedRecordsFindTogether(seed: UInt64) {
        let executor = SimulationExecutor(seed: seed)
        let notes = Lock(Notes())
        let world = ThreeNodes(executor, [.disk(.interval), .disk(.interval)])
        world.placement = .count(2)
        world.host.environment.spawn("test") {
            await world.start()
            for key in 0..<60 { _ = await world.call(key % 2, ["SET", "k\(key)", "v"]) }
            await world.pause(.seconds(3))
            for node in 0..<2 where world.flipBit(node) == nil {
                notes.withLock { $0.faults.append("nothing stored") }
            }
            world.crash(0)
            world.crash(1)
            await world.start(0)
            await world.start(1)
            await world.pause(.seconds(30))
            for node in 0..<2 {
                let inNeed = await world.status(node)?.inNeed ?? -1
                if inNeed != 0 { notes.withLock { $0.faults.append("node \(node) is in need of \(inNeed)") } }
            }
            for key in 0..<60 where await world.call(key % 2, ["SET", "k\(key)", "w"]) != "+OK" {
                notes.withLock { $0.faults.append("k\(key) takes no write") }
            }
            notes.withLock { $0.done = true }
        }
        _ = executor.run { notes.withLock { $0.done } || executor.now > MonotonicTime(nanoseconds: 600_000_000_000) }
        let found = notes.withLock { $0 }
        #expect(found.faults.isEmpty && found.done, "\(found.faults.prefix(5))")
    }
}
