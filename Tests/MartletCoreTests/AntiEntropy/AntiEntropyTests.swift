import MartletCore
import Testing

/// Two owners that differ become equal, and what that costs.
@Suite struct AntiEntropyTests {
    static let second: UInt64 = 1_000_000_000

    static func place(_ random: inout Seeded, slots: Range<Int> = 0..<Slot.count) -> UInt64 {
        (UInt64(slots.lowerBound) << 40) + random.next() % (UInt64(slots.count) << 40)
    }

    @Test func equalTreesCostSixtyFourBytesAPairAtMost() {
        for units in [4, 64, 256, 2048] {
            var pair = AntiEntropyHarness(units: units)
            var random = Seeded(1)
            for _ in 0..<2000 {
                let (place, digest) = (Self.place(&random), random.next())
                for replica in 0..<2 { pair.put(place, digest, at: replica) }
            }
            pair.open()
            pair.run(until: Self.second)
            #expect(pair.passes.map(\.pass.equal) == [units] && pair.passes.first?.node == 1)
            #expect(pair.bytes <= 64 * units, "\(pair.bytes) bytes for \(units)")
            if units >= 256 { #expect(pair.bytes <= 10 * units) }
        }
    }

    @Test func oneOfAMillionThatDiffersMovesLittle() throws {
        var pair = AntiEntropyHarness(units: 1)
        var random = Seeded(2)
        let count = 1_000_000
        // One side's records by brute force; the other's are the same but for one.
        var tree = MerkleTree(slots: 0..<Slot.count, levels: MerkleTree.levels(forRecords: count))
        let records = (0..<count).map { _ in (place: Self.place(&random), digest: random.next() >> 1) }
        for record in records { tree.update(place: record.place, removing: nil, adding: record.digest) }
        #expect(tree.records == count && tree.fittingLevels == tree.levels)
        let odd = records[123_456]
        var other = tree
        other.update(place: odd.place, removing: odd.digest, adding: odd.digest + 1)
        #expect(pair.replicas[0].forest.restore(0, tree) && pair.replicas[1].forest.restore(0, other))
        // Only what is near is ever listed.
        let near = records.filter { $0.place >> 38 == odd.place >> 38 }
        for (place, digest) in near {
            pair.replicas[0].records[0][place] = digest
            pair.replicas[1].records[0][place] = digest
        }
        pair.replicas[1].records[0][odd.place] = odd.digest + 1
        pair.open()
        pair.run(until: Self.second)
        #expect(pair.replicas[0].forest.tree(0)?.root == pair.replicas[1].forest.tree(0)?.root)
        let range = try #require(pair.ranges.first)
        #expect(pair.ranges.count == 1 && range.places.contains(odd.place))
        let leaf = records.filter { range.places.contains($0.place) }
        #expect(
            leaf.count > 1 && leaf.count <= 2 * MerkleTree.crowd
                && leaf.allSatisfy { $0.place >> 38 == odd.place >> 38 })
        #expect(pair.bytes <= 64 << 10, "\(pair.bytes)")
        #expect(pair.bytes <= 8 << 10, "\(pair.bytes), of which pages \(pair.pageBytes)")
    }

    /// Any two sets, trees of any depth, in any number of units, with steps that fail: in the end they are one.
    @Test(arguments: seeds) func differencesOfAnyKindAreHealed(seed: UInt64) {
        var random = Seeded(seed)
        for units in [1, 4, 64] {
            var settings = AntiEntropySettings()
            settings.nodes = 1 + Int(random.next() % 4)
            settings.roots = 1 + Int(random.next() % 100)
            var pair = AntiEntropyHarness(units: units, settings: settings)
            pair.page = 16 + Int(random.next() % 100)
            let slots = seed % 2 == 0 ? 0..<Slot.count : 64..<66  // evenly, or of a few hash tags
            for _ in 0..<(2000 >> Int(random.next() % 6)) {
                let (place, digest) = (Self.place(&random, slots: slots), random.next() >> 1)
                pair.put(place, digest, at: 0)
                if random.next() % 10 > 0 { pair.put(place, random.next() % 20 > 0 ? digest : random.next(), at: 1) }
            }
            for _ in 0..<Int(random.next() % 40) {
                pair.put(Self.place(&random, slots: slots), random.next() >> 1, at: 1)
            }
            for unit in 0..<units {
                for replica in 0..<2 where random.next() % 2 == 0 { _ = pair.scan(unit, at: replica) }
            }
            let luck = random.next()
            var tosses = Seeded(luck)
            pair.fails = { tosses.next() % 10 == 0 }
            pair.open()
            pair.run(until: 150 * Self.second)
            for unit in 0..<units {
                #expect(pair.replicas[0].records[unit] == pair.replicas[1].records[unit])
                #expect(pair.replicas[0].forest.tree(unit)?.root == pair.replicas[1].forest.tree(unit)?.root)
            }
            let last = pair.passes.last { $0.pass.units == units }
            #expect(last?.pass.equal == units)
        }
    }

    @Test func aWipedOwnerIsFilled() {
        var pair = AntiEntropyHarness(units: 2)
        var random = Seeded(5)
        for _ in 0..<5000 { pair.put(Self.place(&random), random.next(), at: 0) }
        for unit in 0..<2 { #expect(pair.scan(unit, at: 0) == .some(.some(0))) }
        pair.open()
        pair.run(until: 20 * Self.second)
        #expect(pair.replicas[0].records == pair.replicas[1].records)
        #expect(pair.replicas[1].forest.nextToScan() != nil)  // its trees want more levels by now
    }

    @Test func aTreeThatIsNotWholeIsNotCompared() {
        var pair = AntiEntropyHarness(units: 4)
        for slot in [10, 5000, 9000, 13000] as [UInt64] { pair.put(slot << 40, 9, at: 0) }
        pair.replicas[1].forest.invalidate(2)
        pair.replicas[0].forest.invalidate(3)
        #expect(pair.replicas[1].forest.incomplete == 1 && pair.replicas[1].forest.nextToScan() == 2)
        pair.open()
        pair.run(until: Self.second)
        #expect(pair.passes.first?.pass.skipped == 2 && pair.passes.first?.pass.differing == 2)
        #expect(pair.replicas[1].records.map(\.count) == [1, 1, 0, 0])
        #expect(pair.scan(2, at: 1) == .some(.none) && pair.scan(3, at: 0) == .some(.none))
        pair.run(until: 30 * Self.second)
        #expect(pair.replicas[1].records.map(\.count) == [1, 1, 1, 1])
    }

    @Test(arguments: seeds) func aScanMissesNoWriteThatComesMeanwhile(seed: UInt64) {
        var pair = AntiEntropyHarness(units: 1)
        var random = Seeded(seed)
        pair.page = 50
        for _ in 0..<1000 { pair.put(Self.place(&random), random.next() >> 1, at: 0) }
        let known = pair.replicas[0].records[0].keys.sorted()
        let differing = pair.scan(0, at: 0) { pair in
            for _ in 0..<20 {
                pair.put(known[Int(random.next() % UInt64(known.count))], random.next(), at: 0)
                pair.put(Self.place(&random), random.next(), at: 0)
            }
        }
        #expect(differing == .some(.some(0)))
        let records = pair.replicas[0].records[0]
        var tree = MerkleTree(slots: 0..<Slot.count, levels: 2)
        for (place, digest) in records { tree.update(place: place, removing: nil, adding: digest) }
        let made = pair.replicas[0].forest.tree(0)
        #expect(made?.differingLeaves(tree) == 0 && made?.root == tree.root && made?.records == records.count)
        // Damage at rest shows.
        let victim = pair.replicas[0].records[0].keys.sorted()[3]
        pair.replicas[0].records[0][victim] = 5
        #expect(pair.scan(0, at: 0) == .some(.some(1)))
    }

    @Test func whatIsMarkedIsComparedSoonByWhoeverMarkedIt() {
        var pair = AntiEntropyHarness(units: 16)
        pair.open()
        pair.run(until: Self.second)
        let quiet = pair.bytes
        pair.put(3000 << 40, 8, at: 1)
        pair.tell(1, .marked(unit: 2, with: 1))
        #expect(pair.replicas[1].machine.pending == 1 && pair.bytes == quiet)
        pair.run(until: 2 * Self.second)
        #expect(pair.replicas[0].records[2].count == 1 && pair.passes.last?.pass.units == 1)
        pair.tell(0, .repair(Array(0..<16)))
        #expect(pair.passes.last?.pass.equal == 16)
    }

    @Test func aLinkThatClosesIsTakenUpAgain() {
        var pair = AntiEntropyHarness(units: 4)
        var random = Seeded(6)
        for _ in 0..<400 { pair.put(Self.place(&random), random.next(), at: 0) }
        var steps = 0
        pair.fails = {
            steps += 1
            return steps > 2
        }
        pair.open()
        pair.tell(0, .linkClosed(2))
        #expect(pair.replicas[0].machine.pending > 0)
        pair.run(until: 5 * Self.second)
        pair.fails = { false }
        let before = pair.passes.count
        pair.tell(0, .linkOpened(2))
        pair.run(until: 6 * Self.second)
        #expect(pair.passes.count == before + 1)
        #expect(pair.replicas[0].records == pair.replicas[1].records)
    }

    @Test func theBudgetSpreadsTheWork() {
        var slow = AntiEntropyHarness(units: 64)
        var random = Seeded(7)
        for _ in 0..<5000 { slow.put(Self.place(&random), random.next(), at: 0) }
        slow.replicas[0].machine.budget = WorkBudget(floor: 1000, ceiling: 100_000)
        slow.open()
        var seen = 0
        while slow.passes.isEmpty, slow.now < 100 * Self.second {
            slow.run(until: slow.now + Self.second)
            // What is moved is never more than what was paid for and one step.
            #expect(slow.bytes - seen < 100_000 + 60_000)
            seen = slow.bytes
        }
        #expect(slow.replicas[0].records == slow.replicas[1].records)
        #expect(UInt64(slow.bytes) / 100_000 * 8 / 10 <= slow.now / Self.second)
        #expect(slow.now < 60 * Self.second)
    }
}
