/// The keys of one command, put together by where they go: one message per group instead of one per key.
///
/// Groups come in ascending order of their label (a preference list's number, or a node's), keys within a group in the
/// command's order, so that equal commands are sent equally in every run. One value is used for command after command
/// and keeps its memory.
public struct GroupedKeys: Sendable {
    /// Label and index of each key, as one number that sorts as they should.
    private var keys: [UInt64] = []
    /// Where each group begins in ``keys``.
    private var starts: [Int] = []

    public init() {}

    /// Keys added since ``removeAll()``.
    public var keyCount: Int { keys.count }

    /// Forgets all keys; keeps the memory.
    public mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
    }

    /// Adds the command's next key. O(1) amortised.
    public mutating func add(label: UInt32) {
        precondition(keys.count < Int(UInt32.max))
        keys.append(UInt64(label) << 32 | UInt64(keys.count))
    }

    /// Makes the groups, once all keys are added. O(keys) if they come in order, else O(keys log keys).
    public mutating func group() {
        precondition(starts.isEmpty, "grouped already")
        var isSorted = true
        for index in keys.indices.dropFirst() where keys[index - 1] > keys[index] {
            isSorted = false
            break
        }
        if !isSorted { keys.sort() }
        for index in keys.indices where index == 0 || keys[index] >> 32 != keys[index - 1] >> 32 {
            starts.append(index)
        }
    }

    /// Groups; 0 before ``group()``.
    public var count: Int { starts.count }

    /// The label that all keys of a group have.
    public func label(ofGroup group: Int) -> UInt32 { UInt32(truncatingIfNeeded: keys[starts[group]] >> 32) }

    /// Which of the command's keys are in a group, by index, ascending.
    public func indices(ofGroup group: Int) -> Indices {
        let end = group + 1 < starts.count ? starts[group + 1] : keys.count
        return Indices(keys: keys[starts[group]..<end])
    }

    /// The indices of a group's keys.
    public struct Indices: RandomAccessCollection, Sendable {
        fileprivate let keys: ArraySlice<UInt64>

        public var startIndex: Int { 0 }
        public var endIndex: Int { keys.count }
        public subscript(position: Int) -> Int {
            Int(UInt32(truncatingIfNeeded: keys[keys.startIndex + position]))
        }
    }
}
