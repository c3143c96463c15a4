/// How far anti-entropy is with one other node.
struct AntiEntropyPeer: Sendable {
    /// What an answer is awaited to.
    enum Step: Sendable {
        case roots([Int])
        case nodes(level: Int, indices: [Int])
        case exchange(MerkleRange)
    }

    /// A unit whose roots differ, on the way down.
    struct Descent: Sendable {
        var unit: Int
        /// The level at which both have nodes: no further down.
        var bottom: Int
        /// Nodes that differ and were not yet looked into, the deepest last.
        var nodes: [(level: Int, indices: [Int])]
        /// Leaves that differ, as ranges, the next last.
        var ranges: [MerkleRange] = []
    }

    let node: UInt32
    /// The units that both own, ascending.
    let units: [Int]
    var isOpen = false
    /// What is to be compared, ascending.
    var due: Set<Int> = []
    /// What is to be compared from a time on.
    var marked: Set<Int> = []
    var markedAt: UInt64 = 0
    var differing: [(unit: Int, levels: Int)] = []
    var descent: Descent?
    var step: (id: UInt64, step: Step, deadline: UInt64)?
    /// No step before this.
    var pausedUntil: UInt64 = 0
    var nextPass: UInt64 = 0
    var pass = AntiEntropyPass()

    init(node: UInt32, units: [Int]) {
        self.node = node
        self.units = units
    }

    func shares(_ unit: Int) -> Bool {
        let at = units.partitionIndex { $0 < unit }
        return at < units.count && units[at] == unit
    }
}
