import MartletCore
import Testing

@Suite struct TombstoneCollectionTests {
    static func collected(_ outcomes: [TombstoneCollectionOutcome]) -> Int {
        outcomes.reduce(0) { if case .collected(let count, _) = $1 { $0 + count } else { $0 } }
    }

    @Test func aTombstoneThatAllHoldIsErasedEverywhere() {
        var cluster = CollectionHarness(seed: 1)
        for owner in cluster.owners { cluster.nodes[Int(owner)].records[2] = .init(version: 9, isTombstone: true) }
        cluster.nodes[0].records[3] = .init(version: 8, isTombstone: true)  // not everywhere yet
        cluster.collect()
        cluster.run(until: 19_000)
        #expect(cluster.outcomes == [.collected(1, of: 2)])
        for owner in cluster.owners { #expect(cluster.nodes[Int(owner)].records[2] == nil) }
        #expect(cluster.nodes[0].records[3] != nil)
        #expect(cluster.nodes.allSatisfy { $0.machine.waiting.isEmpty })
    }

    /// Whatever is under way, nothing deleted comes back.
    @Test(arguments: seeds) func nothingDeletedComesBack(seed: UInt64) {
        var collected = 0
        for round in 0..<8 {
            var cluster = CollectionHarness(seed: seed * 1000 + UInt64(round))
            cluster.load(150)
            cluster.settle()
            #expect(cluster.wrong.isEmpty, "seed \(seed * 1000 + UInt64(round))")
            collected += Self.collected(cluster.outcomes)
        }
        #expect(collected > 5)
    }

    /// The same, with tombstones erased as soon as all owners have them, or whatever is kept as a hint: the test above
    /// would see it.
    @Test(arguments: [true, false]) func withoutFencesDeletedValuesComeBack(skippingAll: Bool) {
        var wrong = 0
        for seed in UInt64(1)...2000 where wrong == 0 {
            var cluster = CollectionHarness(seed: seed) {
                if skippingAll { $0.plantedSkipsFence = true } else { $0.plantedSkipsHints = true }
            }
            cluster.load(150)
            cluster.settle()
            wrong += cluster.wrong.count
        }
        #expect(wrong > 0)
    }

    @Test func aMemberThatIsDownHoldsItUpAndIsNamed() {
        var cluster = CollectionHarness(seed: 2)
        for owner in cluster.owners { cluster.nodes[Int(owner)].records[2] = .init(version: 9, isTombstone: true) }
        cluster.tell(0, .linkClosed(4))
        cluster.collect()
        #expect(cluster.outcomes == [.blocked(by: 4, .work)])
        cluster.tell(0, .linkOpened(4))
        cluster.nodes[4].hints[[1, 2]] = .init(version: 3, isTombstone: false)
        cluster.collect()
        cluster.run(until: 10_000)
        #expect(cluster.nodes[0].machine.waiting.first?.phase == .hints)
        #expect(cluster.nodes[0].machine.waiting.first?.nodes == [4])
        cluster.run(until: 60_000)
        #expect(cluster.outcomes.last == .blocked(by: 4, .hints))
        cluster.replay()
        cluster.run(until: 61_000)
        cluster.collect()
        cluster.run(until: 80_000)
        #expect(cluster.outcomes.last == .collected(1, of: 1))
    }

    @Test func anotherEpochEndsAllRounds() {
        var cluster = CollectionHarness(seed: 3)
        for owner in cluster.owners { cluster.nodes[Int(owner)].records[2] = .init(version: 9, isTombstone: true) }
        cluster.collect()
        cluster.tell(1, .epoch(2, members: [0, 1, 2, 3]))
        cluster.run(until: 50_000)
        #expect(cluster.outcomes == [.abandoned])
        #expect(cluster.owners.allSatisfy { cluster.nodes[Int($0)].records[2] != nil })
        #expect(cluster.nodes.allSatisfy { $0.machine.wake == nil })
    }

    @Test func anOwnerHearsFromEveryLaneOfEveryMember() throws {
        var machine = TombstoneCollectionMachine(node: 1, incarnation: 1, epoch: 5, members: [0, 1])
        let round = CollectionRound(leader: 0, incarnation: 3, number: 1)
        let entry = CollectionEntry(key: CollectionHarness.key(1), digest: 4)
        func hear(_ peer: UInt32, _ body: CollectionMessage.Body) -> [TombstoneCollectionAction] {
            machine.receive(.received(peer, CollectionMessage(round, epoch: 5, body)), now: 1)
        }
        let cleared = TombstoneCollectionAction.send(0, CollectionMessage(round, epoch: 5, .cleared))
        #expect(hear(0, .propose(CollectionHarness.place, owners: [0, 1], [entry])).count == 1)
        #expect(hear(0, .clear(lane: 0, of: 2)).isEmpty && hear(1, .clear(lane: 0, of: 1)).isEmpty)
        #expect(hear(0, .clear(lane: 0, of: 2)).isEmpty)
        #expect(hear(0, .erase([0])).isEmpty)  // not before it is clear
        #expect(hear(0, .clear(lane: 1, of: 2)) == [cleared])
        #expect(hear(1, .erase([0])).isEmpty)  // nobody but the leader
        #expect(hear(0, .erase([0, 7])) == [.erase(round, [entry])])
        // One that another epoch's leader sends is answered by that.
        let late = CollectionMessage(round, epoch: 4, .erase([0]))
        let answer = machine.receive(.received(0, late), now: 2)
        #expect(answer == [.send(0, CollectionMessage(round, epoch: 5, .abandon))])
        // A leader that is gone is heard no more.
        #expect(machine.receive(.linkClosed(0), now: 3).isEmpty && hear(0, .erase([0])).isEmpty)
    }

    static func message(_ random: inout Seeded) -> CollectionMessage {
        let round = CollectionRound(leader: 3, incarnation: random.next(), number: random.number())
        let places = Set((0..<Int(random.next() % 6)).map { _ in Int(random.next() % 40) }).sorted()
        let keys = Set((0..<3).map { _ in Int(random.next() % 64) }).sorted()
        let stage = CollectionStage.allCases[Int(random.next() % 3)]
        let bodies: [CollectionMessage.Body] = [
            .propose(
                CollectionHarness.place, owners: [1, 4],
                keys.map { CollectionEntry(key: CollectionHarness.key($0), digest: random.next()) }),
            .agree(except: places), .fence(CollectionHarness.place, owners: [0, 9], stage), .drained(stage),
            .clear(lane: 2, of: 4), .cleared, .erase(places), .erased, .abandon,
        ]
        return CollectionMessage(round, epoch: random.number(), bodies[Int(random.next() % UInt64(bodies.count))])
    }

    @Test(arguments: seeds) func messagesAreReadBackAndNothingElse(seed: UInt64) throws {
        var random = Seeded(seed)
        var refused = 0
        for _ in 0..<1000 {
            let message = Self.message(&random)
            var buffer = ByteBuffer()
            message.append(to: &buffer)
            var bytes = buffer.copy()
            #expect(try withBytes(of: bytes) { try CollectionMessage($0) } == message)
            for length in [0, bytes.count / 2, bytes.count - 1] {
                #expect(throws: ByteCursor.Malformed.self) {
                    try withBytes(of: Array(bytes[..<length])) { try CollectionMessage($0) }
                }
            }
            for _ in 0...Int(random.next() % 3) {
                let at = 24 + Int(random.next() % UInt64(bytes.count - 24))
                bytes[at] = [0, 0x7f, 0xff, bytes[at] ^ 1][Int(random.next() % 4)]
            }
            do throws(ByteCursor.Malformed) {
                _ = try withBytes(of: bytes) { payload throws(ByteCursor.Malformed) in try CollectionMessage(payload) }
            } catch { refused += 1 }
        }
        #expect(refused > 100)
    }
}
