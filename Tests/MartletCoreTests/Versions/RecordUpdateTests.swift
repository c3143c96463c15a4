@testable import MartletCore
import Testing

/// Writes over what is held, each case by hand; histories of them are in HistoryTests.
@Suite struct RecordUpdateTests {
    private let own = ReplicaIdentity(node: 1, incarnation: 11)
    private let other = ReplicaActor(node: 2, incarnation: 22, birth: 1)

    private func actor(_ birth: UInt64) -> ReplicaActor { own.firstDot(birth: birth).actor }

    private func record(_ dots: [Dot], context: [Dot] = [], stamp: UInt64 = 100) -> LogicalRecord {
        var record = LogicalRecord()
        for dot in dots + context { record.context.insert(dot) }
        record.siblings = dots.map { .init(dot: $0, stamp: stamp, value: [UInt8($0.counter & 0xff)]) }
        return record
    }

    private func update(
        _ record: [UInt8], _ policy: ConflictPolicy = .latest, knowing: VersionVector? = nil, limit: Int = 64
    ) -> RecordUpdate {
        withBytes(of: record) { record in
            withBytes(of: storedKey) {
                RecordUpdate(
                    record, storedKey: $0, identity: own, policy: policy, knowing: knowing, contextLimit: limit)
            }
        }
    }

    private func written(
        _ update: RecordUpdate, dot: Dot? = nil, value: NewValue = NewValue(stamp: 200, length: 1)
    ) throws -> LogicalRecord {
        var buffer = ByteBuffer()
        let dot = try #require(dot ?? update.nextDot)
        withBytes(of: storedKey) { key in
            withBytes(of: value.isTombstone ? [] : [42]) {
                update.append(to: &buffer, storedKey: key, dot: dot, value: value, bytes: $0)
            }
        }
        try validate(buffer.copy())
        return try LogicalRecord(buffer.copy())
    }

    @Test("one's own entry counts on", arguments: ConflictPolicy.allCases)
    func countsOn(policy: ConflictPolicy) throws {
        let held = record([Dot(actor: actor(7), counter: 3)])
        let result = try written(update(held.encoded(), policy))
        #expect(result.context.entries == [.init(actor: actor(7), counter: 4)])
        #expect(result.siblings == [.init(dot: Dot(actor: actor(7), counter: 4), stamp: 200, value: [42])])
    }

    @Test("a birth is drawn where nothing intact is held")
    func births() throws {
        #expect(RecordUpdate().nextDot == nil)
        #expect(RecordUpdate().held == .none)
        var bytes = record([Dot(actor: actor(7), counter: 3)]).encoded()
        bytes[20] ^= 1
        #expect(update(bytes).nextDot == nil)
        #expect(update(bytes).held == .damaged)
        let foreign = record([Dot(actor: other, counter: 3)])
        #expect(update(foreign.encoded()).nextDot == nil)
        let fresh = own.firstDot(birth: 9)
        let result = try written(update(foreign.encoded()), dot: fresh)
        #expect(result.siblings.map(\.dot) == [fresh])
        #expect(result.context[other] == 3)
    }

    @Test("of several births the latest counts on; another incarnation's does not")
    func latestBirth() {
        let former = ReplicaActor(node: 1, incarnation: 99, birth: 50)
        let held = record(
            [Dot(actor: actor(8), counter: 2)],
            context: [Dot(actor: actor(7), counter: 9), Dot(actor: former, counter: 70)])
        #expect(update(held.encoded()).nextDot == Dot(actor: actor(8), counter: 3))
    }

    @Test("a birth is drawn where a client knows an own dot that is not known here, and where numbers are used up")
    func forgotten() throws {
        let held = record([Dot(actor: actor(7), counter: 3)])
        for dot in [Dot(actor: actor(7), counter: 4), Dot(actor: actor(8), counter: 1)] {
            let update = update(held.encoded(), .siblings, knowing: VersionVector(dot))
            #expect(update.nextDot == nil)
            #expect(try written(update, dot: own.firstDot(birth: 9)).context.contains(dot))
        }
        let full = record([Dot(actor: actor(7), counter: Dot.maximumCounter)])
        #expect(update(full.encoded()).nextDot == nil)
    }

    @Test("what the client's context covers is superseded, the rest stays")
    func contexts() throws {
        let dots = [Dot(actor: actor(7), counter: 3), Dot(actor: other, counter: 1), Dot(actor: other, counter: 2)]
        let held = record(dots)
        let update = update(held.encoded(), .siblings, knowing: VersionVector(dots[1]))
        #expect(update.remainingSiblings == 2)
        let result = try written(update)
        #expect(result.siblings.map(\.dot) == [dots[0], Dot(actor: actor(7), counter: 4), dots[2]])
        #expect(result.siblings[1].value == [42])
        let blind = try written(self.update(held.encoded(), .siblings, knowing: VersionVector()))
        #expect(blind.siblings.count == 4)
        #expect(try written(self.update(held.encoded(), .siblings)).siblings.count == 1)
        #expect(try written(self.update(held.encoded(), .latest, knowing: VersionVector())).siblings.count == 1)
    }

    @Test("a context of more than is held is taken over")
    func unknownContext() throws {
        let held = record([Dot(actor: actor(7), counter: 3)])
        let known = VersionVector(Dot(actor: other, counter: 6))
        for policy in ConflictPolicy.allCases {
            #expect(try written(update(held.encoded(), policy, knowing: known)).context[other] == 6)
        }
        let first = RecordUpdate(knowing: known)
        #expect(try written(first, dot: own.firstDot(birth: 1)).context[other] == 6)
    }

    @Test("a stamp is above all that is superseded")
    func stamps() throws {
        let held = record([Dot(actor: actor(7), counter: 3)], stamp: 5000)
        #expect(try written(update(held.encoded())).siblings.map(\.stamp) == [5001])
        let last = record([Dot(actor: actor(7), counter: 3)], stamp: HybridLogicalClock.maximum)
        #expect(try written(update(last.encoded())).siblings.map(\.stamp) == [HybridLogicalClock.maximum])
        #expect(update(held.encoded()).stamp(for: 6000) == 6000)
    }

    @Test("a delete is a tombstone with the whole context")
    func deletes() throws {
        let held = record([Dot(actor: actor(7), counter: 3)], context: [Dot(actor: other, counter: 5)])
        let result = try written(update(held.encoded()), value: .tombstone(stamp: 300, token: (1, 2)))
        #expect(result.siblings.map(\.isTombstone) == [true])
        #expect(result.siblings.map(\.token?.count) == [16])
        #expect(result.context[other] == 5)
        #expect(result.context[actor(7)] == 4)
    }

    @Test("only the oldest entries are pruned, and none that a sibling needs")
    func pruning() throws {
        let old = (1...10).map { ReplicaActor(node: 100 + UInt32($0), incarnation: 1, birth: 1) }
        let context = old.enumerated().map { Dot(actor: $1, counter: UInt64($0) + 2) }
        let sibling = Dot(actor: other, counter: 1)
        let held = record([sibling], context: context)
        let update = update(held.encoded(), .siblings, knowing: VersionVector(), limit: 4)
        let dot = own.firstDot(birth: 3)
        #expect(update.prunedEntries(writing: dot) == 8)
        let result = try written(update, dot: dot)
        #expect(result.context.entries.map(\.actor) == [dot.actor, other, old[8], old[9]])
        #expect(result.siblings.map(\.dot) == [dot, sibling])
        #expect(self.update(held.encoded()).prunedEntries(writing: dot) == 0)
    }

    @Test("sections of the held record stay")
    func sections() throws {
        var held = record([Dot(actor: actor(7), counter: 3)])
        held.sections = [(2, [5, 6]), (99, [])]
        for policy in ConflictPolicy.allCases {
            let result = try written(update(held.encoded(), policy))
            #expect(result.sections.elementsEqual(held.sections, by: ==))
            #expect(result.siblings.map(\.dot.counter) == [4])
            #expect(result.context.entries == [.init(actor: actor(7), counter: 4)])
        }
    }

    @Test("a replica that was given a peer's record for a damaged one counts on from a fresh birth")
    func replacement() throws {
        let remote = record([Dot(actor: actor(7), counter: 3)])  // and (7, 4) may have been lost here
        var buffer = ByteBuffer()
        let fresh = own.firstDot(birth: 8)
        try withBytes(of: storedKey) { key in
            try withBytes(of: remote.encoded()) {
                try RecordMerge.replacement(remote: $0, storedKey: key, fresh: fresh, into: &buffer)
            }
        }
        #expect(update(buffer.copy()).nextDot == Dot(actor: fresh.actor, counter: 2))
        #expect(try LogicalRecord(buffer.copy()).siblings == remote.siblings)
    }
}
