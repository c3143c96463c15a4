import MartletCore
import MartletNode
import MartletRuntime
import Testing

@testable import MartletSimulator

/// Replicas that differ find it out and become equal, with nobody reading, and at little cost; in virtual time.
@Suite struct AntiEntropySimulationTests {
    /// Runs two nodes that own all, or three.
    static func run(
        seed: UInt64 = 1, _ storages: [ThreeNodes.Storage], prepare: (ThreeNodes) -> Void = { _ in },
        _ play: @escaping @Sendable (ThreeNodes, @escaping CatchUpSimulationTests.Note) async -> Void
    ) -> [String] {
        let executor = SimulationExecutor(seed: seed)
        let notes = Lock(CatchUpSimulationTests.Notes())
        let world = ThreeNodes(executor, storages)
        world.placement = .count(storages.count)
        prepare(world)
        world.host.environment.spawn("test") {
            await world.start()
            await play(world) { fault in notes.withLock { $0.faults.append(fault) } }
            notes.withLock { $0.done = true }
        }
        _ = executor.run { notes.withLock { $0.done } || executor.now > MonotonicTime(nanoseconds: 3_000_000_000_000) }
        return notes.withLock { $0.done ? $0.faults : $0.faults + ["it did not end"] }
    }

    static func statistics(_ world: ThreeNodes, _ node: Int) -> AntiEntropyStatus {
        world.nodes[node]?.clusterStatistics.antiEntropy ?? AntiEntropyStatus()
    }

    /// Bytes moved at the asking of any node.
    static func bytes(_ world: ThreeNodes) -> UInt64 {
        world.nodes.indices.reduce(0) { $0 + statistics(world, $1).bytes }
    }

    static func areEqual(_ world: ThreeNodes, within seconds: Int) async -> Bool {
        for _ in 0..<seconds {
            await world.pause(.seconds(1))
            if Set(await world.digests()).count == 1 { return true }
        }
        return false
    }

    /// One record of six thousand in one partition differs; a million are compared in MartletCore's own tests.
    @Test func oneThatDiffersMovesLittleAndEqualTreesNextToNothing() {
        let faults = Self.run([.memory, .memory]) { world, note in
            for first in stride(from: 0, to: 6000, by: 100) {
                var command = ["MSET"]
                for index in first..<first + 100 { command += ["{tag}\(index)", "value \(index)"] }
                if await world.call(0, command) != "+OK" { note("MSET failed") }
            }
            await world.pause(.seconds(40))
            // Equal: two passes, whoever begins them, over 256 partitions.
            let (before, passes) = (Self.bytes(world), Self.statistics(world, 0).passes)
            await world.pause(.seconds(60))
            let made = Self.statistics(world, 0).passes - passes
            let spent = Self.bytes(world) - before
            if made < 4 { note("\(made) passes in a minute") }
            if spent > made * 256 * 64 { note("\(spent) bytes for \(made) passes over equal trees") }
            world.separate(0..<1)
            await world.pause(.seconds(10))
            if await world.call(0, ["MARTLET.CONSISTENCY", "one"]) != "+OK" { note("no level") }
            if await world.call(0, ["SET", "{tag}77", "new"]) != "+OK" { note("SET failed") }
            let start = Self.bytes(world)
            world.heal()
            if !(await Self.areEqual(world, within: 60)) { note("they stayed different") }
            let moved = Self.bytes(world) - start
            if moved > 64 << 10 { note("\(moved) bytes for one record") }
            for node in 0...1 {
                let status = Self.statistics(world, node)
                if status.corrected > 0 || status.incomplete > 0 { note("node \(node): \(status)") }
            }
        }
        #expect(faults.isEmpty, "\(faults)")
    }

    @Test func bitRotIsHealedWithNobodyReading() {
        let prepare = { (world: ThreeNodes) in
            world.antiEntropy.scanPeriod = 30_000_000_000
            world.antiEntropy.period = 1_000_000_000_000  // the scan finds it, not a comparison
        }
        let faults = Self.run([.disk(.always), .disk(.always), .disk(.always)], prepare: prepare) { world, note in
            for index in 0..<50 where await world.call(index % 3, ["SET", "k\(index)", "v"]) != "+OK" { note("SET") }
            await world.pause(.seconds(1))
            guard world.flipBit(1) != nil, world.flipBit(1) != nil else { return note("nothing stored") }
            if Set(await world.digests()).count == 1 { note("no bit flipped") }
            if !(await Self.areEqual(world, within: 120)) { note("it was not healed") }
            let status = Self.statistics(world, 1)
            if status.damaged == 0 || status.scans == 0 { note("\(status)") }
            if Self.statistics(world, 0).damaged > 0 { note("node 0: \(Self.statistics(world, 0))") }
        }
        #expect(faults.isEmpty, "\(faults)")
    }

    /// A commit that failed and no other after it: trees are forgotten then, and have to be made with nobody writing.
    @Test func treesAreMadeAnewThoughTheLastCommitFailed() {
        let faults = Self.run([.disk(.always), .disk(.always)]) { world, note in
            for index in 0..<50 where await world.call(0, ["SET", "k\(index)", "v"]) != "+OK" { note("SET") }
            world.fill(1)
            for index in 0..<8 where await world.call(1, ["SET", "k\(index)", "w"]) == "+OK" { note("SET, disk full") }
            world.fill(1, false)
            await world.pause(.seconds(30))
            let made = Self.statistics(world, 1)
            if made.recordsRead < 50 || made.incomplete > 0 { note("\(made)") }
            if !(await Self.areEqual(world, within: 30)) { note("they stayed different") }
        }
        #expect(faults.isEmpty, "\(faults)")
    }

    /// After an orderly stop the trees are there; after a crash they are made anew, and say the same.
    @Test func treesOutliveAnOrderlyStop() {
        let faults = Self.run([.disk(.always), .disk(.always)]) { world, note in
            for index in 0..<200 where await world.call(0, ["SET", "k\(index)", "v"]) != "+OK" { note("SET") }
            await world.stop(1)
            await world.start(1)
            await world.pause(.seconds(30))
            let kept = Self.statistics(world, 1)
            if kept.recordsRead > 0 || kept.incomplete > 0 { note("after a stop: \(kept)") }
            world.crash(1)
            await world.start(1)
            await world.pause(.seconds(30))
            let made = Self.statistics(world, 1)
            if made.recordsRead < 200 || made.incomplete > 0 { note("after a crash: \(made)") }
            let differing = Self.statistics(world, 0).differing + made.differing
            if differing > 0 { note("\(differing) trees differed") }
        }
        #expect(faults.isEmpty, "\(faults)")
    }

    /// What writes made of the trees is what a reading of all finds, whatever was written meanwhile.
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func treesSayWhatIsHeld(seed: UInt64) {
        let storages: [ThreeNodes.Storage] = seed % 2 == 0 ? [.memory, .memory] : [.disk(.always), .disk(.interval)]
        let prepare = { (world: ThreeNodes) in world.antiEntropy.scanPeriod = 2_000_000_000 }
        let faults = Self.run(seed: seed, storages, prepare: prepare) { world, note in
            for index in 0..<500 {
                if await world.call(index % 2, ["SET", "{t\(index % 3)}\(index % 200)", "\(index)"]) != "+OK" {
                    note("SET")
                }
                if index % 9 == 0 { _ = await world.call(index % 2, ["DEL", "{t0}\(index % 50)"]) }
                if index % 13 == 0 { _ = await world.call(0, ["SET", "{t1}x\(index)", "v", "PX", "100"]) }
            }
            await world.pause(.seconds(10))
            for node in 0...1 {
                let status = Self.statistics(world, node)
                if status.corrected > 0 || status.recordsRead > 20_000 || status.scans < 3 {
                    note("node \(node): \(status)")
                }
            }
        }
        #expect(faults.isEmpty, "\(faults)")
    }
}
