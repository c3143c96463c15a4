@testable import MartletCore
import Testing

/// Merging and writing against sets of events: thousands of histories, each replica compared after each step.
@Suite struct HistoryTests {
    @Test("siblings are exactly the writes that no known write has seen", arguments: 0..<8)
    func siblingsAreTheMaximalWrites(part: UInt64) throws {
        var most = 0
        for seed in 0..<250 {
            most = max(most, try run(seed: part << 32 | UInt64(seed), policy: .siblings))
        }
        #expect(most > 3, "the histories have writes that do not know of each other")
    }

    @Test("the latest write is the one of the greatest stamp, and no known write has seen it", arguments: 0..<8)
    func latestIsTheGreatestStamp(part: UInt64) throws {
        for seed in 0..<250 { #expect(try run(seed: part << 32 | UInt64(seed), policy: .latest) == 1) }
    }

    /// Runs one history; the most siblings seen.
    private func run(seed: UInt64, policy: ConflictPolicy) throws -> Int {
        var history = History(seed: seed, policy: policy)
        var most = 0
        for step in 0..<40 {
            let index = try history.step()
            guard let record = history.replicas[index].record, let logical = try? LogicalRecord(record) else {
                continue
            }
            let dots = logical.siblings.map(\.dot)
            try #require(dots == history.expected(index), "seed \(seed), step \(step), replica \(index)")
            try validate(record)
            most = max(most, dots.count)
            guard policy == .latest else { continue }
            let known = history.replicas[index].known
            let isSeen = known.contains { event in
                history.events[event].past.contains { history.events[$0].dot == dots[0] }
            }
            try #require(!isSeen, "seed \(seed), step \(step), replica \(index): an overwritten write is kept")
        }
        let dots = history.events.map(\.dot)
        try #require(Set(dots).count == dots.count, "seed \(seed): a dot was minted twice")
        return most
    }

    @Test("merging is a join: the order and the number of merges do not matter", arguments: ConflictPolicy.allCases)
    func laws(policy: ConflictPolicy) throws {
        for seed in UInt64(0)..<32 {
            var history = History(seed: seed << 40, policy: policy)
            for _ in 0..<60 { try history.step() }
            let states = history.states
            var random = Seeded(seed)
            for _ in 0..<60 {
                let triple = try (0..<3).map { _ in try #require(states.randomElement(using: &random)) }
                try checkLaws(triple[0], triple[1], triple[2], policy)
            }
        }
    }

    private func checkLaws(_ a: [UInt8], _ b: [UInt8], _ c: [UInt8], _ policy: ConflictPolicy) throws {
        let ab = try merged(a, b, policy)
        let ba = try merged(b, a, policy)
        #expect(try digest(ab.record) == digest(ba.record), "commutative")
        #expect(try LogicalRecord(ab.record) == LogicalRecord(ba.record))
        let bc = try merged(b, c, policy).record
        let left = try merged(ab.record, c, policy).record
        let right = try merged(a, bc, policy).record
        #expect(try digest(left) == digest(right), "associative")
        #expect(try merged(a, a, policy).outcome == .local, "idempotent")
        #expect(try merged(ab.record, a, policy).outcome == .local, "what was merged is covered")
        #expect(try merged(ab.record, b, policy).outcome == .local)
        #expect([.remote, .local].contains(try merged(a, ab.record, policy).outcome), "nothing is written for it")
        #expect((ab.outcome == .local) == (try digest(ab.record) == digest(a)), "local says that nothing is new")
        if ab.outcome == .merged { #expect(try digest(ab.record) != digest(b)) }
    }
}
