import MartletCore
import Testing

/// How hints lie in the store.
@Suite struct HintTests {
    static func stored(_ random: inout Seeded, slot: Int? = nil) -> [UInt8] {
        StoredKey.lowerBound(
            keyspace: UInt32(random.next() % 3), generation: 1, slot: UInt16(slot ?? Int(random.next() % 16384)),
            hash: random.next() >> 24) + random.bytes(Int(random.next() % 20))
    }

    @Test(arguments: seeds) func keysAreReadBackAndLieTogether(seed: UInt64) throws {
        var random = Seeded(seed)
        for target in [0, 1, 77, UInt32.max - 1, .max] {
            for _ in 0..<50 {
                let stored = Self.stored(&random)
                let key = withBytes(of: stored) { Hint.key(for: target, storedKey: $0) }
                let read = try withBytes(of: key) { try Hint.read(key: $0) }
                #expect(read.target == target && read.storedKey == stored)
                let all = Hint.bounds(for: target)
                #expect(!key.lexicographicallyPrecedes(all.lower) && key.lexicographicallyPrecedes(all.upper))
                let (place, keyspace) = withBytes(of: stored) {
                    (StoredKey.place(of: $0), $0.bigEndian(1, as: UInt32.self))
                }
                let slot = Int(place >> 40)
                for (slots, isIn) in [(slot..<slot + 1, true), (slot + 1..<slot + 2, false), (0..<slot, false)] {
                    let some = Hint.bounds(for: target, keyspace: keyspace, generation: 1, slots: slots)
                    let isWithin =
                        !key.lexicographicallyPrecedes(some.lower) && key.lexicographicallyPrecedes(some.upper)
                    #expect(isWithin == isIn)
                }
            }
        }
        for bytes in [[], [3], [1] + Array(repeating: 0, count: 30), Array(repeating: 3, count: 19)] as [[UInt8]] {
            #expect(throws: ByteCursor.Malformed.self) { try withBytes(of: bytes) { _ = try Hint.read(key: $0) } }
        }
    }

    @Test(arguments: seeds) func aDamagedHeaderIsNone(seed: UInt64) throws {
        var random = Seeded(seed)
        let stored = Self.stored(&random)
        let key = withBytes(of: stored) { Hint.key(for: 4, storedKey: $0) }
        let hint = Hint(created: random.number(), sequence: random.number())
        let record = random.bytes(40)
        var buffer = ByteBuffer()
        withBytes(of: key) { key in withBytes(of: record) { hint.append(record: $0, key: key, to: &buffer) } }
        let value = buffer.copy()
        func read(_ value: [UInt8], _ key: [UInt8]) throws -> (hint: Hint, record: Range<Int>) {
            try withBytes(of: value) { value in try withBytes(of: key) { try Hint.read(value: value, key: $0) } }
        }
        let whole = try read(value, key)
        #expect(whole.hint == hint && Array(value[whole.record]) == record)
        for at in 0..<Hint.headerLength {
            var damaged = value
            damaged[at] ^= 1 << UInt8(random.next() % 8)
            #expect(throws: ByteCursor.Malformed.self) { try read(damaged, key) }
        }
        #expect(throws: ByteCursor.Malformed.self) { try read(Array(value[..<Hint.headerLength]), key) }
        let other = withBytes(of: stored) { Hint.key(for: 5, storedKey: $0) }
        #expect(throws: ByteCursor.Malformed.self) { try read(value, other) }
    }

    @Test(arguments: seeds) func theLedgerIsWhatIsInTheStore(seed: UInt64) {
        struct Kept {
            var node: UInt32
            var partition: Int
            var bytes: Int
            var created: UInt64
        }
        var random = Seeded(seed)
        var ledger = HintLedger()
        var kept: [Kept] = []
        for _ in 0..<2000 {
            switch random.next() % 5 {
            case 0 where !kept.isEmpty:
                let gone = kept.remove(at: Int(random.next() % UInt64(kept.count)))
                ledger.remove(for: gone.node, partition: gone.partition, bytes: gone.bytes, created: gone.created)
            case 1 where !kept.isEmpty:
                let at = Int(random.next() % UInt64(kept.count))
                let bytes = Int(random.next() % 1000)
                ledger.resize(for: kept[at].node, from: kept[at].bytes, to: bytes)
                kept[at].bytes = bytes
            case 2 where random.next() % 50 == 0:
                ledger.removeAll(for: 2)
                kept.removeAll { $0.node == 2 }
            default:
                let one = Kept(
                    node: UInt32(random.next() % 4), partition: Int(random.next() % 8),
                    bytes: Int(random.next() % 1000),
                    created: 1_000_000 + random.next() % 1_000_000)
                kept.append(one)
                ledger.add(for: one.node, partition: one.partition, bytes: one.bytes, created: one.created)
            }
            #expect(ledger.count == kept.count && ledger.bytes == kept.reduce(0) { $0 + $1.bytes })
        }
        #expect(ledger.nodes == Set(kept.map(\.node)).sorted())
        for node in ledger.nodes {
            let own = kept.filter { $0.node == node }
            #expect(ledger.target(node)?.count == own.count)
            #expect(ledger.target(node)?.bytes == own.reduce(0) { $0 + $1.bytes })
            #expect(ledger.partitions(for: node) == Set(own.map(\.partition)).sorted())
            let oldest = own.map(\.created).min() ?? 0
            let told = ledger.oldest(for: node) ?? 0
            #expect(told <= oldest && told + HintLedger.ageStep > oldest)
        }
        for partition in 0..<8 {
            #expect(ledger.count(inPartition: partition) == kept.count { $0.partition == partition })
        }
    }
}
