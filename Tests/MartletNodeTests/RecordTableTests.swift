import MartletCore
import Testing

@testable import MartletNode

@Suite struct RecordTableTests {
    private func key(_ number: Int) -> [UInt8] { Array("key-\(number)".utf8) }

    private func find(_ table: RecordTable, _ number: Int, hash: UInt64) -> RecordEntry? {
        withBytes(of: key(number)) { table.find($0, hash: hash) }
    }

    /// Few hashes, so that probes collide: each entry is found until it is removed, and never after.
    @Test func entriesAreFoundUntilRemoved() {
        var random = SeededGenerator(seed: 4)
        var table = RecordTable()
        var present: [Int: RecordEntry] = [:]
        for _ in 0..<20_000 {
            let number = Int.random(in: 0..<300, using: &random)
            let hash = UInt64(number % 37)
            if let entry = present.removeValue(forKey: number) {
                #expect(find(table, number, hash: hash) === entry)
                table.remove(entry)
                #expect(find(table, number, hash: hash) == nil)
            } else {
                #expect(find(table, number, hash: hash) == nil)
                let entry = withBytes(of: key(number)) { RecordEntry(hash: hash, key: $0, isLoading: false) }
                table.insert(entry)
                present[number] = entry
            }
            #expect(table.count == present.count)
        }
        for (number, entry) in present { #expect(find(table, number, hash: UInt64(number % 37)) === entry) }
        #expect(table.byteCount == present.values.reduce(0) { $0 + $1.byteCount })
    }

    @Test func evictionKeepsWhatIsInUse() {
        var table = RecordTable()
        var entries: [RecordEntry] = []
        for number in 0..<100 {
            let entry = withBytes(of: key(number)) { RecordEntry(hash: UInt64(number), key: $0, isLoading: false) }
            table.insert(entry)
            entries.append(entry)
        }
        entries[10].pins = 1
        entries[20].pendingCommit = 8
        entries[30].isLoading = true
        table.evict(to: 0, committed: 7)
        #expect(table.count == 3)
        for number in [10, 20, 30] { #expect(find(table, number, hash: UInt64(number)) === entries[number]) }
    }

    @Test func evictionSparesWhatIsUsedOften() {
        var table = RecordTable()
        for number in 0..<1000 {
            let entry = withBytes(of: key(number)) { RecordEntry(hash: UInt64(number), key: $0, isLoading: false) }
            if number % 10 == 0 { entry.frequency = 3 }
            table.insert(entry)
        }
        table.evict(to: table.byteCount / 2, committed: 0)
        for number in stride(from: 0, to: 1000, by: 10) { #expect(find(table, number, hash: UInt64(number)) != nil) }
    }
}

/// A seeded generator (SplitMix64), so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
