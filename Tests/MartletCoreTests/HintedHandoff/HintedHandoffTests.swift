import MartletCore
import Testing

@Suite struct HintedHandoffTests {
    static let second: UInt64 = 1_000_000_000

    @Test func whatWasKeptReachesItsTarget() {
        var holder = HintHarness(seed: 1)
        for number in 0..<5000 { holder.put(number, record: UInt64(number + 1), for: 3) }
        holder.run(until: Self.second)
        #expect(holder.messages == 0 && holder.isLedgerRight && holder.machine.wake == nil)
        holder.tell(.reachable(3))
        holder.run(until: 10 * Self.second)
        #expect(holder.merged[3]?.count == 5000 && holder.store[3]?.isEmpty == true && holder.isLedgerRight)
        #expect(holder.drained.last == 3 && holder.machine.wake == nil && holder.marks.isEmpty)
        #expect(holder.machine.counters.replayed == 5000 && holder.machine.counters.replayedBytes == 500_000)
        #expect(holder.messages == 5000 / 16 + 1)
        // One that comes later goes as well, without anybody's asking.
        holder.put(7, record: 99, for: 3)
        holder.run(until: 11 * Self.second)
        #expect(holder.store[3]?.isEmpty == true && holder.merged[3]?.values.max() == 5000)
    }

    /// Links that break, answers that are lost, refusals, and writes all the while: nothing is lost, and all is
    /// counted.
    @Test(arguments: seeds) func replaySurvivesWhateverBreaks(seed: UInt64) {
        var settings = HintedHandoffSettings()
        settings.pageEntries = 1 + Int(seed * 7)
        settings.chunkEntries = 1 + Int(seed % 5)
        settings.window = 1 + Int(seed % 3)
        settings.patience = Self.second / 2
        settings.retry = Self.second / 20
        var holder = HintHarness(seed: seed, settings: settings)
        holder.lost = 10
        holder.outcome = { _, random in random.next() % 50 == 0 ? .busy : nil }
        var latest: [UInt32: [[UInt8]: UInt64]] = [:]
        var random = Seeded(seed)
        for round in 0..<150 {
            for _ in 0..<Int(random.next() % 8) {
                let (number, node) = (Int(random.next() % 200), UInt32(random.next() % 3))
                let record = UInt64(round) << 32 | random.next() >> 32
                let key = withBytes(of: HintHarness.key(number)) { Hint.key(for: node, storedKey: $0) }
                holder.put(number, record: record, for: node)
                latest[node, default: [:]][key] = max(record, latest[node]?[key] ?? 0)
            }
            let node = UInt32(random.next() % 3)
            if random.next() % 3 == 0 { holder.cut(node) } else { holder.tell(.reachable(node)) }
            holder.run(until: holder.now + Self.second / 10)
            #expect(holder.machine.ledger.count >= holder.store.values.reduce(0) { $0 + $1.count })
        }
        holder.lost = 0
        holder.outcome = { _, _ in nil }
        for node in UInt32(0)..<3 { holder.tell(.reachable(node)) }
        holder.run(until: holder.now + 30 * Self.second)
        #expect(holder.merged == latest)
        #expect(holder.isLedgerRight && holder.machine.ledger.count == 0 && holder.marks.isEmpty)
        #expect(holder.machine.ledger.oldest() == nil && Set(holder.drained) == [0, 1, 2])
    }

    @Test func replayGoesOnWhereItWasBrokenOff() {
        var settings = HintedHandoffSettings()
        settings.pageEntries = 50
        settings.chunkEntries = 10
        var holder = HintHarness(seed: 4, settings: settings)
        for number in 0..<1000 { holder.put(number, record: 1, for: 1) }
        holder.tell(.reachable(1))
        var breaks = 0
        while holder.machine.ledger.count > 0, breaks < 1000 {
            holder.run(until: holder.now + Self.second / 50)
            holder.cut(1)
            breaks += 1
            holder.tell(.reachable(1))
        }
        #expect(breaks > 3 && breaks < 200)
        // No more is sent twice than was under way at each break.
        #expect(holder.messages <= 100 + breaks * (settings.window + 1))
    }

    @Test func aFullStoreDropsCountsAndMarksButNeverGrows() {
        var settings = HintedHandoffSettings()
        settings.bytesPerTarget = 1000
        settings.bytes = 1500
        var holder = HintHarness(seed: 5, settings: settings)
        for number in 0..<10 { holder.put(number, record: 1, for: 1) }
        let isKept = holder.keep(640, record: 1, for: 1)
        #expect(!isKept)
        #expect(holder.machine.counters.dropped == 1)
        #expect(holder.marks.map(\.partition) == [10] && holder.marks.first?.node == 1)
        // A later write of a key it holds takes the former one's room, if it is not larger.
        let isMerged = holder.keep(3, record: 2, for: 1)
        #expect(isMerged)
        let isLarger = holder.keep(3, record: 3, for: 1, bytes: 200)
        #expect(!isLarger)
        for number in 0..<5 { holder.put(number, record: 1, for: 2) }
        let isTogether = holder.keep(6, record: 1, for: 2)
        #expect(!isTogether)
        #expect(holder.isLedgerRight && holder.machine.ledger.bytes == 1500)
        holder.tell(.reachable(1))
        holder.run(until: Self.second)
        #expect(holder.merged[1]?.values.max() == 2)
        let hasRoom = holder.keep(6, record: 1, for: 2)
        #expect(hasRoom)
    }

    @Test func oldHintsAreGivenUpAndTheirPartitionsMarked() {
        var holder = HintHarness(seed: 6)
        holder.put(64, record: 1, for: 1)
        holder.run(until: 2 * 3600 * Self.second)
        holder.put(128, record: 1, for: 1)
        holder.put(64, record: 2, for: 1)  // its age counts from the first write
        #expect(holder.machine.ledger.oldest().map { holder.wall - $0 >= 7_200_000 } == true)
        holder.run(until: 4 * 3600 * Self.second)
        holder.tell(.reachable(1))
        holder.run(until: holder.now + Self.second)
        #expect(holder.machine.counters.expired == 1 && holder.machine.counters.replayed == 1)
        #expect(holder.marks.map(\.partition) == [1] && holder.marks.first?.node == 1)
        #expect(holder.isLedgerRight && holder.machine.ledger.count == 0)
    }

    @Test func hintsForOneThatWasRemovedAreVoid() {
        var holder = HintHarness(seed: 7)
        for number in [0, 64, 70] {
            for node in [1, 2] as [UInt32] { holder.put(number, record: 1, for: node) }
        }
        holder.tell(.members([2, 3]))
        holder.run(until: Self.second)
        #expect(holder.store[1] == nil && holder.store[2]?.count == 3 && holder.isLedgerRight)
        #expect(holder.machine.counters.void == 3)
        #expect(holder.marks.map(\.partition) == [0, 1] && holder.marks.allSatisfy { $0.node == nil })
    }

    @Test func whatIsDamagedOrRefusedForGoodIsGivenUp() {
        var holder = HintHarness(seed: 8)
        for number in [0, 64, 128] { holder.put(number, record: 1, for: 1) }
        for key in holder.store[1]?.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }).prefix(1) ?? [] {
            holder.store[1]?[key]?.isDamaged = true
        }
        holder.outcome = { _, _ in .notOwner }
        holder.tell(.reachable(1))
        holder.run(until: Self.second)
        #expect(holder.machine.counters.damaged == 1 && holder.machine.counters.void == 2)
        #expect(holder.marks.map(\.partition) == [0, 1, 2] && holder.machine.ledger.count == 0 && holder.isLedgerRight)
    }

    @Test func oneThatIsTooBusyIsTriedAgain() {
        var holder = HintHarness(seed: 9)
        for number in 0..<10 { holder.put(number, record: 1, for: 1) }
        holder.outcome = { _, _ in .busy }
        holder.tell(.reachable(1))
        holder.run(until: 10 * Self.second)
        #expect(holder.messages >= 10 && holder.messages <= 21 && holder.store[1]?.count == 10)
        holder.outcome = { _, _ in nil }
        holder.run(until: 11 * Self.second)
        #expect(holder.machine.ledger.count == 0)
    }

    @Test func theBudgetPacesReplay() {
        var holder = HintHarness(seed: 10, budget: WorkBudget(floor: 1000, ceiling: 100_000))
        for number in 0..<1000 { holder.put(number, record: 1, for: 1, bytes: 1000) }
        holder.tell(.reachable(1))
        holder.run(until: 5 * Self.second)
        let half = holder.machine.counters.replayedBytes
        #expect(half > 400_000 && half < 600_000)
        holder.machine.budget.setRate(1000, now: holder.now)
        holder.tell(.time)
        holder.run(until: 10 * Self.second)
        #expect(holder.machine.counters.replayedBytes - half < 150_000)
    }

    @Test func afterARestartTheLedgerIsMadeFromTheStore() {
        var holder = HintHarness(seed: 11)
        for number in 0..<20 { holder.put(number, record: 1, for: UInt32(number % 2)) }
        let store = holder.store
        var machine = HintedHandoffMachine()
        for (node, hints) in store {
            for (key, stored) in hints {
                let slot = withBytes(of: key) { Int($0.bigEndian(13, as: UInt16.self)) }
                let entry = HintEntry(
                    key: key, partition: slot / 64, created: stored.hint.created, sequence: stored.hint.sequence,
                    bytes: stored.bytes)
                machine.restore(entry, for: node)
            }
        }
        #expect(machine.ledger == holder.machine.ledger && machine.sequence == 20)
        let next = machine.keep(for: 5, partition: 0, bytes: 1, merging: nil, wallMilliseconds: 1, now: 1)
        #expect(next?.sequence == 21)
    }
}
