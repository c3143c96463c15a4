internal import MartletCore
internal import MartletRuntime

/// When a read that an owner leaves unanswered asks the next one as well: after the time that 99 of 100 answers of the
/// last seconds took, so that about one read in a hundred asks once more than it had to.
///
/// ("The tail at scale", Dean and Barroso 2013: hedged requests.)
struct Speculation {
    private var recent = LatencyHistogram()
    private var renewedAt = MonotonicTime(nanoseconds: 0)
    private(set) var delay = Duration.milliseconds(50)

    /// Bounds of ``delay``.
    private static let shortest = Duration.milliseconds(5)
    private static let longest = Duration.milliseconds(100)
    /// How long answers are gathered for, and how many are needed at least.
    private static let window = Duration.seconds(1)
    private static let fewest: UInt64 = 100

    /// Counts an answer. O(1), and O(buckets) once in a window.
    mutating func note(_ duration: Duration, at now: MonotonicTime) {
        recent.record(UInt64(clamping: duration.inNanoseconds))
        guard now.since(renewedAt) >= Self.window, recent.count >= Self.fewest else { return }
        delay = min(max(.nanoseconds(Int64(clamping: recent.percentile(99))), Self.shortest), Self.longest)
        recent = LatencyHistogram()
        renewedAt = now
    }
}
