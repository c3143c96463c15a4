/// Stamps that follow the wall clock and never go back: 48 bits of milliseconds since 1970, 16 bits of logical order.
///
/// (Kulkarni et al. 2014, with both parts in one word.) Used to choose among concurrent writes of a `latest` keyspace.
/// No safety rests on it; but a stamp far ahead would win over all writes until the wall clock comes to it, so a clock
/// is only advanced within a bound of the wall clock.
public struct HybridLogicalClock: Sendable {
    /// The greatest stamp minted or received.
    public private(set) var last: UInt64

    /// Above all stamps that are minted (the year 6429): one that is not was made by no clock.
    public static let maximum: UInt64 = 1 << 63 - 1

    /// Milliseconds by which a stamp may be ahead of the wall clock unless configured otherwise.
    public static let defaultBound: Int64 = 500

    /// A clock whose stamps are all above `last`.
    public init(last: UInt64 = 0) { self.last = min(last, Self.maximum) }

    /// A stamp above all minted and received before, at `wallMilliseconds` or later.
    @inlinable
    public mutating func mint(wallMilliseconds: Int64) -> UInt64 {
        advance(to: max(last &+ 1, Self.stamp(milliseconds: wallMilliseconds)))
        return last
    }

    /// The same, unless the stamp would be more than `bound` milliseconds ahead of the wall clock: nil then, and
    /// nothing changes. The wall clock was set back, or more was minted than it has room for.
    @inlinable
    public mutating func mint(wallMilliseconds: Int64, bound: Int64) -> UInt64? {
        let wall = Self.stamp(milliseconds: wallMilliseconds)
        let next = max(last &+ 1, wall)
        guard !Self.isBeyond(next, wallMilliseconds: wallMilliseconds, bound: bound) else { return nil }
        advance(to: next)
        return next
    }

    /// Takes note of a stamp that was received, so that later ones are above it; one above ``maximum`` is no clock's.
    public mutating func receive(_ stamp: UInt64) {
        if stamp <= Self.maximum { advance(to: max(last, stamp)) }
    }

    /// The same, unless it is more than `bound` milliseconds ahead of the wall clock: then nothing changes.
    ///
    /// - Returns: whether the clock is now at the stamp or above it.
    @inlinable @discardableResult
    public mutating func receive(_ stamp: UInt64, wallMilliseconds: Int64, bound: Int64) -> Bool {
        if stamp <= last { return true }
        guard !Self.isBeyond(stamp, wallMilliseconds: wallMilliseconds, bound: bound) else { return false }
        advance(to: stamp)
        return true
    }

    /// Whether a stamp is more than `bound` milliseconds ahead of the wall clock.
    @inlinable
    public static func isBeyond(_ stamp: UInt64, wallMilliseconds: Int64, bound: Int64) -> Bool {
        milliseconds(of: stamp) > max(0, wallMilliseconds) &+ max(0, bound) || stamp > maximum
    }

    @inlinable
    public static func stamp(milliseconds: Int64) -> UInt64 {
        UInt64(min(max(0, milliseconds), 1 << 47 - 1)) << 16
    }

    /// The wall-clock part of a stamp.
    @inlinable
    public static func milliseconds(of stamp: UInt64) -> Int64 { Int64(stamp >> 16) }

    @usableFromInline
    mutating func advance(to stamp: UInt64) { last = min(stamp, Self.maximum) }
}

/// The upper bound of a clock's stamps that is persisted ahead, so that after a restart minting begins above all that
/// was minted before, whatever the wall clock says then.
///
/// A pure value: whoever mints puts ``limit`` into the batch that first uses a stamp above the former one.
public struct StampLease: Sendable, Equatable {
    /// No stamp above it is used before a higher one is on disk with it.
    public private(set) var limit: UInt64
    /// How far it is taken ahead, in stamps.
    public let length: UInt64

    /// A lease that goes on from what a former run persisted (0 if none did).
    ///
    /// - Parameter milliseconds: how far ahead it is taken. A restarted clock begins at the limit, so this must be well
    ///   below the clock bound, or else its first stamps are beyond what itself and its peers accept.
    public init(limit: UInt64 = 0, milliseconds: Int64 = HybridLogicalClock.defaultBound / 2) {
        self.limit = limit
        length = HybridLogicalClock.stamp(milliseconds: milliseconds)
    }

    /// Makes the lease cover a stamp.
    ///
    /// - Returns: the new limit if it has to be persisted with what carries the stamp, else nil.
    public mutating func cover(_ stamp: UInt64) -> UInt64? {
        guard stamp > limit else { return nil }
        limit = min(stamp, HybridLogicalClock.maximum - length) + length
        return limit
    }
}
