/// What hints a node holds: how many, how large, how old, for whom, and in which partitions. Kept beside the store, so
/// that no question needs a scan; made anew by one when the node starts.
public struct HintLedger: Hashable, Sendable {
    /// Hints for one node.
    public struct Target: Hashable, Sendable {
        public fileprivate(set) var count = 0
        public fileprivate(set) var bytes = 0
        fileprivate var ages: [UInt64: Int] = [:]
        fileprivate var partitions: [Int: Int] = [:]
    }

    /// Milliseconds by which ages are told apart.
    public static let ageStep: UInt64 = 10_000

    public private(set) var count = 0
    public private(set) var bytes = 0
    private var targets: [UInt32: Target] = [:]

    public init() {}

    /// Nodes that there are hints for, ascending.
    public var nodes: [UInt32] { targets.keys.sorted() }

    public func target(_ node: UInt32) -> Target? { targets[node] }

    /// When the oldest hint for a node, or of all, was kept: in milliseconds since 1970, early by less than
    /// ``ageStep``; nil if there is none. O(different ages).
    public func oldest(for node: UInt32? = nil) -> UInt64? {
        if let node { return targets[node]?.ages.keys.min().map { $0 * Self.ageStep } }
        return targets.values.compactMap { $0.ages.keys.min() }.min().map { $0 * Self.ageStep }
    }

    /// Hints in a partition, for whomever: while there are any, no tombstone there is proved.
    public func count(inPartition partition: Int) -> Int {
        targets.values.reduce(0) { $0 + ($1.partitions[partition] ?? 0) }
    }

    /// Partitions with hints for a node, ascending.
    public func partitions(for node: UInt32) -> [Int] { targets[node]?.partitions.keys.sorted() ?? [] }

    /// Takes note of a hint that is stored, of so many bytes, key included.
    public mutating func add(for node: UInt32, partition: Int, bytes size: Int, created: UInt64) {
        targets[node, default: Target()].count += 1
        targets[node]?.bytes += size
        targets[node]?.ages[created / Self.ageStep, default: 0] += 1
        targets[node]?.partitions[partition, default: 0] += 1
        count += 1
        bytes += size
    }

    /// Takes note that a write merged into a hint, which now has other bytes.
    public mutating func resize(for node: UInt32, from old: Int, to new: Int) {
        guard targets[node] != nil else { return }
        targets[node]?.bytes += new - old
        bytes += new - old
    }

    /// Takes note that a hint is erased.
    public mutating func remove(for node: UInt32, partition: Int, bytes size: Int, created: UInt64) {
        guard var target = targets.removeValue(forKey: node) else { return }
        target.count -= 1
        target.bytes -= size
        Self.decrement(&target.ages, created / Self.ageStep)
        Self.decrement(&target.partitions, partition)
        count -= 1
        bytes -= size
        // Sizes may be known wrong where a store failed; with the last hint that is over.
        if target.count > 0 { targets[node] = target } else { bytes -= target.bytes }
    }

    /// Takes note that all hints for a node are erased.
    public mutating func removeAll(for node: UInt32) {
        guard let target = targets.removeValue(forKey: node) else { return }
        count -= target.count
        bytes -= target.bytes
    }

    private static func decrement<Key: Hashable>(_ counts: inout [Key: Int], _ key: Key) {
        let left = (counts[key] ?? 0) - 1
        counts[key] = left > 0 ? left : nil
    }
}
