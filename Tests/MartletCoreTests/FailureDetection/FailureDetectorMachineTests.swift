import MartletCore
import Testing

/// One detector, event by event.
@Suite struct FailureDetectorMachineTests {
    static let millisecond: UInt64 = 1_000_000

    /// Node 0 of five, linked with all, its messages of the start taken.
    static func machine(
        _ members: [UInt32] = [0, 1, 2, 3, 4], settings: FailureDetectorSettings = FailureDetectorSettings()
    ) -> FailureDetectorMachine {
        var machine = FailureDetectorMachine(
            node: 0, incarnation: 100, members: members, settings: settings, seed: 1, now: 0)
        for member in members where member != 0 { _ = machine.receive(.linkOpened(member, incarnation: 1), now: 0) }
        return machine
    }

    static func sent(_ actions: [FailureDetectorAction]) -> [(node: UInt32, message: FailureMessage)] {
        actions.compactMap { if case .send(let node, let message) = $0 { (node, message) } else { nil } }
    }

    static func probe(_ actions: [FailureDetectorAction]) -> (node: UInt32, sequence: UInt32)? {
        for (node, message) in sent(actions) {
            if case .probe(let sequence) = message.body { return (node, sequence) }
        }
        return nil
    }

    static func says(
        _ body: FailureMessage.Body, refutation: UInt64 = 0, incarnation: UInt64 = 1, _ claims: [LivenessClaim] = []
    ) -> FailureMessage {
        FailureMessage(body, refutation: refutation, incarnation: incarnation, claims: claims)
    }

    /// The rules of precedence, from every state.
    @Test func theHigherRefutationHoldsAndThenTheWorseWord() {
        let words: [Liveness] = [.alive, .suspect, .dead]
        func claim(_ word: Liveness, _ refutation: UInt64) -> LivenessClaim {
            switch word {
            case .alive: .alive(1, refutation: refutation, incarnation: 1)
            case .suspect: .suspect(1, refutation: refutation, by: 2)
            case .dead: .dead(1, refutation: refutation, by: 2)
            }
        }
        for held in words {
            for said in words {
                for refutation in [4, 5, 6] as [UInt64] {
                    var machine = Self.machine()
                    _ = machine.receive(.linkClosed(1), now: 1)  // so that a death is taken at once
                    let claims = [claim(.alive, 5), claim(held, 5), claim(said, refutation)]
                    _ = machine.receive(.received(2, Self.says(.view(wantsAnswer: false), claims)), now: 2)
                    let wins = refutation > 5 || (refutation == 5 && said.rawValue > held.rawValue)
                    let member = machine.member(1)
                    #expect(member?.liveness == (wins ? said : held), "\(held) \(said) \(refutation)")
                    #expect(member?.refutation == (wins ? refutation : 5))
                }
            }
        }
    }

    @Test func aProbeThatIsAnsweredTellsNobody() throws {
        var machine = Self.machine()
        let probe = try #require(Self.probe(machine.receive(.time, now: machine.wake)))
        let wake = machine.wake
        let answer = Self.says(.reply(sequence: probe.sequence, isReached: true))
        #expect(machine.receive(.received(probe.node, answer), now: wake - 1).isEmpty)
        #expect(machine.member(probe.node)?.lastAnswer == wake - 1)
        #expect(machine.counters.probes == 1 && machine.counters.failedProbes == 0)
    }

    @Test func oneWithoutAnAnswerIsTriedThroughOthersThenSuspectThenDead() throws {
        var machine = Self.machine()
        let start = machine.wake
        let probe = try #require(Self.probe(machine.receive(.time, now: start)))
        #expect(machine.wake == start + machine.settings.probeTimeout)
        let asked = Self.sent(machine.receive(.time, now: machine.wake))
        #expect(asked.count == 3 && Set(asked.map(\.node)).count == 3 && !asked.map(\.node).contains(probe.node))
        for (helper, message) in asked {
            #expect(message.body == .indirectProbe(sequence: probe.sequence, target: probe.node))
            let refusal = Self.says(.reply(sequence: probe.sequence, isReached: false))
            _ = machine.receive(.received(helper, refusal), now: machine.wake - 1)
        }
        let actions = machine.receive(.time, now: start + machine.settings.period)
        #expect(actions.contains(.changed(probe.node, .suspect)) && actions.contains(.avoid(probe.node, true)))
        // The helpers' word shows that the fault is not here.
        #expect(machine.health.score == 0)
        // All others suspect it as well: then the shortest suspicion is enough.
        for helper in asked.map(\.node) {
            let claims = [LivenessClaim.suspect(probe.node, refutation: 0, by: helper)]
            _ = machine.receive(
                .received(helper, Self.says(.view(wantsAnswer: false), claims)), now: start + 400_000_000)
        }
        var death: UInt64?
        while death == nil, machine.wake < start + 10_000_000_000 {
            let now = machine.wake
            if machine.receive(.time, now: now).contains(.changed(probe.node, .dead)) { death = now }
        }
        let took = try #require(death) - start
        #expect(took == machine.settings.period + machine.settings.period * 5)
    }

    @Test func silenceAllRoundIsTakenForOwnIllHealth() throws {
        var machine = Self.machine()
        var last = machine.wake
        var longest: UInt64 = 0
        for _ in 0..<200 {
            let now = machine.wake
            if Self.probe(machine.receive(.time, now: now)) != nil {
                longest = max(longest, now - last)
                last = now
            }
        }
        #expect(machine.health.score == machine.settings.worstHealth)
        #expect(longest > machine.settings.period * 3)
    }

    @Test func aDetectorThatIsRunLatePutsItsDeadlinesOff() throws {
        var machine = Self.machine()
        let start = machine.wake
        let probe = try #require(Self.probe(machine.receive(.time, now: start)))
        let late = start + 60_000_000_000
        let actions = machine.receive(.time, now: late)
        #expect(!actions.contains(.changed(probe.node, .suspect)) && machine.health.score == 1)
        #expect(machine.counters.stalls == 1 && machine.counters.longestStall == 60_000_000_000 - 100_000_000)
        // The answer lay in the socket all the while.
        let answer = Self.says(.reply(sequence: probe.sequence, isReached: true))
        _ = machine.receive(.received(probe.node, answer), now: late)
        #expect(machine.health.score == 0 && machine.member(probe.node)?.isAvoided == false)
    }

    @Test func aLinkThatClosesIsGoneRoundAtOnceAndTriedThroughOthers() throws {
        var machine = Self.machine()
        let actions = machine.receive(.time, now: machine.wake)
        let first = try #require(Self.probe(actions)).node
        let other = try #require([1, 2, 3, 4].first { $0 != first })
        let closed = machine.receive(.linkClosed(other), now: machine.wake - 1)
        #expect(closed.first == .avoid(other, true))
        let asked = Self.sent(closed)
        #expect(asked.count == 3)
        // All say that they do not reach it either: that is enough.
        guard case .indirectProbe(let sequence, other) = asked.first?.message.body else {
            Issue.record("\(closed)")
            return
        }
        var last: [FailureDetectorAction] = []
        for (helper, _) in asked {
            last = machine.receive(
                .received(helper, Self.says(.reply(sequence: sequence, isReached: false))), now: machine.wake - 1)
        }
        #expect(last.contains(.changed(other, .suspect)))
        #expect(machine.receive(.linkClosed(other), now: machine.wake - 1).isEmpty)
    }

    @Test func whatCannotBeSentCountsAsSilence() throws {
        var machine = Self.machine()
        _ = machine.receive(.time, now: machine.wake)
        let actions = machine.receive(.unsent(3), now: machine.wake - 1)
        #expect(actions.contains(.avoid(3, true)))
        let again =
            Self.probe(actions).map { $0.node == 3 }
            ?? Self.sent(actions).contains { $0.message.kind == .failureIndirectProbe }
        #expect(again)
    }

    @Test func oneThatIsAskedProbesInTheOthersStead() throws {
        var machine = Self.machine()
        let ask = Self.says(.indirectProbe(sequence: 77, target: 4))
        let relayed = try #require(Self.probe(machine.receive(.received(1, ask), now: 1)))
        #expect(relayed.node == 4)
        let answer = Self.says(.reply(sequence: relayed.sequence, isReached: true))
        let back = Self.sent(machine.receive(.received(4, answer), now: 2))
        #expect(back.count == 1 && back[0].node == 1)
        #expect(back[0].message.body == .reply(sequence: 77, isReached: true))
        // One that does not answer: the word of that comes before the other gives up.
        _ = machine.receive(.received(1, Self.says(.indirectProbe(sequence: 78, target: 4))), now: 10)
        var refusal: UInt64?
        while refusal == nil {
            let now = machine.wake
            for (node, message) in Self.sent(machine.receive(.time, now: now))
            where node == 1 && message.body == .reply(sequence: 78, isReached: false) { refusal = now }
        }
        #expect(refusal == 10 + 80 * Self.millisecond)
        // One it has no link with: at once.
        _ = machine.receive(.linkClosed(4), now: machine.wake - 1)
        let none = Self.sent(
            machine.receive(.received(1, Self.says(.indirectProbe(sequence: 79, target: 4))), now: machine.wake - 1))
        #expect(none.contains { $0.node == 1 && $0.message.body == .reply(sequence: 79, isReached: false) })
    }

    @Test func whatIsSaidOfThisNodeIsRefutedInTheAnswer() throws {
        var machine = Self.machine()
        for (number, word) in [LivenessClaim.suspect(0, refutation: 0, by: 3), .dead(0, refutation: 8, by: 3)]
            .enumerated()
        {
            let actions = machine.receive(.received(1, Self.says(.probe(sequence: 5), [word])), now: 1)
            let answer = try #require(Self.sent(actions).first { $0.node == 1 }).message
            #expect(answer.body == .reply(sequence: 5, isReached: true))
            #expect(answer.refutation == word.refutation + 1 && answer.incarnation == 100)
            #expect(answer.claims.contains(.alive(0, refutation: word.refutation + 1, incarnation: 100)))
            #expect(actions.contains(.refuted(word.liveness, by: 3)) && machine.health.score == number + 1)
        }
        // Old words are none.
        #expect(
            machine.receive(
                .received(1, Self.says(.view(wantsAnswer: false), [.dead(0, refutation: 8, by: 3)])), now: 2
            ).isEmpty)
        // Another data set of the same node spoke before: it is outbid, without any suspicion.
        _ = machine.receive(
            .received(1, Self.says(.view(wantsAnswer: false), [.alive(0, refutation: 20, incarnation: 99)])), now: 3)
        #expect(machine.refutation == 21 && machine.counters.refutations == 2)
    }

    @Test func aSuspectHearsOfItFirst() throws {
        var machine = Self.machine()
        let word = LivenessClaim.suspect(3, refutation: 0, by: 2)
        _ = machine.receive(.received(2, Self.says(.view(wantsAnswer: false), [word])), now: 1)
        for _ in 0..<60 {
            for (node, message) in Self.sent(machine.receive(.time, now: machine.wake)) where node == 3 {
                #expect(message.claims.contains { $0.node == 3 && $0.liveness != .alive })
            }
        }
        #expect(machine.counters.probes > 10)
    }

    @Test func aDeathOutOfTheBlueIsASuspicionWhereThereIsALink() {
        var machine = Self.machine()
        let word = Self.says(.view(wantsAnswer: false), [.dead(3, refutation: 0, by: 2)])
        #expect(machine.receive(.received(2, word), now: 1).contains(.changed(3, .suspect)))
        #expect(machine.receive(.received(4, word), now: 2).contains(.changed(3, .dead)))
        var other = Self.machine()
        _ = other.receive(.linkClosed(3), now: 1)
        #expect(other.receive(.received(2, word), now: 2).contains(.changed(3, .dead)))
    }

    @Test func anEpochBringsAndTakesMembers() throws {
        var machine = Self.machine()
        let word = LivenessClaim.suspect(3, refutation: 0, by: 2)
        _ = machine.receive(.received(2, Self.says(.view(wantsAnswer: false), [word])), now: 1)
        _ = machine.receive(.members([0, 1, 2, 9]), now: 2)
        #expect(machine.members.map(\.node) == [1, 2, 9])
        #expect(machine.member(1)?.isLinked == true && machine.member(9)?.isAvoided == true)
        for _ in 0..<100 {
            for (node, message) in Self.sent(machine.receive(.time, now: machine.wake)) {
                #expect([1, 2, 9].contains(node) && message.claims.allSatisfy { $0.node != 3 })
            }
        }
        #expect(machine.receive(.received(3, Self.says(.probe(sequence: 1))), now: machine.wake - 1).isEmpty)
    }

    @Test func aloneItWaits() {
        var machine = Self.machine([0])
        for _ in 0..<50 { #expect(machine.receive(.time, now: machine.wake).isEmpty) }
        #expect(machine.health.score == 0 && machine.counters.probes == 0)
    }
}
