import MartletCore
import Testing

@Suite struct WorkBudgetTests {
    static let second: UInt64 = 1_000_000_000

    @Test func whatWasSpentIsPaidOffAtTheRate() {
        var budget = WorkBudget(floor: 10, ceiling: 1000)
        #expect(budget.ready(5) == 5)
        budget.spend(500, now: 0)
        #expect(budget.ready(0) == Self.second / 2)
        budget.spend(500, now: Self.second / 4)
        #expect(budget.ready(Self.second / 4) == Self.second)
        budget.setRate(100, now: Self.second / 2)  // half of it is left
        #expect(budget.ready(Self.second / 2) == Self.second / 2 + 5 * Self.second)
        budget.setRate(.max, now: Self.second)
        #expect(budget.rate == 1000)
        budget.spend(0, now: 100 * Self.second)
        #expect(budget.ready(100 * Self.second) == 100 * Self.second)
        budget.spend(.max, now: .max)
        #expect(budget.ready(.max) == .max)
    }

    @Test func theRateFollowsTheLatencyOfOthers() {
        var budget = WorkBudget(floor: 1 << 10, ceiling: 1 << 20)
        for _ in 0..<30 { budget.adapt(latency: 11, target: 10, now: 0) }
        #expect(budget.rate == 1 << 10)
        budget.adapt(latency: 10, target: 10, now: 0)
        #expect(budget.rate == 1 << 10 + 1 << 16)
        for _ in 0..<30 { budget.adapt(latency: 1, target: 10, now: 0) }
        #expect(budget.rate == 1 << 20)
    }
}
