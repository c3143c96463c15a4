@testable import MartletCore
import Testing

/// Writes that are repeated through other replicas, which do not know of the first try: they stay one write.
@Suite struct RetryMemoryTests {
    @Test("merging stays a join where writes are repeated", arguments: ConflictPolicy.allCases)
    func laws(policy: ConflictPolicy) throws {
        var repetitions = 0
        for seed in UInt64(0)..<150 {
            var play = Retries(seed: seed, policy: policy, tokens: 6)
            for _ in 0..<40 { try play.step() }
            repetitions += play.repetitions
            var random = Seeded(seed)
            for _ in 0..<40 {
                let (a, b, c) = (
                    play.states.randomElement(using: &random)!, play.states.randomElement(using: &random)!,
                    play.states.randomElement(using: &random)!
                )
                let (ab, ba) = (try merged(a, b, policy).record, try merged(b, a, policy).record)
                #expect(try LogicalRecord(ab) == LogicalRecord(ba), "commutative, seed \(seed)")
                #expect(try digest(ab) == digest(ba))
                let left = try merged(ab, c, policy).record
                let right = try merged(a, merged(b, c, policy).record, policy).record
                #expect(try LogicalRecord(left) == LogicalRecord(right), "associative, seed \(seed)")
                #expect(try merged(ab, a, policy).outcome == .local, "idempotent, seed \(seed)")
                #expect(try merged(ab, ab, policy).outcome == .local)
                #expect(try LogicalRecord(merged(a, ab, policy).record) == LogicalRecord(ab))
                try validate(left)
            }
        }
        #expect(repetitions > 200, "writes are repeated")
    }

    @Test("no two siblings have one token, and what was superseded does not come back by its repetition")
    func siblings() throws {
        for seed in UInt64(0)..<300 {
            var play = Retries(seed: seed, policy: .siblings, tokens: 6)
            for step in 0..<60 {
                try play.step()
                for record in play.records.compactMap({ $0 }) {
                    let tokens = try LogicalRecord(record).siblings.compactMap(\.token)
                    try #require(Set(tokens).count == tokens.count, "seed \(seed), step \(step)")
                }
            }
            let all = try play.allMerged()
            let shown = Set(try LogicalRecord(all).siblings.map(\.dot))
            try #require(shown == play.expected(), "seed \(seed)")
        }
    }

    /// Seed 804 of the simulator: a client saw the second try, replaced it, and then the first came to light.
    @Test func aTryThatComesToLightAfterItsWriteWasReplacedIsNoSibling() throws {
        func actor(_ node: UInt32) -> ReplicaActor { ReplicaActor(node: node, incarnation: 7, birth: UInt64(node)) }
        func write(
            _ token: UInt64, by node: UInt32, stamp: UInt64, over held: [UInt8]?, knowing: VersionVector
        ) -> [UInt8] {
            var update = RecordUpdate(knowing: knowing)
            if let held {
                update = withBytes(of: held) { held in
                    withBytes(of: storedKey) {
                        RecordUpdate(
                            held, storedKey: $0, identity: ReplicaIdentity(node: node, incarnation: 7),
                            policy: .siblings, knowing: knowing)
                    }
                }
            }
            var buffer = ByteBuffer()
            withBytes(of: storedKey) { key in
                withBytes(of: [UInt8(token)]) {
                    update.append(
                        to: &buffer, storedKey: key, dot: update.nextDot ?? Dot(actor: actor(node), counter: 1),
                        value: NewValue(stamp: stamp, token: (token, 1), length: 1), bytes: $0)
                }
            }
            return buffer.copy()
        }
        let first = write(1, by: 1, stamp: 10, over: nil, knowing: VersionVector())
        let second = write(1, by: 2, stamp: 20, over: nil, knowing: VersionVector())
        let seen = try LogicalRecord(second).context
        let replaced = write(2, by: 2, stamp: 30, over: second, knowing: seen)
        let expected = try LogicalRecord(replaced).siblings.map(\.value)
        for (a, b) in [(first, replaced), (replaced, first)] {
            let met = try merged(a, b, .siblings).record
            #expect(try LogicalRecord(met).siblings.map(\.value) == expected)
            for late in [first, second] {
                let again = try LogicalRecord(merged(met, late, .siblings).record)
                #expect(again.siblings.map(\.value) == expected, "nor does it come back")
            }
        }
        // Where the first try is held already, replacing the second replaces it too.
        let both = try merged(first, second, .siblings).record
        let over = write(3, by: 2, stamp: 40, over: both, knowing: seen)
        #expect(try LogicalRecord(over).siblings.map(\.value) == [[3]])
    }

    @Test("a write is answered by what is remembered of it, first outcome first")
    func outcomes() throws {
        for policy in ConflictPolicy.allCases {
            for seed in UInt64(0)..<100 {
                var play = Retries(seed: seed, policy: policy, tokens: 6)
                for _ in 0..<40 { try play.step() }
                let all = try play.allMerged()
                for token in 0..<UInt64(6) {
                    let tries = play.writes.filter { $0.token == token }
                    let first = tries.min { ($0.stamp, $0.dot) < ($1.stamp, $1.dot) }
                    let outcome = try play.outcome(of: token, in: all)
                    try #require(outcome?.write.dot == first?.dot, "seed \(seed)")
                    try #require(outcome?.write.stamp == first?.stamp)
                }
            }
        }
    }

    @Test("the last sixteen are remembered, and none by more than a minute older than the newest")
    func bounds() throws {
        var play = Retries(seed: 3, policy: .latest, tokens: 40)
        for token in 0..<UInt64(40) { play.write(token, at: 0, stamp: 1000 + token) }
        var last = try #require(play.records[0])
        // The present value's own and sixteen more.
        for token in 0..<UInt64(40) {
            #expect(try (play.outcome(of: token, in: last) != nil) == (token >= 24 - 1 + 1), "token \(token)")
        }
        let minute = HybridLogicalClock.stamp(milliseconds: RetryMemory.milliseconds)
        play.write(40, at: 0, stamp: 1040 + minute)
        play.write(41, at: 0, stamp: 1041 + minute)
        last = try #require(play.records[0])
        #expect(try play.outcome(of: 39, in: last) == nil, "older than a minute")
        #expect(try play.outcome(of: 40, in: last) != nil)
        try validate(last)
    }

    @Test("a section that no replica wrote is refused")
    func malformed() throws {
        var play = Retries(seed: 3, policy: .latest, tokens: 3)
        for token in 0..<UInt64(3) { play.write(token, at: 0, stamp: 1000 + token) }
        var record = try LogicalRecord(try #require(play.records[0]))
        try validate(record.encoded())
        let section = record.sections[0].bytes
        for bad in [Array(section.dropLast()), section + [1], section + section] {
            record.sections[0].bytes = bad
            #expect(throws: RecordValidator.Refusal.self) { try validate(record.encoded()) }
        }
    }
}

/// Replicas of one key whose clients repeat writes at replicas that do not know of the first try.
private struct Retries {
    struct Write {
        var token: UInt64
        var dot: Dot
        var stamp: UInt64
        /// The dots that its writer had seen.
        var past: Set<Dot>
    }

    let policy: ConflictPolicy
    var random: Seeded
    var records: [[UInt8]?] = [nil, nil, nil]
    var known: [Set<Dot>] = [[], [], []]
    var states: [[UInt8]] = []
    var writes: [Write] = []
    var repetitions = 0
    private var pasts: [UInt64: (known: Set<Dot>, context: VersionVector)] = [:]
    private var nextBirth: UInt64 = 1
    private var now: UInt64 = 1 << 20
    private let tokens: UInt64

    init(seed: UInt64, policy: ConflictPolicy, tokens: UInt64) {
        random = Seeded(seed)
        self.policy = policy
        self.tokens = tokens
    }

    mutating func step() throws {
        let at = Int.random(in: 0..<3, using: &random)
        now += 1
        guard Bool.random(using: &random) || records.allSatisfy({ $0 == nil }) else {
            guard let remote = records[Int.random(in: 0..<3, using: &random)] else { return }
            if let local = records[at] {
                records[at] = try merged(local, remote, policy).record
            } else {
                records[at] = remote
            }
            known[at].formUnion(try dots(in: remote))
            states.append(records[at]!)
            return
        }
        let token = UInt64.random(in: 0..<tokens, using: &random)
        if let record = records[at], try outcome(of: token, in: record) != nil { return }  // answered, not done again
        if writes.contains(where: { $0.token == token }) { repetitions += 1 }
        write(token, at: at, stamp: now + UInt64.random(in: 0..<4, using: &random))
    }

    /// Writes with a token; its repetitions hand in the same context.
    mutating func write(_ token: UInt64, at index: Int, stamp: UInt64) {
        let identity = ReplicaIdentity(node: UInt32(index), incarnation: 7)
        var context = VersionVector()
        if let record = records[index] { context = (try? LogicalRecord(record))?.context ?? context }
        let past = pasts[token] ?? (known[index], context)
        pasts[token] = past
        var update = RecordUpdate(knowing: past.context)
        if let record = records[index] {
            update = withBytes(of: record) { record in
                withBytes(of: storedKey) {
                    RecordUpdate(
                        record, storedKey: $0, identity: identity, policy: policy, knowing: past.context)
                }
            }
        }
        let dot = update.nextDot ?? identity.firstDot(birth: nextBirth)
        if update.nextDot == nil { nextBirth += 1 }
        var value = NewValue(stamp: stamp, token: (token, token &* 31), length: 1)
        value.existed = token % 2 == 0
        var buffer = ByteBuffer()
        withBytes(of: storedKey) { key in
            withBytes(of: [UInt8(truncatingIfNeeded: token)]) {
                update.append(to: &buffer, storedKey: key, dot: dot, value: value, bytes: $0)
            }
        }
        records[index] = buffer.copy()
        states.append(buffer.copy())
        known[index].formUnion(past.known)
        known[index].insert(dot)
        writes.append(Write(token: token, dot: dot, stamp: update.stamp(for: stamp), past: past.known))
    }

    func dots(in record: [UInt8]) throws -> Set<Dot> {
        let context = try LogicalRecord(record).context
        return Set(writes.map(\.dot).filter(context.contains))
    }

    func allMerged() throws -> [UInt8] {
        let held = records.compactMap { $0 }
        return try held.dropFirst().reduce(held[0]) { try merged($0, $1, policy).record }
    }

    /// The dots that are shown once all replicas have met: no write's past holds them or another try of theirs, and
    /// they are first tries.
    func expected() -> Set<Dot> {
        Set(
            writes.filter { write in
                let tries = writes.filter { $0.token == write.token }.map(\.dot)
                return !writes.contains { other in tries.contains { other.past.contains($0) } }
                    && !writes.contains {
                        $0.token == write.token && ($0.stamp, $0.dot) < (write.stamp, write.dot)
                    }
            }.map(\.dot))
    }

    func outcome(of token: UInt64, in record: [UInt8]) throws -> (write: RetryMemory.Write, context: ClientContext)? {
        try withBytes(of: record) { record in
            try withBytes(of: storedKey) {
                try RetryMemory.outcome(of: (token, token &* 31), in: record, storedKey: $0)
            }
        }
    }
}

/// What clients hand back.
@Suite struct ClientContextTests {
    private let a = ReplicaActor(node: 1, incarnation: 11, birth: 1)
    private let b = ReplicaActor(node: 2, incarnation: 22, birth: 1)

    private func encoded(_ context: ClientContext, _ binding: UInt64 = 5) -> [UInt8] {
        var buffer = ByteBuffer()
        context.encode(into: &buffer, binding: binding)
        return buffer.copy()
    }

    private func decoded(_ bytes: [UInt8], _ binding: UInt64 = 5) throws(ClientContext.Fault) -> ClientContext {
        try withBytes(of: bytes) { (bytes) throws(ClientContext.Fault) in
            try ClientContext(decoding: bytes, binding: binding)
        }
    }

    @Test func whatWasWrittenIsRead() throws {
        var history = VersionVector(Dot(actor: a, counter: 3))
        history.insert(Dot(actor: b, counter: 1))
        for beyond in [nil, Dot(actor: b, counter: 9)] {
            let context = ClientContext(history, beyond: beyond)
            #expect(try decoded(encoded(context)) == context)
        }
    }

    @Test func oneOfAnotherKeyIsForeignAndGarbageIsMalformed() throws {
        let bytes = encoded(ClientContext(VersionVector(Dot(actor: a, counter: 3))))
        #expect(throws: ClientContext.Fault.foreign) { try decoded(bytes, 6) }
        #expect(throws: ClientContext.Fault.malformed) { try decoded(Array("nonsense".utf8)) }
        for end in bytes.indices { #expect(throws: ClientContext.Fault.self) { try decoded(Array(bytes[..<end])) } }
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 4
            #expect(throws: ClientContext.Fault.self) { try decoded(altered) }
        }
    }

    @Test func aWriteWithoutGapsJoinsTheHistory() {
        var context = ClientContext(VersionVector(Dot(actor: a, counter: 3)))
        context.add(Dot(actor: a, counter: 4))
        #expect(context.beyond == nil && context.history[a] == 4)
        context.add(Dot(actor: a, counter: 6))
        #expect(context.beyond == Dot(actor: a, counter: 6) && context.history[a] == 4)
        #expect(!context.contains(Dot(actor: a, counter: 5)) && context.contains(Dot(actor: a, counter: 6)))
    }
}
