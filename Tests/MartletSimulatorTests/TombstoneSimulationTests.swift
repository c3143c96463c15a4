import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Deleted and expired records of several nodes, which are erased once nothing can bring them back, in virtual time.
@Suite struct TombstoneSimulationTests {
    private static func run(
        seed: UInt64, nodes: Int = 3, workers: Int = 1, bugs: PlantedNodeBugs = [],
        _ play: @escaping @Sendable (ThreeNodes, @escaping ReplicationSimulationTests.Expect) async -> Void
    ) -> ReplicationSimulationTests.Notes {
        let storages = (0..<nodes).map { index in
            (seed + UInt64(index)) % 2 == 0 ? .memory : ThreeNodes.Storage.disk(.interval)
        }
        return ReplicationSimulationTests.run(
            seed: seed, storages,
            { world in
                world.workers = workers
                world.plantedBugs = bugs
                world.isSloppy = nodes > 3
                world.tombstones.age = 5_000
                world.tombstones.period = 2_000_000_000
            }, play)
    }

    /// Records that all nodes hold together, tombstones among them.
    private static func records(_ world: ThreeNodes) async -> Int {
        await world.digests().reduce(0) { $0 + (Int($1.split(separator: " ")[0]) ?? 1_000_000) }
    }

    private static func status(_ world: ThreeNodes) -> TombstoneStatus {
        var sum = TombstoneStatus()
        for node in world.nodes {
            guard let other = node?.clusterStatistics.tombstones else { continue }
            (sum.erased, sum.awaiting) = (sum.erased + other.erased, sum.awaiting + other.awaiting)
            sum.blocked = sum.blocked ?? other.blocked
        }
        return sum
    }

    @Test(arguments: UInt64(1)...6)
    func whatIsDeletedOrExpiredIsErasedEverywhere(seed: UInt64) {
        let notes = Self.run(seed: seed, workers: Int(1 + seed % 3)) { world, expect in
            for key in 0..<40 { expect(await world.call(key % 3, ["SET", "k\(key)", "v"]), "+OK", "set") }
            for key in 0..<20 { expect(await world.call((key + 1) % 3, ["DEL", "k\(key)"]), ":1", "delete") }
            for key in 20..<30 { expect(await world.call(key % 3, ["PEXPIRE", "k\(key)", "3000"]), ":1", "expire") }
            expect("\(await Self.records(world))", "120", "tombstones are records at first")
            await world.pause(.seconds(4))
            expect("\(await Self.records(world))", "120", "nothing is erased that a retry may still ask for")
            await world.pause(.seconds(20))
            expect("\(await Self.records(world))", "30", "what is left lives")
            expect("\(Self.status(world).erased)", "90", "counted where it was erased")
            expect("\(Self.status(world).awaiting)", "0", "nothing awaits a proof")
            for key in 0..<40 {
                expect(await world.call(key % 3, ["GET", "k\(key)"]), key < 30 ? "$-" : "$v", "k\(key)")
            }
            // A key may be written again, and is a new one.
            for key in 0..<10 { expect(await world.call(key % 3, ["SET", "k\(key)", "w"]), "+OK", "again") }
            for key in 0..<10 { expect(await world.call((key + 2) % 3, ["GET", "k\(key)"]), "$w", "again") }
            expect("\(Set(await world.digests()).count)", "1", "replicas are equal")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    @Test(arguments: UInt64(1)...4)
    func aMemberThatIsDownHoldsThemUpAndIsNamed(seed: UInt64) {
        let notes = Self.run(seed: seed, nodes: 5) { world, expect in
            for key in 0..<20 { expect(await world.call(key % 3, ["SET", "k\(key)", "v"]), "+OK", "set") }
            world.crash(4)
            await world.pause(.seconds(2))
            for key in 0..<20 { expect(await world.call(key % 3, ["DEL", "k\(key)"]), ":1", "delete") }
            await world.pause(.seconds(30))
            let waiting = Self.status(world)
            expect("\(waiting.erased)", "0", "none is proved")
            expect("\(waiting.awaiting > 0)", "true", "\(waiting.awaiting) await their proof")
            expect("\(waiting.blocked?.by ?? 0)", "5", "who is waited for")
            await world.start(4)
            await world.pause(.seconds(60))
            expect("\(await Self.records(world))", "0", "all are erased once it is back")
            expect("\(Self.status(world).blocked == nil)", "true", "nobody is waited for")
            for key in 0..<20 { expect(await world.call(4, ["GET", "k\(key)"]), "$-", "k\(key)") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }

    /// An owner misses a delete: by time alone the others forget it, and the owner brings the value back.
    @Test(arguments: [false, true]) func byTimeAloneWhatWasDeletedComesBack(isPlanted: Bool) {
        let notes = Self.run(seed: 3, bugs: isPlanted ? .collectsByTime : []) { world, expect in
            for key in 0..<20 { expect(await world.call(key % 2, ["SET", "k\(key)", "v"]), "+OK", "set") }
            world.separate(2..<3)
            await world.pause(.seconds(2))
            for key in 0..<20 { expect(await world.call(key % 2, ["DEL", "k\(key)"]), ":1", "delete") }
            await world.pause(.seconds(20))
            world.heal()
            await world.pause(.seconds(40))
            var back = 0
            for key in 0..<20 where await world.call(key % 3, ["GET", "k\(key)"]) != "$-" { back += 1 }
            expect("\(back > 0)", "\(isPlanted)", "\(back) came back")
            if !isPlanted { expect("\(await Self.records(world))", "0", "erased once all owners had them") }
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults.prefix(5))")
    }
}
