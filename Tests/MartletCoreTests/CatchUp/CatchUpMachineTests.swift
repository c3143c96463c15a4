import MartletCore
import Testing

/// Three replicas' machines, without their data: what is asked of whom, and when it suffices.
@Suite struct CatchUpMachineTests {
    static let width = 64
    static let nodes: [UInt32] = [1, 2, 3]

    static func machine(
        _ node: UInt32, units: Int = 4, needed: Int = 2, isCaughtUp: Bool, isPristine: Bool = false,
        planted: Int? = nil
    ) -> CatchUpMachine {
        let others = nodes.filter { $0 != node }
        let all = (0..<units).map {
            CatchUpUnit(keyspace: 0, slots: $0 * width..<($0 + 1) * width, others: others, needed: needed)
        }
        var settings = CatchUpSettings()
        settings.plantedNeed = planted
        return CatchUpMachine(
            node: node, units: all, keyspaces: 1, settings: settings, isPristine: isPristine, hasServed: false,
            seed: UInt64(node)
        ) { _ in isCaughtUp }
    }

    static func heard(
        _ node: UInt32, _ state: CatchUpState, incarnation: UInt64 = 1, hasServed: Bool = true
    ) -> CatchUpEvent {
        .heard(
            node, incarnation: incarnation, runs: [[CatchUpRun(slots: 0..<4 * width, state: state)]],
            hasServed: hasServed, wantsAnswer: false)
    }

    static func key(slot: Int) -> [UInt8] {
        StoredKey.lowerBound(keyspace: 0, generation: 1, slot: UInt16(slot), hash: 5) + [1]
    }

    static func exchanges(_ actions: [CatchUpAction]) -> [(
        id: UInt64, node: UInt32, slots: [Range<Int>], from: [UInt8]
    )] {
        actions.compactMap {
            if case .exchange(let id, let node, _, let slots, let from) = $0 { (id, node, slots, from) } else { nil }
        }
    }

    static func comparisons(_ actions: [CatchUpAction]) -> [(id: UInt64, node: UInt32, units: [Int])] {
        actions.compactMap { if case .compare(let id, let node, let units) = $0 { (id, node, units) } else { nil } }
    }

    static func outcomes(_ actions: [CatchUpAction]) -> [CatchUpOutcome] {
        actions.compactMap { if case .caughtUp(let outcome) = $0 { outcome } else { nil } }
    }

    @Test func anEmptyClusterIsFoundedOnceAllHaveSaidSo() {
        var machine = Self.machine(1, isCaughtUp: false, isPristine: true)
        #expect(Self.outcomes(machine.receive(Self.heard(2, .needsAndIsEmpty, hasServed: false), now: 1)).isEmpty)
        #expect(!machine.isCaughtUp(slot: 0, keyspace: 0) && machine.needCount == 4)
        let outcome = Self.outcomes(machine.receive(Self.heard(3, .needsAndIsEmpty, hasServed: false), now: 2)).first
        #expect(outcome == CatchUpOutcome(units: 4, founded: 4, atRisk: 4, hasServed: false))
        #expect(machine.isCaughtUp(slot: 0, keyspace: 0) && machine.needCount == 0)
    }

    @Test func whatWasLostIsMergedFromAsManyAsAWriteCouldRelyOn() throws {
        var machine = Self.machine(3, isCaughtUp: false)
        let first = Self.exchanges(machine.receive(Self.heard(1, .caughtUp), now: 1))
        let one = try #require(first.first)
        #expect(one.node == 1 && one.slots == [0..<256] && one.from.isEmpty)
        #expect(Self.outcomes(machine.receive(.exchanged(1, id: one.id, upTo: nil), now: 2)).isEmpty)
        // With the second of two it begins in the middle, and lists what it holds once sums were of no use.
        let asked = try #require(Self.comparisons(machine.receive(Self.heard(2, .caughtUp), now: 3)).first)
        let two = try #require(Self.exchanges(machine.receive(.compared(2, id: asked.id, equal: []), now: 3)).first)
        #expect(two.slots == [128..<256] && two.from.isEmpty)
        let actions = machine.receive(.exchanged(2, id: two.id, upTo: Self.key(slot: 200)), now: 4)
        #expect(Self.outcomes(actions).first == CatchUpOutcome(units: 1, hasServed: true))
        #expect(machine.isCaughtUp(slot: 191, keyspace: 0) && !machine.isCaughtUp(slot: 192, keyspace: 0))
        let rest = try #require(Self.exchanges(actions).first)
        #expect(rest.slots == [192..<256] && rest.from == Self.key(slot: 200))
        let round = machine.receive(.exchanged(2, id: rest.id, upTo: nil), now: 5)
        #expect(Self.outcomes(round).first?.units == 1)
        let begun = try #require(Self.comparisons(round).first)
        #expect(begun.units == [0, 1])
        let start = try #require(
            Self.exchanges(
                machine.receive(.failed(2, id: begun.id), now: 5)
                    + machine.receive(.time, now: 5 + machine.settings.retry * 2)
            ).first)
        #expect(start.slots == [0..<128] && start.from.isEmpty)
        #expect(Self.outcomes(machine.receive(.exchanged(2, id: start.id, upTo: nil), now: 6)).first?.units == 2)
        #expect(machine.needCount == 0)
    }

    /// What one owner sent is compared with what the other holds; only what differs is listed.
    @Test func whatOneSentIsComparedWithTheNext() throws {
        var machine = Self.machine(3, isCaughtUp: false)
        let one = try #require(Self.exchanges(machine.receive(Self.heard(1, .caughtUp), now: 1)).first)
        _ = machine.receive(.exchanged(1, id: one.id, upTo: Self.key(slot: 200)), now: 2)
        // Units 0 to 2 came from node 1; with node 2 it begins with unit 2.
        let first = try #require(Self.comparisons(machine.receive(Self.heard(2, .caughtUp), now: 3)).first)
        #expect(first.node == 2 && first.units == [2])
        let same = machine.receive(.compared(2, id: first.id, equal: [2]), now: 4)
        #expect(Self.outcomes(same).first == CatchUpOutcome(units: 1, hasServed: true))
        // Nobody has sent unit 3 whole: it is listed, and no page goes beyond it.
        let page = try #require(Self.exchanges(same).first)
        #expect(page.node == 2 && page.slots == [192..<256])
        let next = machine.receive(.exchanged(2, id: page.id, upTo: nil), now: 5)
        let second = try #require(Self.comparisons(next).first)
        #expect(second.units == [0, 1])
        // Once more as long as there is progress, then it is listed.
        let partly = machine.receive(.compared(2, id: second.id, equal: [1]), now: 6)
        let third = try #require(Self.comparisons(partly).first)
        #expect(third.units == [0] && Self.outcomes(partly).first?.units == 1)
        let left = try #require(Self.exchanges(machine.receive(.compared(2, id: third.id, equal: []), now: 7)).first)
        #expect(left.slots == [0..<64] && left.from.isEmpty)
        #expect(Self.outcomes(machine.receive(.exchanged(2, id: left.id, upTo: nil), now: 8)).first?.units == 1)
        // The rest of the first page's pass is unit 3 from node 1, which node 2 sent meanwhile.
        #expect(machine.needCount == 1)
    }

    @Test func oneThatIsInNeedItselfCountsOnlyIfNobodyIsLeft() throws {
        var machine = Self.machine(3, needed: 1, isCaughtUp: false)
        let one = try #require(Self.exchanges(machine.receive(Self.heard(1, .needs), now: 1)).first)
        #expect(Self.outcomes(machine.receive(.exchanged(1, id: one.id, upTo: nil), now: 2)).isEmpty)
        let actions = machine.receive(Self.heard(2, .needsAndIsEmpty), now: 3)
        #expect(Self.outcomes(actions).first == CatchUpOutcome(units: 4, founded: 4, atRisk: 4, hasServed: true))
    }

    @Test func aPeerThatBecomesWellIsMergedOnceMore() throws {
        var machine = Self.machine(3, needed: 1, isCaughtUp: false)
        let one = try #require(Self.exchanges(machine.receive(Self.heard(1, .needs), now: 1)).first)
        let rest = machine.receive(.exchanged(1, id: one.id, upTo: Self.key(slot: 10)), now: 2)
        let two = try #require(Self.exchanges(rest).first)
        // Its word came in the middle of a unit: the pages before were of one in need.
        _ = machine.receive(Self.heard(1, .caughtUp), now: 3)
        let again = machine.receive(.exchanged(1, id: two.id, upTo: nil), now: 4)
        #expect(Self.outcomes(again).isEmpty && machine.needCount == 4)
        let compared = try #require(Self.comparisons(again).first)
        #expect(compared.units == [0, 1, 2, 3])
        let listed = machine.receive(.compared(1, id: compared.id, equal: []), now: 5)
        let three = try #require(Self.exchanges(listed).first)
        #expect(three.from.isEmpty && three.slots == [0..<256])
        #expect(Self.outcomes(machine.receive(.exchanged(1, id: three.id, upTo: nil), now: 6)).first?.atRisk == 0)
    }

    @Test func aBrokenExchangeGoesOnWithTheSameDataAndAnewWithOthers() throws {
        for (incarnation, from) in [(UInt64(1), Self.key(slot: 70)), (2, [])] {
            var machine = Self.machine(3, isCaughtUp: false)
            let one = try #require(Self.exchanges(machine.receive(Self.heard(1, .caughtUp), now: 1)).first)
            _ = machine.receive(.exchanged(1, id: one.id, upTo: Self.key(slot: 70)), now: 2)
            #expect(machine.underWay(with: 1) == one.id + 1)
            #expect(machine.receive(.linkClosed(1), now: 3).isEmpty && machine.underWay(with: 1) == nil)
            #expect(Self.exchanges(machine.receive(.linkOpened(1, incarnation: incarnation), now: 4)).isEmpty)
            let resumed = machine.receive(Self.heard(1, .caughtUp, incarnation: incarnation), now: 5)
            let two = try #require(Self.exchanges(resumed).first)
            #expect(two.from == from && two.slots == [64..<256])  // what was merged stays merged
            // A late answer to the former exchange is none to this one.
            #expect(Self.outcomes(machine.receive(.exchanged(1, id: one.id + 1, upTo: nil), now: 6)).isEmpty)
        }
    }

    @Test func owedWritesAreExchangedAfterAWhileAndPassesComeAgain() throws {
        var machine = Self.machine(3, isCaughtUp: true)
        _ = machine.receive(.linkOpened(1, incarnation: 1), now: 0)
        #expect(Self.exchanges(machine.receive(Self.heard(1, .caughtUp), now: 1)).isEmpty)
        #expect(Self.exchanges(machine.receive(.owed(1, keyspace: 0, slot: 65), now: 2)).isEmpty)
        let due = try #require(machine.wake)
        #expect(due == 2 + machine.settings.owedDelay)
        let one = try #require(Self.exchanges(machine.receive(.time, now: due)).first)
        #expect(one.slots == [64..<128] && one.node == 1)
        // The one with the lower id begins what is done again and again.
        var other = Self.machine(1, isCaughtUp: true)
        _ = other.receive(.linkOpened(3, incarnation: 1), now: 0)
        let pass = try #require(Self.exchanges(other.receive(Self.heard(3, .caughtUp), now: 1)).first)
        _ = other.receive(.exchanged(3, id: pass.id, upTo: nil), now: 2)
        let later = try #require(other.wake)
        let rest = try #require(Self.exchanges(other.receive(.time, now: later)).first)
        #expect(later == 2 + other.settings.pause && pass.slots == [128..<256] && rest.slots == [0..<128])
        _ = other.receive(.exchanged(3, id: rest.id, upTo: nil), now: later)
        let wake = try #require(other.wake)
        #expect(wake > other.settings.period / 2 && wake < other.settings.period * 2)
        #expect(Self.exchanges(other.receive(.time, now: wake)).count == 1)
    }

    @Test func aQuestionWithoutAnAnswerIsAskedAgainAndAFailedPageTriedAgain() throws {
        var machine = Self.machine(3, isCaughtUp: false)
        _ = machine.receive(.linkOpened(1, incarnation: 1), now: 0)
        let wake = try #require(machine.wake)
        let asked = machine.receive(.time, now: wake)
        #expect(asked.contains { if case .tell(1, wantsAnswer: true) = $0 { true } else { false } })
        let one = try #require(Self.exchanges(machine.receive(Self.heard(1, .caughtUp), now: wake)).first)
        #expect(Self.exchanges(machine.receive(.failed(1, id: one.id), now: wake + 1)).isEmpty)
        let later = try #require(machine.wake)
        #expect(Self.exchanges(machine.receive(.time, now: later + machine.settings.retry * 2)).count == 1)
    }

    @Test func thePlantedBugTakesOnePeerToBeEnough() throws {
        var machine = Self.machine(3, isCaughtUp: false, planted: 1)
        let one = try #require(Self.exchanges(machine.receive(Self.heard(1, .caughtUp), now: 1)).first)
        #expect(Self.outcomes(machine.receive(.exchanged(1, id: one.id, upTo: nil), now: 2)).first?.units == 4)
    }

    @Test func unitsFollowTheRingAndTheWorkers() throws {
        let members = (1...5).map { Member(id: UInt32($0), name: "n\($0)") }
        let ring = try Ring(members: members, partitions: 64, placement: .count(3))
        var owned = 0
        for node in UInt32(1)...5 {
            for worker in 0..<3 {
                let units = CatchUpUnit.all(
                    ofNode: node, in: ring, keyspace: 0, write: .quorum, worker: worker, of: 3, arcs: 256)
                owned += units.count
                for unit in units {
                    #expect(unit.slots.count == 64 && unit.needed == 2 && unit.others.count == 2)
                    #expect(unit.slots.lowerBound / 64 % 3 == worker && !unit.others.contains(node))
                }
            }
        }
        #expect(owned == 256 * 3)
        let one = CatchUpUnit.all(ofNode: 1, in: ring, keyspace: 0, write: .one, worker: 0, of: 1, arcs: 256)
        #expect(one.allSatisfy { $0.needed == 2 })
        let all = CatchUpUnit.all(ofNode: 1, in: ring, keyspace: 0, write: .all, worker: 0, of: 1, arcs: 256)
        #expect(all.allSatisfy { $0.needed == 1 })
        let read = CatchUpUnit.all(
            ofNode: 1, in: ring, keyspace: 0, write: .all, read: .quorum, worker: 0, of: 1, arcs: 256)
        #expect(read.allSatisfy { $0.needed == 2 }, "what was written back to two may be on one of the others only")
    }
}
