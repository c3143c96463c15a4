/// A point of a clock that only moves forward; its origin has no meaning.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Whole milliseconds.
    @inlinable public var milliseconds: Int64 { Int64(clamping: nanoseconds / 1_000_000) }

    @inlinable public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    /// The time from `other` to here; zero if `other` is later.
    @inlinable
    public func since(_ other: Self) -> Duration {
        .nanoseconds(nanoseconds > other.nanoseconds ? Int64(clamping: nanoseconds - other.nanoseconds) : 0)
    }

    @inlinable
    public func advanced(by duration: Duration) -> Self {
        Self(nanoseconds: nanoseconds &+ UInt64(clamping: duration.inNanoseconds))
    }
}

extension Duration {
    /// Whole nanoseconds, clamped to Int64.
    @inlinable
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        return product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}

/// Time as a node sees it: one that only moves forward, and the calendar's, which may jump.
///
/// Not named `Clock`, since the standard library's protocol of that name means another thing.
public protocol NodeClock: Sendable {
    /// Read anew at each call.
    var monotonic: MonotonicTime { get }
    /// Microseconds since 1970-01-01 UTC.
    var wallMicroseconds: Int64 { get }
}
