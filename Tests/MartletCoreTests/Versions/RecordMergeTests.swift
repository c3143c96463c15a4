@testable import MartletCore
import Testing

/// The cases of a merge, each by hand.
@Suite struct RecordMergeTests {
    private let a = ReplicaActor(node: 1, incarnation: 11, birth: 1)
    private let b = ReplicaActor(node: 2, incarnation: 22, birth: 1)

    private func vector(_ entries: [(ReplicaActor, UInt64)]) -> VersionVector {
        var vector = VersionVector()
        for (actor, counter) in entries { vector.insert(Dot(actor: actor, counter: counter)) }
        return vector
    }

    private func record(
        _ context: [(ReplicaActor, UInt64)], _ siblings: [(ReplicaActor, UInt64, stamp: UInt64)],
        token: [UInt8]? = nil
    ) -> LogicalRecord {
        LogicalRecord(
            context: vector(context),
            siblings: siblings.map {
                LogicalRecord.Sibling(
                    dot: Dot(actor: $0.0, counter: $0.1), stamp: $0.stamp, token: token,
                    value: Array("\($0.0.node).\($0.1)".utf8))
            })
    }

    @Test("the same bytes are held already", arguments: ConflictPolicy.allCases)
    func same(policy: ConflictPolicy) throws {
        let bytes = record([(a, 1)], [(a, 1, 10)]).encoded()
        #expect(try merged(bytes, bytes, policy).outcome == .local)
    }

    @Test("one actor's later write covers its earlier one", arguments: ConflictPolicy.allCases)
    func oneActor(policy: ConflictPolicy) throws {
        let old = record([(a, 1)], [(a, 1, 10)]).encoded()
        let new = record([(a, 2)], [(a, 2, 11)]).encoded()
        #expect(try merged(old, new, policy).outcome == .remote)
        #expect(try merged(new, old, policy).outcome == .local)
    }

    @Test("writes that do not know of each other are both kept, or the latest")
    func concurrent() throws {
        let one = record([(a, 1)], [(a, 1, 10)])
        let two = record([(b, 1)], [(b, 1, 9)])
        for (x, y) in [(one, two), (two, one)] {
            let both = try merged(x.encoded(), y.encoded(), .siblings)
            #expect(both.outcome == .merged)
            #expect(try LogicalRecord(both.record) == record([(a, 1), (b, 1)], [(a, 1, 10), (b, 1, 9)]))
            let latest = try merged(x.encoded(), y.encoded(), .latest)
            #expect(try LogicalRecord(latest.record) == record([(a, 1), (b, 1)], [(a, 1, 10)]))
        }
    }

    @Test("of equal stamps the greater dot is the latest")
    func tie() throws {
        let one = record([(a, 1)], [(a, 1, 10)])
        let two = record([(b, 1)], [(b, 1, 10)])
        let latest = try merged(one.encoded(), two.encoded(), .latest)
        #expect(try LogicalRecord(latest.record) == record([(a, 1), (b, 1)], [(b, 1, 10)]))
    }

    @Test("the same value in a longer history needs no writing", arguments: ConflictPolicy.allCases)
    func longerHistory(policy: ConflictPolicy) throws {
        let short = record([(a, 3)], [(a, 3, 10)]).encoded()
        let long = record([(a, 3), (b, 1)], [(a, 3, 10)]).encoded()
        #expect(try merged(short, long, policy).outcome == .remote)
        #expect(try merged(long, short, policy).outcome == .local)
    }

    @Test("a record of many siblings takes in one and gives up one")
    func several() throws {
        let held = record([(a, 2), (b, 1)], [(a, 1, 1), (a, 2, 2), (b, 1, 3)]).encoded()
        let coming = record([(a, 1), (b, 2)], [(b, 2, 4)]).encoded()  // has seen a.1 and b.1
        let both = try merged(held, coming, .siblings)
        #expect(both.outcome == .merged)
        #expect(try LogicalRecord(both.record) == record([(a, 2), (b, 2)], [(a, 2, 2), (b, 2, 4)]))
        #expect(try LogicalRecord(merged(held, coming, .latest).record).siblings.map(\.stamp) == [4])
        #expect(try merged(both.record, held, .siblings).outcome == .local)
        #expect(try merged(coming, both.record, .siblings).outcome == .remote)
    }

    @Test("two dots of one retry token are one write, the earlier one")
    func retries() throws {
        let token = [UInt8](repeating: 7, count: 16)
        let one = record([(a, 1)], [(a, 1, 10)], token: token)
        let two = record([(b, 1)], [(b, 1, 20)], token: token)
        var kept = record([(a, 1), (b, 1)], [(a, 1, 10)], token: token)
        let word = UInt64(0x0707_0707_0707_0707)
        var memory = RetryMemory()
        memory.insert(.init(token: (word, word), dot: Dot(actor: b, counter: 1), stamp: 20, existed: false))
        kept.sections = [(RetryMemory.tag, try #require(memory.section(beside: [])))]
        #expect(try LogicalRecord(merged(one.encoded(), two.encoded(), .siblings).record) == kept)
        #expect(try LogicalRecord(merged(two.encoded(), one.encoded(), .siblings).record) == kept)
        var wide = two  // the same beside another sibling
        let third = Dot(actor: b, counter: 2)
        wide.context.insert(third)
        wide.siblings.append(.init(dot: third, stamp: 30, value: [3]))
        let result = try LogicalRecord(merged(wide.encoded(), one.encoded(), .siblings).record)
        #expect(result.siblings.map(\.dot) == [Dot(actor: a, counter: 1), third])
    }

    @Test("packed and plain siblings meet in one record")
    func codecs() throws {
        var records: [LogicalRecord] = []
        for (index, codec) in RecordFormat.Codec.allCases.enumerated() {
            var one = record([(ReplicaActor(node: UInt32(index), incarnation: 1, birth: 1), 1)], [])
            one.siblings = [
                .init(dot: Dot(actor: one.context.entries[0].actor, counter: 1), stamp: 5, codec: codec, value: [1, 2])
            ]
            records.append(one)
        }
        for first in records {
            var bytes = first.encoded()
            for record in records { bytes = try merged(bytes, record.encoded(), .siblings).record }
            let result = try LogicalRecord(bytes)
            #expect(result.siblings.map(\.codec) == RecordFormat.Codec.allCases)
            #expect(result.siblings.allSatisfy { $0.value == [1, 2] })
            try validate(bytes)
        }
    }

    @Test("sections are kept: each tag once, the greater bytes", arguments: ConflictPolicy.allCases)
    func sections(policy: ConflictPolicy) throws {
        var one = record([(a, 1)], [(a, 1, 10)])
        var two = record([(a, 2)], [(a, 2, 11)])
        one.sections = [(3, [9]), (700, [1])]
        two.sections = [(3, [8]), (5, [])]
        let result = try merged(one.encoded(), two.encoded(), policy)
        let sections = try LogicalRecord(result.record).sections
        #expect(sections.map(\.tag) == [3, 5, 700])
        #expect(sections.map(\.bytes) == [[9], [], [1]])
        #expect(try digest(result.record) == digest(try merged(two.encoded(), one.encoded(), policy).record))
        #expect(try merged(result.record, one.encoded(), policy).outcome == .local)
        #expect(try merged(two.encoded(), result.record, policy).outcome == .remote)
    }

    @Test("contexts that supersede each other leave the greatest stamp, never nothing")
    func neverEmpty() throws {
        let one = record([(a, 1), (b, 1)], [(a, 1, 10)]).encoded()
        let two = record([(a, 1), (b, 1)], [(b, 1, 11)]).encoded()
        #expect(try merged(one, two, .siblings).outcome == .remote)
        #expect(try merged(two, one, .siblings).outcome == .local)
    }

    @Test("a damaged record is thrown, whichever it is", arguments: ConflictPolicy.allCases)
    func damage(policy: ConflictPolicy) throws {
        let intact = record([(a, 1)], [(a, 1, 10)]).encoded()
        for index in intact.indices {
            var damaged = intact
            damaged[index] ^= 0x10
            #expect(throws: RecordView.Damage.self) { try merged(damaged, intact, policy) }
            #expect(throws: RecordView.Damage.self) { try merged(intact, damaged, policy) }
            #expect(throws: RecordView.Damage.self) { try merged(damaged, damaged, policy) }
        }
    }

    @Test("replicas that meet in any order end with the same siblings, retries or not")
    func retriesConverge() throws {
        for seed in UInt64(0)..<200 {
            var random = Seeded(seed)
            var records = (0..<5).map { index -> [UInt8] in
                let actor = ReplicaActor(node: UInt32(index), incarnation: 1, birth: 1)
                var context = vector([(actor, 1)])
                let isSeen = { Bool.random(using: &random) }
                for other in 0..<index where isSeen() {
                    context.insert(Dot(actor: ReplicaActor(node: UInt32(other), incarnation: 1, birth: 1), counter: 1))
                }
                let token = [UInt8](repeating: UInt8.random(in: 0...1, using: &random), count: 16)
                let sibling = LogicalRecord.Sibling(
                    dot: Dot(actor: actor, counter: 1), stamp: UInt64(index), token: token, value: [UInt8(index)])
                return LogicalRecord(context: context, siblings: [sibling]).encoded()
            }
            for _ in 0..<60 {
                let (to, from) = (Int.random(in: 0..<5, using: &random), Int.random(in: 0..<5, using: &random))
                records[to] = try merged(records[to], records[from], .siblings).record
            }
            for _ in 0..<2 {
                for to in 0..<5 {
                    for from in 0..<5 { records[to] = try merged(records[to], records[from], .siblings).record }
                }
            }
            #expect(Set(try records.map { try digest($0) }).count == 1, "seed \(seed)")
            let tokens = try LogicalRecord(records[0]).siblings.map(\.token)
            #expect(Set(tokens).count == tokens.count, "seed \(seed): a retry is a sibling")
        }
    }
}
