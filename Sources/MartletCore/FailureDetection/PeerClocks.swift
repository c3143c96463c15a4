/// What other members' calendars say, to tell whether this node's is wrong.
///
/// A clock is noted as the peer's wall clock less this node's steady one, so that a jump of this node's own wall clock
/// shows at once. Kept are the last ``capacity`` peers heard of: enough to judge by, however large the cluster.
public struct PeerClocks: Sendable, Equatable {
    private var clocks: [(node: UInt32, difference: Int64)] = []

    public static let capacity = 31
    /// Milliseconds that a question and its answer may take together, for the answer to tell anything.
    public static let longestRoundTrip: Int64 = 200

    public init() {}

    /// Takes note of an answer.
    ///
    /// - Parameters:
    ///   - wall: the peer's wall clock as it answered, in milliseconds.
    ///   - now: this node's steady clock as the answer came.
    ///   - roundTrip: since the question was sent. Half of it is how old the answer is taken to be.
    /// - Complexity: O(``capacity``).
    public mutating func note(_ node: UInt32, wall: Int64, now: Int64, roundTrip: Int64) {
        guard roundTrip >= 0, roundTrip <= Self.longestRoundTrip else { return }
        clocks.removeAll { $0.node == node }
        if clocks.count == Self.capacity { clocks.removeFirst() }
        clocks.append((node, wall &+ roundTrip / 2 &- now))
    }

    /// The median of all clocks, this node's among them, as wall less steady clock; of two middle ones the nearer to
    /// this node's, so that nobody is wrong without a majority to say so. Nil while no peer was heard of.
    public func reference(own: Int64) -> Int64? {
        guard !clocks.isEmpty else { return nil }
        let sorted = (clocks.map(\.difference) + [own]).sorted()
        let (low, high) = (sorted[(sorted.count - 1) / 2], sorted[sorted.count / 2])
        return max(low, min(own, high))
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.clocks.elementsEqual(b.clocks) { $0.node == $1.node && $0.difference == $1.difference }
    }
}
