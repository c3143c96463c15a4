import MartletRuntime
import MartletSimulator
import Testing

/// Each checker accepts histories that keep its invariant and catches those that break it.
@Suite struct CheckerTests {
    typealias Operation = History.Operation
    typealias Key = History.Key

    static func at(_ milliseconds: Int) -> MonotonicTime {
        MonotonicTime(nanoseconds: UInt64(1_000_000_000 + milliseconds * 1_000_000))
    }

    /// A write of `value`; acknowledged unless told otherwise.
    static func set(
        _ value: UInt64, _ from: Int, _ to: Int, _ outcome: History.Outcome = .ok([]), key: Key = Key(.plain, 1),
        client: Int = 0, expiry: Duration? = nil, stamp: UInt64? = nil
    ) -> Operation {
        Operation(
            client: client, .set(value, expiry: expiry), [key], from: at(from), to: at(to), outcome, stamp: stamp)
    }
    static func delete(_ from: Int, _ to: Int, _ outcome: History.Outcome = .number(1)) -> Operation {
        Operation(.delete, [Key(.plain, 1)], from: at(from), to: at(to), outcome)
    }
    /// A read of `value`; 0 stands for nothing.
    static func get(
        _ value: UInt64, _ from: Int, _ to: Int, key: Key = Key(.plain, 1), client: Int = 1
    ) -> Operation {
        let content = value == 0 ? History.Content.absent : .value(value)
        return Operation(client: client, .get, [key], from: at(from), to: at(to), .ok([content]))
    }
    static func add(_ from: Int, _ to: Int, _ outcome: History.Outcome) -> Operation {
        Operation(.increment, [Key(.counter, 0)], from: at(from), to: at(to), outcome)
    }
    static let unknown = History.Outcome.unknown("the connection was closed")

    /// What a checker finds.
    static func found(
        _ checker: any Checker.Type, _ operations: [Operation], _ change: (inout Evidence) -> Void = { _ in }
    ) -> Int {
        var evidence = Evidence(History(operations))
        change(&evidence)
        return checker.violations(in: evidence).count
    }

    @Test func regularReads() {
        let checker = RegularReads.self
        let twoWrites = [Self.set(1, 0, 10), Self.set(2, 20, 30)]
        #expect(Self.found(checker, twoWrites + [Self.get(2, 40, 50)]) == 0)
        #expect(Self.found(checker, twoWrites + [Self.get(1, 40, 50)]) == 1, "stale")
        #expect(Self.found(checker, twoWrites + [Self.get(1, 25, 50)]) == 0, "overlaps the second write")
        #expect(Self.found(checker, twoWrites + [Self.get(0, 40, 50)]) == 1, "lost")
        #expect(Self.found(checker, twoWrites + [Self.get(3, 40, 50)]) == 1, "never written")
        #expect(Self.found(checker, [Self.get(1, 0, 5), Self.set(1, 10, 20)]) == 1, "read before it was written")
        #expect(Self.found(checker, [Self.get(0, 0, 5)]) == 0, "nothing was written yet")
        #expect(Self.found(checker, [Self.set(1, 0, 10), Self.set(2, 20, 30, Self.unknown), Self.get(1, 40, 50)]) == 0)
        #expect(Self.found(checker, [Self.set(1, 0, 10), Self.set(2, 20, 30, Self.unknown), Self.get(2, 40, 50)]) == 0)
        #expect(Self.found(checker, [Self.set(1, 0, 10), Self.delete(20, 30), Self.get(0, 40, 50)]) == 0)
        #expect(Self.found(checker, [Self.set(1, 0, 10), Self.delete(20, 30), Self.get(1, 40, 50)]) == 1)
        #expect(Self.found(checker, [Self.delete(0, 10), Self.set(1, 20, 30), Self.get(0, 40, 50)]) == 1)
        #expect(Self.found(checker, [Self.set(1, 0, 10), Self.delete(20, 30, Self.unknown), Self.get(0, 40, 50)]) == 0)
        let other = Self.get(0, 40, 50, key: Key(.plain, 2))
        #expect(Self.found(checker, twoWrites + [other]) == 0, "another key")
    }

    @Test func regularReadsWhereACrashMayTake() {
        let checker = RegularReads.self
        let writes = [Self.set(1, 0, 10), Self.set(2, 20, 30)]
        let loss = Evidence.Loss(from: Self.at(15), at: Self.at(35))
        #expect(Self.found(checker, writes + [Self.get(1, 40, 50)]) { $0.losses = [loss] } == 0, "2 may be lost")
        #expect(Self.found(checker, writes + [Self.get(0, 40, 50)]) { $0.losses = [loss] } == 1, "1 may not")
        #expect(Self.found(checker, writes + [Self.get(1, 31, 34)]) { $0.losses = [loss] } == 1, "not before the crash")
        let late = writes + [Self.set(3, 60, 70), Self.get(1, 80, 90)]
        #expect(Self.found(checker, late) { $0.losses = [loss] } == 1, "3 came after the crash")
    }

    @Test func expiringValues() {
        let key = Key(.expiring, 1)
        func write(_ from: Int, _ to: Int) -> Operation {
            Self.set(1, from, to, key: key, expiry: .milliseconds(100))
        }
        for (value, from, to, regular, late) in [
            (1, 20, 30, 0, 0), (0, 20, 30, 1, 0), (0, 120, 130, 0, 0), (1, 105, 120, 0, 0), (1, 150, 160, 0, 1),
        ] as [(UInt64, Int, Int, Int, Int)] {
            let history = [write(0, 10), Self.get(value, from, to, key: key)]
            #expect(Self.found(RegularReads.self, history) == regular, "\(value) at \(from)")
            #expect(Self.found(NoLateValues.self, history) == late, "\(value) at \(from)")
        }
        let history = [write(0, 10), Self.get(1, 150, 160, key: key), Self.get(0, 20, 30, key: key)]
        let spread: (inout Evidence) -> Void = { $0.clockSpread = .milliseconds(200) }
        #expect(Self.found(NoLateValues.self, history, spread) == 0, "a calendar may have been late")
        #expect(Self.found(RegularReads.self, history, spread) == 0, "or early")
    }

    @Test func readsGoForward() {
        let writes = [Self.set(1, 0, 100), Self.set(2, 0, 100), Self.set(3, 0, 100)]
        let forward = writes + [Self.get(1, 10, 20), Self.get(2, 30, 40), Self.get(3, 50, 60)]
        #expect(Self.found(ForwardReads.self, forward) == 0)
        let back = writes + [Self.get(1, 10, 20), Self.get(2, 30, 40), Self.get(1, 50, 60)]
        #expect(Self.found(ForwardReads.self, back) == 1)
        let overlapping = writes + [Self.get(1, 10, 20), Self.get(2, 15, 40), Self.get(1, 35, 60)]
        #expect(Self.found(ForwardReads.self, overlapping) == 0, "no read came wholly between")
        #expect(Self.found(ForwardReads.self, back) { $0.losses = [.init(from: Self.at(25), at: Self.at(45))] } == 0)
    }

    @Test func nothingComesBack() {
        let checker = NoResurrection.self
        let write = Self.set(1, 0, 10)
        #expect(Self.found(checker, [write, Self.get(0, 20, 30), Self.get(1, 40, 50)]) == 1)
        #expect(Self.found(checker, [write, Self.get(1, 20, 30), Self.get(0, 40, 50)]) == 0)
        #expect(Self.found(checker, [Self.set(1, 0, 35), Self.get(0, 20, 30), Self.get(1, 40, 50)]) == 0)
        let unsure = Self.set(1, 0, 10, Self.unknown)
        #expect(Self.found(checker, [unsure, Self.get(0, 20, 30), Self.get(1, 40, 50)]) == 0, "it came late")
        #expect(Self.found(checker, [unsure, Self.get(1, 12, 15), Self.get(0, 20, 30), Self.get(1, 40, 50)]) == 1)
    }

    @Test func acknowledgedWritesSurvive() {
        let checker = AcknowledgedWrites.self
        let key = Key(.plain, 1)
        let writes = [Self.set(1, 0, 10), Self.set(2, 20, 30)]
        for (final, count) in [
            (.content(.value(2)), 0), (.content(.value(1)), 1), (.content(.absent), 1), (.unreadable("damaged"), 1),
        ] as [(Evidence.Final, Int)] {
            #expect(Self.found(checker, writes) { $0.finals[key] = final } == count, "\(final)")
        }
        let damaged = Self.found(checker, writes) {
            $0.finals[key] = .unreadable("damaged")
            $0.damagedKeys = [key]
        }
        #expect(damaged == 0)
        let unsure = [Self.set(1, 0, 10), Self.set(2, 20, 30, Self.unknown)]
        for value in [1, 2] as [UInt64] {
            #expect(Self.found(checker, unsure) { $0.finals[key] = .content(.value(value)) } == 0)
        }
    }

    @Test func greatestStampWins() {
        let writes = [Self.set(1, 0, 50, stamp: 10), Self.set(2, 0, 50, stamp: 20)]
        let key = Key(.plain, 1)
        #expect(Self.found(GreatestStamps.self, writes) { $0.finals[key] = .content(.value(2)) } == 0)
        #expect(Self.found(GreatestStamps.self, writes) { $0.finals[key] = .content(.value(1)) } == 1)
    }

    @Test func connectionsReadTheirWrites() {
        let own = [Self.set(1, 0, 10, client: 1), Self.set(2, 20, 30, client: 1)]
        #expect(Self.found(OwnWrites.self, own + [Self.get(2, 40, 50)]) == 0)
        #expect(Self.found(OwnWrites.self, own + [Self.get(1, 40, 50)]) == 1)
        #expect(Self.found(OwnWrites.self, own + [Self.get(1, 40, 50, client: 2)]) == 0, "another's")
        #expect(Self.found(OwnWrites.self, own + [Self.set(3, 35, 38, client: 2), Self.get(3, 40, 50)]) == 0)
    }

    @Test func refusedWritesStayAway() {
        let refused = Self.set(1, 0, 10, .notApplied("OOM"))
        #expect(Self.found(RefusedWrites.self, [refused, Self.get(0, 20, 30)]) == 0)
        #expect(Self.found(RefusedWrites.self, [refused, Self.get(1, 20, 30)]) == 1)
        #expect(Self.found(RefusedWrites.self, [Self.set(1, 0, 10, Self.unknown), Self.get(1, 20, 30)]) == 0)
    }

    @Test func whatIsSentAgainIsDoneOnce() {
        let key = Key(.sibling, 1)
        func put(_ stamp: UInt64, _ repeated: [UInt64]) -> Operation {
            var operation = Operation(.put(1), [key], from: Self.at(0), to: Self.at(10), .ok([]), stamp: stamp)
            operation.repeated = repeated
            return operation
        }
        #expect(Self.found(DoneOnce.self, [put(5, []), put(6, [6, 6])]) == 0)
        #expect(Self.found(DoneOnce.self, [put(6, [5])]) == 0, "of a try before")
        #expect(Self.found(DoneOnce.self, [put(5, [5, 6])]) == 1)
        func read(_ contents: [History.Content]) -> Operation {
            Operation(.getSiblings, [key], from: Self.at(20), to: Self.at(30), .ok(contents))
        }
        #expect(Self.found(DoneOnce.self, [read([.value(1), .value(2)])]) == 0)
        #expect(Self.found(DoneOnce.self, [read([.value(1), .value(2), .value(1)])]) == 1)
    }

    @Test func aMinorityIsNotMissed() {
        let absence = Evidence.Absence(nodes: [2], from: Self.at(0), known: Self.at(1000), to: Self.at(9000))
        func found(_ from: Int, _ outcome: History.Outcome, node: Int) -> Int {
            var operation = Self.set(1, from, from + 100, outcome)
            operation.node = node
            return Self.found(MinorityGone.self, [operation]) { $0.absences = [absence] }
        }
        #expect(found(4000, .ok([]), node: 0) == 0)
        #expect(found(4000, Self.unknown, node: 0) == 1)
        #expect(found(4000, .notApplied("NOQUORUM"), node: 0) == 1)
        #expect(found(4000, Self.unknown, node: 2) == 0, "of one that is gone")
        #expect(found(2000, Self.unknown, node: 0) == 0, "too early")
        #expect(found(8950, Self.unknown, node: 0) == 0, "others came back meanwhile")
        var total = absence
        total.takesWritesOnly = true
        let refusal = History.Outcome.notApplied("NOQUORUM")
        let read = Operation(.get, [Key(.plain, 1)], from: Self.at(4000), to: Self.at(4100), refusal)
        for (operation, faults) in [(read, 0), (Self.set(1, 4000, 4100, refusal), 1)] {
            var operation = operation
            operation.node = 0
            #expect(Self.found(MinorityGone.self, [operation]) { $0.absences = [total] } == faults)
        }
    }

    @Test func foreignBytesAreSeen() {
        let read = Operation(.get, [Key(.plain, 1)], from: Self.at(0), to: Self.at(1), .ok([.foreign("x")]))
        #expect(Self.found(NoForeignBytes.self, [read]) == 1)
        #expect(Self.found(NoForeignBytes.self, [Self.get(1, 0, 1), Self.get(0, 0, 1)]) == 0)
    }

    @Test func countersAreExact() {
        let checker = CountedOnce.self
        let key = Key(.counter, 0)
        let two = [Self.add(0, 10, .number(1)), Self.add(20, 30, .number(2))]
        func final(_ number: Int64) -> (inout Evidence) -> Void { { $0.finals[key] = .number(number) } }
        #expect(Self.found(checker, two, final(2)) == 0)
        #expect(Self.found(checker, two, final(1)) == 1, "one was lost")
        #expect(Self.found(checker, two, final(3)) == 1, "one counted twice")
        let withUnknown = two + [Self.add(40, 50, Self.unknown)]
        #expect(Self.found(checker, withUnknown, final(2)) == 0)
        #expect(Self.found(checker, withUnknown, final(3)) == 0)
        #expect(Self.found(checker, withUnknown, final(4)) == 1)
        #expect(Self.found(checker, two + [Self.add(40, 50, .notApplied("OOM"))], final(3)) == 1)
        #expect(
            Self.found(checker, [Self.add(0, 10, .number(1)), Self.add(20, 30, .number(1))]) == 1, "answered twice")
        #expect(Self.found(checker, [Self.add(0, 10, .number(2)), Self.add(20, 30, .number(1))]) == 1, "backwards")
    }

    @Test func groupsAreNotTorn() {
        let keys = [Key(.group, 0), Key(.group, 1)]
        func read(_ contents: [History.Content]) -> Operation {
            Operation(.getTogether, keys, from: Self.at(0), to: Self.at(1), .ok(contents))
        }
        #expect(Self.found(SetTogether.self, [read([.value(1), .value(1)]), read([.absent, .absent])]) == 0)
        #expect(Self.found(SetTogether.self, [read([.value(1), .absent])]) == 1)
        #expect(Self.found(SetTogether.self, [read([.value(1), .value(2)])]) { $0.setsAreAtomic = false } == 0)
    }

    @Test func siblingsAreTheMaximalWrites() {
        let key = Key(.plain, 1)
        func write(_ value: UInt64, _ replaces: Set<UInt64> = [], acknowledged: Bool = true) -> Evidence.SiblingWrite {
            Evidence.SiblingWrite(key: key, value: value, replaces: replaces, isAcknowledged: acknowledged)
        }
        func found(_ writes: [Evidence.SiblingWrite], _ final: Set<UInt64>) -> Int {
            Self.found(MaximalSiblings.self, []) {
                $0.siblings = writes
                $0.finalSiblings[key] = final
            }
        }
        #expect(found([write(1), write(2)], [1, 2]) == 0)
        #expect(found([write(1), write(2)], [2]) == 1, "a sibling was dropped")
        #expect(found([write(1), write(2, [1])], [2]) == 0)
        #expect(found([write(1), write(2, [1])], [1, 2]) == 1, "a false sibling")
        #expect(found([write(1), write(2, [1])], [1]) == 2)
        #expect(found([write(1), write(2, [1], acknowledged: false)], [1]) == 0)
        #expect(found([write(1), write(2, [1], acknowledged: false)], [2]) == 0)
        #expect(found([write(1)], [1, 9]) == 1, "never written")
    }

    @Test func replicasConverge() {
        func digests(_ second: UInt64) -> (inout Evidence) -> Void {
            { $0.digests = [.init(partition: 3, node: 0, digest: 7), .init(partition: 3, node: 1, digest: second)] }
        }
        #expect(Self.found(EqualDigests.self, [], digests(7)) == 0)
        #expect(Self.found(EqualDigests.self, [], digests(8)) == 1)
    }

    @Test func sizesAndComplaints() {
        #expect(Self.found(Bounds.self, []) { $0.sizes = [.init(name: "hints", size: 5, limit: 5)] } == 0)
        #expect(Self.found(Bounds.self, []) { $0.sizes = [.init(name: "hints", size: 6, limit: 5)] } == 1)
        #expect(Self.found(NoComplaints.self, []) { $0.complaints = ["ERR unknown command"] } == 1)
        #expect(Self.found(NoComplaints.self, []) == 0)
    }
}
