import MartletCore
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Five nodes in two data centers, three replicas in paris and two in tokyo, in virtual time.
@Suite struct DataCenterSimulationTests {
    private static let paris = 0..<3
    private static let tokyo = 3..<5

    private static func run(
        seed: UInt64, level: ConsistencyLevel,
        replicas: [Placement.CenterReplicas] = [.init("paris", 3), .init("tokyo", 2)],
        scanPeriod: UInt64? = nil,
        _ play: @escaping @Sendable (ThreeNodes, @escaping ReplicationSimulationTests.Expect) async -> Void
    ) -> ReplicationSimulationTests.Notes {
        let storages = (0..<5).map { index in
            (seed + UInt64(index)) % 2 == 0 ? .memory : ThreeNodes.Storage.disk(.always)
        }
        return ReplicationSimulationTests.run(
            seed: seed, storages,
            { world in
                for index in world.members.indices {
                    world.members[index].dataCenter = paris.contains(index) ? "paris" : "tokyo"
                }
                world.placement = .perDataCenter(replicas)
                world.level = level
                if let scanPeriod { world.antiEntropy.scanPeriod = scanPeriod }
            }, play)
    }

    @Test(arguments: UInt64(1)...8)
    func aDataCenterServesItselfWhileTheOtherIsAway(seed: UInt64) {
        let notes = Self.run(seed: seed, level: .localQuorum) { world, expect in
            for key in 0..<10 { expect(await world.call(key % 5, ["SET", "k\(key)", "old"]), "+OK", "before") }
            await world.pause(.seconds(1))
            for key in 0..<10 {
                for node in 0..<5 { expect(await world.call(node, ["GET", "k\(key)"]), "$old", "read by \(node)") }
            }
            world.separate(Self.tokyo)
            for key in 0..<10 {
                let begun = world.now
                expect(await world.call(key % 3, ["SET", "k\(key)", "paris"]), "+OK", "write in paris")
                expect(await world.call((key + 1) % 3, ["GET", "k\(key)"]), "$paris", "read in paris")
                expect(await world.call(key % 3, ["INCR", "count"]), ":\(key + 1)", "count in paris")
                expect(await world.call(3 + key % 2, ["GET", "k\(key)"]), "$old", "read in tokyo")
                expect(await world.call(3 + key % 2, ["SET", "t\(key)", "tokyo"]), "+OK", "write in tokyo")
                expect(await world.call(4 - key % 2, ["GET", "t\(key)"]), "$tokyo", "read back in tokyo")
                let isSoon = world.now.since(begun) < .seconds(1)
                expect("\(isSoon)", "true", "answered after \(world.now.since(begun))")
            }
            expect(await world.call(0, ["MARTLET.CONSISTENCY", "each_quorum"]), "+OK", "level")
            expect(await world.call(0, ["SET", "k0", "x"]), "-", "each data center is needed")
            world.heal()
            await world.pause(.seconds(30))
            for key in 0..<10 {
                for node in 0..<5 {
                    expect(await world.call(node, ["GET", "t\(key)"]), "$tokyo", "healed, read by \(node)")
                }
            }
            expect(await world.call(4, ["GET", "count"]), "$10", "the count has come over")
            expect("\(Set(await world.digests()).count)", "1", "all five hold the same")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...4)
    func eachDataCenterAnswersOrNoneIsTold(seed: UInt64) {
        let notes = Self.run(seed: seed, level: .eachQuorum) { world, expect in
            for key in 0..<10 {
                expect(await world.call(key % 5, ["SET", "k\(key)", "v"]), "+OK", "write")
                expect(await world.call((key + 3) % 5, ["GET", "k\(key)"]), "$v", "read at once in the other center")
            }
            world.crash(0)
            await world.pause(.seconds(1))
            expect(await world.call(1, ["SET", "k0", "w"]), "+OK", "a majority of each is left")
            world.crash(4)
            await world.pause(.seconds(1))
            expect(await world.call(1, ["SET", "k0", "x"]), "-NOQUORUM", "tokyo has one of two")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test(arguments: UInt64(1)...4)
    func aWholeDataCenterThatLostItsDataHealsFromTheOther(seed: UInt64) {
        let notes = Self.run(seed: seed, level: .localQuorum) { world, expect in
            for key in 0..<20 { expect(await world.call(key % 3, ["SET", "k\(key)", "v"]), "+OK", "write") }
            await world.pause(.seconds(2))
            for node in Self.tokyo { world.crash(node) }
            for node in Self.tokyo { world.wipe(node) }
            await world.pause(.seconds(5))
            for key in 0..<20 { expect(await world.call(key % 3, ["SET", "k\(key)", "w"]), "+OK", "meanwhile") }
            for node in Self.tokyo { await world.start(node) }
            await world.pause(.seconds(60))
            for key in 0..<20 { expect(await world.call(4, ["GET", "k\(key)"]), "$w", "read in tokyo") }
            expect("\(Set(await world.digests()).count)", "1", "all five hold the same")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test func aLevelThatNamesADataCenterWithoutReplicasIsRefused() {
        let notes = Self.run(seed: 1, level: .quorum, replicas: [.init("paris", 3)]) { world, expect in
            expect(await world.call(4, ["SET", "k", "v"]), "+OK", "by way of tokyo")
            expect(await world.call(4, ["GET", "k"]), "$v", "read by way of tokyo")
            expect(await world.call(4, ["MARTLET.CONSISTENCY", "local_quorum"]), "+OK", "level")
            for command in [["GET", "k"], ["SET", "k", "w"], ["INCR", "n"], ["DEL", "k"]] {
                expect(await world.call(4, command), "-ERR local_quorum needs a replica", "none is here")
            }
            expect(await world.call(0, ["GET", "k"]), "$v", "what was refused is not applied")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    @Test func aNodeThatOwnsNothingHasNothingToDo() {
        let notes = Self.run(
            seed: 1, level: .quorum, replicas: [.init("paris", 3)], scanPeriod: 500_000_000
        ) { world, expect in
            await world.pause(.seconds(3))  // time does not pass if somebody never rests
            expect(await world.call(3, ["SET", "k", "v"]), "+OK", "by way of tokyo")
        }
        #expect(notes.faults.isEmpty && notes.done, "\(notes.faults)")
    }

    /// A replica counts again once it has heard what its own data center acknowledged.
    @Test func catchingUpCountsTheOwnDataCenter() throws {
        let members = (1...5).map { id in
            Member(id: UInt32(id), name: "n\(id)", dataCenter: id <= 3 ? "paris" : "tokyo")
        }
        let ring = try Ring(members: members, placement: .perDataCenter([.init("paris", 3), .init("tokyo", 2)]))
        func units(_ node: UInt32, _ level: ConsistencyLevel) -> [CatchUpUnit] {
            CatchUpUnit.all(ofNode: node, in: ring, keyspace: 0, write: level, worker: 0, of: 1, arcs: 256)
        }
        for level in [ConsistencyLevel.localQuorum, .eachQuorum] {
            for unit in units(1, level) {
                #expect(unit.others.count == 4 && unit.needed == 2)
                #expect(Set(unit.counted.map { unit.others[$0] }) == [2, 3])
            }
            for unit in units(5, level) {
                #expect(unit.needed == 1 && unit.counted.map { unit.others[$0] } == [4])
            }
        }
        #expect(units(1, .quorum).allSatisfy { $0.needed == 3 && $0.counted.count == 4 })
    }
}
