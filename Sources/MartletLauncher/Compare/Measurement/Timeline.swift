internal import MartletRuntime

/// Throughput and latency over the time of a run, in slices of equal length.
struct Timeline: Sendable {
    struct Slice: Sendable, Codable, Equatable {
        /// Seconds from the run's start to the slice's end.
        var seconds: Double
        /// Requests a second.
        var throughput: Double
        /// In nanoseconds.
        var p50: UInt64
        var p99: UInt64
    }
    private let start: UInt64
    private let length: UInt64
    private var slice = LatencyHistogram()
    private var current: UInt64 = 0
    private(set) var slices: [Slice] = []

    /// Slices of `length` nanoseconds from `start` on.
    init(start: UInt64, length: UInt64) {
        self.start = start
        self.length = max(1, length)
    }

    mutating func record(_ latency: UInt64, at now: UInt64) {
        let index = (max(now, start) - start) / length
        while current < index { close() }
        slice.record(latency)
    }

    /// Ends the slice that is being filled, also an empty one: a stall shows as zero.
    private mutating func close() {
        current += 1
        slices.append(
            Slice(
                seconds: Double(current * length) / 1e9, throughput: Double(slice.count) * 1e9 / Double(length),
                p50: slice.percentile(50), p99: slice.percentile(99)))
        slice.removeAll()
    }

    /// Closes all whole slices up to `end`; a broken one at the end is left out.
    mutating func finish(at end: UInt64) {
        while start + (current + 1) * length <= end { close() }
    }
}
