@testable import MartletCore
import Testing

/// What a peer may send, and that nothing it sends traps.
@Suite struct RecordValidatorTests {
    private typealias Refusal = RecordValidator.Refusal

    private func actor(_ node: Int) -> ReplicaActor { ReplicaActor(node: UInt32(node), incarnation: 1, birth: 1) }

    private func record(entries: Int = 1, counter: UInt64 = 1) -> LogicalRecord {
        var record = LogicalRecord()
        for node in 0..<entries { record.context.insert(Dot(actor: actor(node), counter: counter)) }
        record.siblings = [.init(dot: Dot(actor: actor(0), counter: counter), stamp: 5, value: [1])]
        return record
    }

    @Test("a context has at most as many entries as a vector")
    func entries() throws {
        try validate(record(entries: VersionVector.maximumEntries).encoded())
        let more = record(entries: VersionVector.maximumEntries + 1).encoded()
        #expect(throws: Refusal.tooManyEntries) { try validate(more) }
    }

    @Test("a count of a million entries that are not there is damage")
    func claimedEntries() {
        var buffer = ByteBuffer()
        buffer.append([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as [UInt8])
        buffer.append(varint: 1_000_000)
        buffer.append([UInt8](repeating: 1, count: 200))
        #expect(throws: Refusal.damaged) { try validate(sealed(buffer.copy())) }
    }

    @Test("a counter is at most 2^32", arguments: [1 << 32 + 1, 1 << 63, UInt64.max] as [UInt64])
    func counters(counter: UInt64) throws {
        try validate(record(counter: 1 << 32).encoded())
        #expect(throws: Refusal.implausible) { try validate(record(counter: counter).encoded()) }
        #expect(!VersionVector(Dot(actor: actor(0), counter: counter)).isPlausible)
        #expect(VersionVector(Dot(actor: actor(0), counter: 1 << 32)).isPlausible)
    }

    @Test("siblings are of the context, in ascending order, and bounded")
    func siblings() throws {
        var wrong = record(entries: 2)
        wrong.siblings[0].dot.counter = 2
        #expect(throws: Refusal.unknownDot) { try validate(wrong.encoded()) }
        wrong.siblings[0].dot.counter = 0
        #expect(throws: Refusal.unknownDot) { try validate(wrong.encoded()) }
        var twice = record()
        twice.siblings.append(twice.siblings[0])
        #expect(throws: Refusal.disorder) { try validate(twice.encoded()) }
        #expect(throws: RecordView.Damage.self) { try merged(twice.encoded(), record().encoded(), .siblings) }
        var many = record(counter: UInt64(RecordValidator.maximumSiblings) + 1)
        many.siblings = (1...RecordValidator.maximumSiblings).map {
            .init(dot: Dot(actor: actor(0), counter: UInt64($0)), stamp: 1, value: [])
        }
        try validate(many.encoded())
        many.siblings.append(.init(dot: Dot(actor: actor(0), counter: 1025), stamp: 1, value: []))
        #expect(throws: Refusal.tooManySiblings) { try validate(many.encoded()) }
    }

    @Test("stamps, expiries and tombstones that no replica writes are refused")
    func values() throws {
        var wrong = record()
        wrong.siblings[0].stamp = HybridLogicalClock.maximum + 1
        #expect(throws: Refusal.implausible) { try validate(wrong.encoded()) }
        wrong = record()
        wrong.siblings[0].expiry = -1
        #expect(throws: Refusal.implausible) { try validate(wrong.encoded()) }
        wrong = record()
        wrong.siblings[0].isTombstone = true
        #expect(throws: Refusal.implausible) { try validate(wrong.encoded()) }
        wrong.siblings[0].value = []
        try validate(wrong.encoded())
        var bytes = wrong.encoded()
        bytes[1] = RecordFormat.Kind.string.rawValue
        #expect(throws: Refusal.implausible) { try validate(sealed(bytes)) }
        bytes[1] = 200
        #expect(throws: Refusal.unknownVersion) { try validate(sealed(bytes)) }
        bytes[0] = 2
        #expect(throws: Refusal.unknownVersion) { try validate(sealed(bytes)) }
    }

    @Test("sections end with the record, in ascending order")
    func sections() throws {
        var wrong = record()
        wrong.sections = [(3, [1]), (2, [])]
        #expect(throws: Refusal.damaged) { try validate(wrong.encoded()) }
        wrong.sections = [(2, [1]), (3, [])]
        try validate(wrong.encoded())
        #expect(throws: Refusal.damaged) { try validate(sealed(wrong.encoded().dropLast())) }
        #expect(throws: Refusal.damaged) { try validate(sealed(wrong.encoded() + [9])) }
    }

    /// Mutates valid records, seals them, and gives them to everything that reads records.
    @Test("no bytes trap, and what is accepted is merged", arguments: 0..<8)
    func fuzz(seed: UInt64) throws {
        var random = Seeded(seed)
        var accepted = 0
        for _ in 0..<1500 {
            let intact = randomRecord(&random).encoded()
            var bytes = intact
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&bytes, &random) }
            bytes = sealed(bytes)
            let isValid = (try? validate(bytes)) != nil
            for policy in ConflictPolicy.allCases {
                let result = try? merged(intact, bytes, policy)
                if isValid {
                    #expect(result != nil)
                    if let result { try validate(result.record) }
                }
                _ = try? merged(bytes, intact, policy)
                update(bytes, policy, &random)
            }
            _ = try? LogicalRecord(bytes)
            _ = try? digest(bytes)
            drop(bytes)
            if isValid { accepted += 1 }
        }
        #expect(accepted > 20, "some mutations give other valid records")
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout Seeded) {
        let index = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[index] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
        case 2 where bytes.count > 14: bytes.removeSubrange(index..<min(index + 3, bytes.count))
        case 3: bytes.insert(contentsOf: random.bytes(2), at: index)
        default: bytes.append(contentsOf: bytes[index..<min(index + 9, bytes.count)])
        }
    }

    private func update(_ bytes: [UInt8], _ policy: ConflictPolicy, _ random: inout Seeded) {
        let known = Bool.random(using: &random) ? VersionVector(Dot(actor: actor(1), counter: 3)) : nil
        withBytes(of: bytes) { record in
            withBytes(of: storedKey) { key in
                let update = RecordUpdate(
                    record, storedKey: key, identity: ReplicaIdentity(node: 1, incarnation: 1), policy: policy,
                    knowing: known, contextLimit: 3)
                var buffer = ByteBuffer()
                let dot = update.nextDot ?? Dot(actor: actor(1), counter: 1)
                update.append(
                    to: &buffer, storedKey: key, dot: dot, value: NewValue(stamp: 1, length: storedKey.count),
                    bytes: key)
                #expect((try? RecordView(of: buffer.copy())) != nil)
            }
        }
    }

    private func drop(_ bytes: [UInt8]) {
        var buffer = ByteBuffer()
        var scratch = ByteBuffer()
        let isDropped = try? withBytes(of: bytes) { record in
            try withBytes(of: storedKey) { key in
                try RecordExpiry.drop(
                    expiredBy: .max, of: record, storedKey: key, into: &buffer, scratch: &scratch, unpack: toyUnpack)
            }
        }
        #expect(isDropped == true || buffer.isEmpty)
    }
}
