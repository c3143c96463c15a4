@testable import MartletCore
import Testing

/// A random record with any number of siblings, in canonical order.
func randomRecord(_ random: inout Seeded) -> LogicalRecord {
    var record = LogicalRecord()
    for _ in 0..<Int.random(in: 1...5, using: &random) {
        let actor = ReplicaActor(
            node: UInt32.random(in: 0...3, using: &random), incarnation: random.next() >> 62,
            birth: random.number() >> 20)
        record.context.insert(Dot(actor: actor, counter: UInt64.random(in: 1...9, using: &random)))
    }
    for entry in record.context.entries {
        for counter in 1...entry.counter where Int.random(in: 0..<6, using: &random) == 0 || counter == entry.counter {
            let isTombstone = Int.random(in: 0..<4, using: &random) == 0
            record.siblings.append(
                .init(
                    dot: Dot(actor: entry.actor, counter: counter), stamp: random.number() >> 1,
                    expiry: isTombstone || Bool.random(using: &random)
                        ? .max : Int64.random(in: 0...2000, using: &random),
                    token: Bool.random(using: &random) ? random.bytes(16) : nil, isTombstone: isTombstone,
                    codec: isTombstone ? .none : RecordFormat.Codec.allCases.randomElement(using: &random) ?? .none,
                    value: isTombstone ? [] : random.bytes(Int.random(in: 0..<40, using: &random))))
        }
    }
    if Int.random(in: 0..<3, using: &random) == 0 {
        record.sections = [(2, random.bytes(3)), (random.number() | 4, random.bytes(5))]
    }
    return record
}

@Suite struct RecordDigestTests {
    @Test("codecs and the order of siblings and sections do not matter", arguments: seeds)
    func canonical(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<60 {
            let record = randomRecord(&random)
            let expected = try digest(record.encoded())
            var other = record
            for index in other.siblings.indices where !other.siblings[index].isTombstone {
                other.siblings[index].codec = RecordFormat.Codec.allCases.randomElement(using: &random) ?? .none
            }
            other.siblings.shuffle(using: &random)
            other.sections.shuffle(using: &random)
            #expect(try digest(other.encoded()) == expected)
        }
    }

    @Test("the order of context entries does not matter, and merges read any order")
    func contextOrder() throws {
        let actors = (0..<2).map { ReplicaActor(node: $0, incarnation: 5, birth: 1) }
        func bytes(_ order: [Int]) -> [UInt8] {
            var buffer = ByteBuffer()
            buffer.append([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2] as [UInt8])
            for index in order {
                VersionVector.Entry(actor: actors[index], counter: 4).encode(into: &buffer)
            }
            buffer.append([1, 0, UInt8(order.firstIndex(of: 1) ?? 0), 3, 9, 0, 0, 0, 0, 0, 0, 0, 1, 77] as [UInt8])
            return sealed(buffer.copy())
        }
        let (straight, turned) = (bytes([0, 1]), bytes([1, 0]))
        #expect(straight != turned)
        #expect(try digest(straight) == digest(turned))
        #expect(try merged(straight, turned, .siblings).outcome == .local)
        #expect(throws: RecordValidator.Refusal.disorder) { try validate(turned) }
    }

    @Test("whatever a record says, another digest says otherwise", arguments: seeds)
    func sensitive(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<30 {
            let record = randomRecord(&random)
            let expected = try digest(record.encoded())
            var others: [LogicalRecord] = []
            var other = record
            other.context.insert(Dot(actor: ReplicaActor(node: 9, incarnation: 0, birth: 0), counter: 1))
            others.append(other)
            let last = record.siblings.count - 1
            for change: (inout LogicalRecord.Sibling) -> Void in [
                { $0.stamp ^= 1 }, { $0.expiry = $0.expiry == .max ? 5 : .max },
                { $0.token = $0.token == nil ? [UInt8](repeating: 1, count: 16) : nil },
                { $0.value.append(0) }, { $0.isTombstone.toggle() },
            ] {
                other = record
                change(&other.siblings[last])
                others.append(other)
            }
            other = record
            other.sections.append((0, []))
            others.append(other)
            for (index, other) in others.enumerated() {
                if index == 5, record.siblings[last].expiry != .max { continue }  // a dropped value: see below
                #expect(try digest(other.encoded()) != expected, "\(index)")
            }
            #expect(try digest(record.encoded(), seed: 1) != expected)
        }
    }

    @Test("a value that cannot be unpacked is damage")
    func unpacking() throws {
        var record = LogicalRecord()
        let dot = Dot(actor: ReplicaActor(node: 1, incarnation: 1, birth: 1), counter: 1)
        record.context.insert(dot)
        record.siblings = [.init(dot: dot, stamp: 1, codec: .lz4, value: [1, 2, 3])]
        withBytes(of: record.encoded()) { bytes in
            withBytes(of: storedKey) { key in
                #expect(throws: RecordView.Damage.damaged) { _ = try RecordDigest.digest(of: bytes, storedKey: key) }
                return
            }
        }
    }
}

@Suite struct RecordExpiryTests {
    private func dropped(_ record: [UInt8], by milliseconds: Int64) throws -> [UInt8]? {
        var buffer = ByteBuffer()
        var scratch = ByteBuffer()
        let isDropped = try withBytes(of: record) { record in
            try withBytes(of: storedKey) { key in
                try RecordExpiry.drop(
                    expiredBy: milliseconds, of: record, storedKey: key, into: &buffer, scratch: &scratch,
                    unpack: toyUnpack)
            }
        }
        #expect(isDropped != buffer.isEmpty)
        return isDropped ? buffer.copy() : nil
    }

    @Test("dropping keeps dots, stamps, expiries, tokens and the digest; merging finds nothing new", arguments: seeds)
    func drop(seed: UInt64) throws {
        var random = Seeded(seed)
        var count = 0
        for _ in 0..<60 {
            let record = randomRecord(&random)
            let bytes = record.encoded()
            guard let less = try dropped(bytes, by: 1000) else {
                #expect(record.siblings.allSatisfy { $0.expiry > 1000 })
                continue
            }
            count += 1
            let result = try LogicalRecord(less)
            try validate(less)
            #expect(result.context == record.context)
            #expect(result.sections.elementsEqual(record.sections, by: ==))
            for (before, after) in zip(record.siblings, result.siblings) {
                #expect((before.dot, before.stamp, before.expiry) == (after.dot, after.stamp, after.expiry))
                #expect(before.token == after.token)
                #expect(after.isTombstone == (before.isTombstone || before.expiry <= 1000))
                if before.expiry > 1000 { #expect(before.value == after.value) }
            }
            #expect(try digest(less) == digest(bytes))
            for policy in ConflictPolicy.allCases where policy == .siblings || record.siblings.count == 1 {
                #expect(try merged(bytes, less, policy).outcome == .local)
                #expect(try merged(less, bytes, policy).outcome == .local)
            }
            #expect(try dropped(less, by: 1000) == nil)
        }
        #expect(count > 5)
    }

    @Test("a value lives until its expiry")
    func liveness() throws {
        var random = Seeded(1)
        for _ in 0..<100 {
            let record = randomRecord(&random)
            let view = try RecordView(of: record.encoded())
            let newest = try #require(
                record.siblings.max { ($0.stamp, $0.dot) < ($1.stamp, $1.dot) })
            #expect(view.isLive(at: newest.expiry) == false)
            #expect(view.isLive(at: newest.expiry - 1) == !newest.isTombstone)
            #expect(view.stamp == newest.stamp)
        }
    }
}
