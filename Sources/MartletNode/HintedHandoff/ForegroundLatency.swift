internal import MartletCore
internal import MartletRuntime

/// How long clients' requests wait for other owners, while hints are replayed and else: what replay may cost.
struct ForegroundLatency {
    private var recent = LatencyHistogram()
    private var begun = MonotonicTime(nanoseconds: 0)
    /// The 99th percentile of the last window in which nothing was replayed, and of the last in which something was.
    private var usual: UInt64 = 0
    private var latest: UInt64 = 0

    /// How long answers are gathered for, and how many are needed at least.
    static let window = Duration.seconds(1)
    private static let fewest: UInt64 = 100
    /// Up to here nobody minds, in nanoseconds.
    private static let harmless: UInt64 = 2_000_000

    /// Counts an answer. O(1), and O(buckets) once in a window.
    mutating func note(_ duration: Duration, at now: MonotonicTime, isReplaying: Bool) {
        recent.record(UInt64(clamping: duration.inNanoseconds))
        guard now.since(begun) >= Self.window, recent.count >= Self.fewest else { return }
        if isReplaying { latest = recent.percentile(99) } else { usual = recent.percentile(99) }
        recent.removeAll()
        begun = now
    }

    /// What was observed since it was asked last, 0 if nobody waited for anything; and what is to be kept to.
    mutating func take() -> (latency: UInt64, target: UInt64) {
        defer { latest = 0 }
        return (latest, max(usual + usual / 2, Self.harmless))
    }
}
