/// A set of places in a preference list: place 0 is the first owner, owners are 0..<N, fallbacks lie behind.
///
/// One word, so that the state of an operation over its replicas is a few registers and never allocates. Iteration is
/// in ascending order, which is the order of the walk.
public struct PositionSet: Hashable, Sendable {
    /// Bit `p` stands for position `p`.
    public var mask: UInt64

    /// Positions that a set can hold; a preference list is cut to as many.
    public static let capacity = 64

    @inlinable public init(mask: UInt64 = 0) { self.mask = mask }

    /// The set of one position; empty if it lies outside 0..<64.
    @inlinable
    public init(_ position: Int) {
        mask = UInt64(truncatingIfNeeded: position) < 64 ? 1 &<< UInt64(truncatingIfNeeded: position) : 0
    }

    /// All positions of a range within 0...64; what lies outside is left out.
    @inlinable
    public init(_ range: Range<Int>) {
        mask = Self.below(range.upperBound) & ~Self.below(range.lowerBound)
    }

    @inlinable
    static func below(_ position: Int) -> UInt64 {
        position >= 64 ? .max : position <= 0 ? 0 : (1 &<< UInt64(position)) &- 1
    }

    @inlinable public var isEmpty: Bool { mask == 0 }
    @inlinable public var count: Int { mask.nonzeroBitCount }
    /// The position that comes first in the walk.
    @inlinable public var first: Int? { mask == 0 ? nil : mask.trailingZeroBitCount }

    @inlinable public func contains(_ position: Int) -> Bool { !intersection(PositionSet(position)).isEmpty }
    @inlinable public mutating func insert(_ position: Int) { mask |= PositionSet(position).mask }
    @inlinable public mutating func remove(_ position: Int) { mask &= ~PositionSet(position).mask }

    @inlinable public func union(_ other: Self) -> Self { Self(mask: mask | other.mask) }
    @inlinable public func intersection(_ other: Self) -> Self { Self(mask: mask & other.mask) }
    @inlinable public func subtracting(_ other: Self) -> Self { Self(mask: mask & ~other.mask) }
    @inlinable public func isSubset(of other: Self) -> Bool { mask & ~other.mask == 0 }
    @inlinable public mutating func formUnion(_ other: Self) { mask |= other.mask }
    @inlinable public mutating func subtract(_ other: Self) { mask &= ~other.mask }

    /// Whether there are `count` at least. O(count) for few, which is faster than counting all where there is no
    /// instruction for that.
    @inlinable
    public func hasAtLeast(_ count: Int) -> Bool {
        if count > 4 { return self.count >= count }
        var rest = mask
        var left = count
        while left > 1 {
            rest &= rest &- 1
            left -= 1
        }
        return rest != 0 || count <= 0
    }

    /// The first `count` of the walk; all if there are fewer, none if `count` is not positive. O(count).
    @inlinable
    public func prefix(_ count: Int) -> Self {
        var rest = mask
        var left = count
        while left > 0, rest != 0 {
            rest &= rest &- 1
            left -= 1
        }
        return Self(mask: mask & ~rest)
    }
}

extension PositionSet: Sequence {
    public struct Iterator: IteratorProtocol, Sendable {
        @usableFromInline var rest: UInt64

        @inlinable init(rest: UInt64) { self.rest = rest }

        @inlinable
        public mutating func next() -> Int? {
            guard rest != 0 else { return nil }
            defer { rest &= rest &- 1 }
            return rest.trailingZeroBitCount
        }
    }

    @inlinable public func makeIterator() -> Iterator { Iterator(rest: mask) }
    @inlinable public var underestimatedCount: Int { count }
}

extension PositionSet: ExpressibleByArrayLiteral {
    @inlinable
    public init(arrayLiteral positions: Int...) {
        self.init()
        for position in positions { insert(position) }
    }
}

extension PositionSet: CustomStringConvertible {
    public var description: String { "{" + map(String.init).joined(separator: ",") + "}" }
}
