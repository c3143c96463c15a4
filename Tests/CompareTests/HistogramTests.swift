import Testing

@testable import MartletLauncher
@testable import MartletRuntime

@Suite struct HistogramTests {
    /// Latencies over seven orders of magnitude, most of them small, from a fixed seed.
    static func samples(_ count: Int, seed: UInt64) -> [UInt64] {
        var random = WorkloadRandom(seed: seed)
        return (0..<count).map { _ in random.next() >> UInt64(24 + random.below(38)) }
    }

    @Test(arguments: [1, 7, 100, 20_000])
    func percentilesAreWithinOnePercentOfTheExact(count: Int) {
        let values = Self.samples(count, seed: UInt64(count))
        var histogram = LatencyHistogram()
        for value in values { histogram.record(value) }
        let sorted = values.sorted()
        for percent in [0.0, 1, 25, 50, 90, 95, 99, 99.9, 99.99, 100] {
            let rank = max(1, Int((percent / 100 * Double(count)).rounded(.up)))
            let exact = Double(min(sorted[rank - 1], LatencyHistogram.limit))
            let found = Double(histogram.percentile(percent))
            #expect(abs(found - exact) <= exact * 0.01, "p\(percent) of \(count): \(found), exact \(exact)")
        }
        #expect(histogram.maximum == sorted.last)
        #expect(histogram.minimum == sorted.first)
        #expect(histogram.count == UInt64(count))
    }

    @Test func mergingIsTheSameAsRecordingAll() {
        var whole = LatencyHistogram()
        var left = LatencyHistogram()
        var right = LatencyHistogram()
        for (index, value) in Self.samples(5000, seed: 3).enumerated() {
            whole.record(value)
            if index % 3 == 0 { left.record(value) } else { right.record(value) }
        }
        left.merge(right)
        for percent in [1.0, 50, 99, 99.9, 100] { #expect(left.percentile(percent) == whole.percentile(percent)) }
        #expect(left.count == whole.count)
        #expect(left.maximum == whole.maximum)
        #expect(abs(left.mean - whole.mean) <= whole.mean * 1e-9)
    }

    @Test func bucketsFollowOneAnotherWithoutGaps() {
        var last = LatencyHistogram.index(of: 0)
        #expect(last == 0)
        for exponent in 0..<40 {
            for step in 0..<256 {
                let value = (UInt64(1) << UInt64(exponent)) + UInt64(step) * (UInt64(1) << UInt64(exponent)) / 256
                let index = LatencyHistogram.index(of: value)
                #expect(index == last || index == last + 1, "\(value)")
                last = max(last, index)
            }
        }
    }

    @Test func whatIsLongerThanTheLimitCountsAsTheLimit() {
        var histogram = LatencyHistogram()
        histogram.record(.max)
        #expect(histogram.count == 1)
        #expect(histogram.maximum == .max)
        #expect(histogram.percentile(50) >= LatencyHistogram.limit)
    }

    @Test func anEmptyHistogramAnswersZero() {
        #expect(LatencyHistogram().percentile(99) == 0)
        #expect(LatencyHistogram().mean == 0)
    }

    @Test func aTimelineShowsAStallAsZero() {
        var timeline = Timeline(start: 1000, length: 100)
        timeline.record(5, at: 1010)
        timeline.record(7, at: 1050)
        timeline.record(300, at: 1350)
        timeline.finish(at: 1499)
        #expect(timeline.slices.map(\.throughput) == [2e7, 0, 0, 1e7])
        #expect(timeline.slices.last?.p99 == 300)
    }
}
