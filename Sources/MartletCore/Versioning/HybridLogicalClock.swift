/// Stamps that follow the wall clock and never go back: 48 bits of milliseconds since 1970, 16 bits of logical order.
///
/// (Kulkarni et al. 2014, with both parts in one word.) Used to choose among concurrent writes of a `latest` keyspace.
public struct HybridLogicalClock: Sendable {
    /// The greatest stamp minted or received.
    public private(set) var last: UInt64

    public init(last: UInt64 = 0) { self.last = last }

    /// A stamp above all minted and received before, at `wallMilliseconds` or later.
    @inlinable
    public mutating func mint(wallMilliseconds: Int64) -> UInt64 {
        advance(to: max(last &+ 1, Self.stamp(milliseconds: wallMilliseconds)))
        return last
    }

    /// Takes note of a stamp that was received, so that later ones are above it.
    public mutating func receive(_ stamp: UInt64) { advance(to: max(last, stamp)) }

    @inlinable
    public static func stamp(milliseconds: Int64) -> UInt64 { UInt64(max(0, milliseconds)) << 16 }

    @usableFromInline
    mutating func advance(to stamp: UInt64) { last = stamp }
}
