/// A value of which any two can be put together, so that concurrent writes need not be chosen from.
///
/// Merging has to be commutative, associative and idempotent: whatever the order, and however often, the same values
/// are merged, the same value comes out.
public protocol Mergeable: MartletValue {
    /// This value and the other in one.
    func merged(with other: Self) -> Self
}

/// A set that elements are only added to: merging unites.
public struct GrowOnlySet<Element: Codable & Hashable & Comparable & Sendable>: Mergeable, Codable, Hashable {
    /// What was added.
    public private(set) var elements: Set<Element>

    /// The empty set.
    public init() { elements = [] }

    /// A set of these.
    public init(_ elements: some Sequence<Element>) { self.elements = Set(elements) }

    /// Adds an element.
    public mutating func insert(_ element: Element) { elements.insert(element) }

    public func merged(with other: Self) -> Self { Self(elements.union(other.elements)) }

    public init(from decoder: any Decoder) throws { elements = Set(try [Element](from: decoder)) }

    /// As a sorted array, so that equal sets are stored as equal bytes.
    public func encode(to encoder: any Encoder) throws { try elements.sorted().encode(to: encoder) }
}

/// A counter that several writers count up and down, each under a name of its own: merging takes each writer's latest.
///
/// A writer's name must not be used by two at once, such as two processes: what one counts would hide the other's.
public struct SharedCounter: Mergeable, Codable, Hashable {
    private var up: [String: Int] = [:]
    private var down: [String: Int] = [:]

    /// A counter at 0.
    public init() {}

    /// What all have counted together.
    public var value: Int { up.values.reduce(0, &+) &- down.values.reduce(0, &+) }

    /// Counts by `amount`, which may be negative, in a writer's name.
    public mutating func add(_ amount: Int, by writer: String) {
        if amount >= 0 {
            up[writer, default: 0] &+= amount
        } else {
            down[writer, default: 0] &-= amount
        }
    }

    public func merged(with other: Self) -> Self {
        var merged = self
        merged.up.merge(other.up) { max($0, $1) }
        merged.down.merge(other.down) { max($0, $1) }
        return merged
    }
}
