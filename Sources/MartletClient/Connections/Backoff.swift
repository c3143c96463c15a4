import MartletRuntime

/// How long to wait before the next attempt to connect: twice the last bound each time, and a random part of it, so
/// that clients that lost one server do not come back in step. (Exponential backoff with full jitter.)
struct Backoff {
    var base: Duration
    var limit: Duration
    private var failures = 0

    init(base: Duration, limit: Duration) {
        self.base = base
        self.limit = limit
    }

    /// The delay after one more failure: between 1 ms and a bound that doubles from `base` up to `limit`.
    mutating func next(random: any RandomSource) -> Duration {
        let bound = min(limit, base * (1 << min(failures, 16)))
        failures += 1
        let part = random.next() % UInt64(max(1, bound.inNanoseconds))
        return max(.milliseconds(1), .nanoseconds(Int64(part)))
    }

    /// A connection proved to work.
    mutating func reset() { failures = 0 }
}
