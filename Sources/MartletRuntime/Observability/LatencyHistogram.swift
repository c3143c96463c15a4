/// Counts of durations in log-linear buckets, as in Gil Tene's HdrHistogram: 128 equal buckets per power of two.
///
/// A recorded duration is known to within 1/256 of itself (0.4 %), at any magnitude; recording is O(1) and allocates
/// nothing. Two histograms merge by adding their counts, so a percentile over many is exact to the same error, which an
/// average of percentiles never is.
public struct LatencyHistogram: Sendable {
    /// Binary digits kept of a value below its leading one.
    private static let precision = 7
    private static let perOctave = 1 << precision
    /// The greatest duration told apart, in nanoseconds: about 18 minutes. Longer ones count as this.
    public static let limit: UInt64 = 1 << 40

    private var counts: [UInt64]
    public private(set) var count: UInt64 = 0
    /// The shortest and longest durations recorded, exact, in nanoseconds.
    public private(set) var minimum = UInt64.max
    public private(set) var maximum: UInt64 = 0
    private var sum = 0.0

    public init() {
        counts = Array(repeating: 0, count: Self.index(of: Self.limit) + 1)
    }

    /// The arithmetic mean in nanoseconds; 0 when nothing was recorded.
    public var mean: Double { count == 0 ? 0 : sum / Double(count) }

    /// Counts one duration, or the same one several times. O(1).
    public mutating func record(_ nanoseconds: UInt64, times: UInt64 = 1) {
        guard times > 0 else { return }
        counts[Self.index(of: min(nanoseconds, Self.limit))] += times
        count += times
        sum += Double(nanoseconds) * Double(times)
        if nanoseconds < minimum { minimum = nanoseconds }
        if nanoseconds > maximum { maximum = nanoseconds }
    }

    /// Adds everything that `other` counted. O(buckets).
    public mutating func merge(_ other: LatencyHistogram) {
        for index in counts.indices { counts[index] += other.counts[index] }
        count += other.count
        sum += other.sum
        minimum = min(minimum, other.minimum)
        maximum = max(maximum, other.maximum)
    }

    /// What was counted, ascending: durations in the middle of their buckets, and how many of each. Recorded into an
    /// empty histogram, they give its percentiles to the same error. O(buckets).
    public var buckets: [(nanoseconds: UInt64, count: UInt64)] {
        counts.indices.lazy.filter { counts[$0] > 0 }.map { (Self.middle(of: $0), counts[$0]) }
    }

    /// Forgets everything, keeping the memory. O(buckets).
    public mutating func removeAll() {
        for index in counts.indices { counts[index] = 0 }
        count = 0
        sum = 0
        minimum = .max
        maximum = 0
    }

    /// The duration that `percent` of those recorded do not exceed, in nanoseconds; 0 when nothing was recorded.
    /// O(buckets).
    public func percentile(_ percent: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = max(1, min(count, UInt64((percent / 100 * Double(count)).rounded(.up))))
        var seen: UInt64 = 0
        for index in counts.indices where counts[index] > 0 {
            seen += counts[index]
            if seen >= rank { return max(minimum, min(maximum, Self.middle(of: index))) }
        }
        return maximum
    }

    /// The bucket of a value: below 2 * 128 the value itself, above that 128 buckets per power of two.
    static func index(of value: UInt64) -> Int {
        let octave = max(0, 63 - precision - (value | 1).leadingZeroBitCount)
        return octave * perOctave + Int(value >> UInt64(octave))
    }

    /// The value in the middle of a bucket.
    static func middle(of index: Int) -> UInt64 {
        let octave = max(0, index / perOctave - 1)
        let lower = UInt64(index - octave * perOctave) << UInt64(octave)
        return lower + (1 << UInt64(octave)) / 2
    }
}
