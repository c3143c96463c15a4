/// Tells when all work on a partition that was under way at some moment has ended, whatever began since.
///
/// Everything that may carry an older record somewhere counts as work, from when it is queued until nothing of it is
/// left to send: operations a node coordinates, reads included, as they repair; writes handed on; pages and comparisons
/// under way; hints are asked of the ``HintLedger``. Both ends are O(1).
public struct PartitionFence: Sendable {
    /// One piece of work, to be handed back when it ends.
    public struct Token: Hashable, Sendable {
        public let partition: Int
        fileprivate let period: UInt32
    }

    /// A moment of one partition.
    public struct Mark: Hashable, Sendable {
        public let partition: Int
        fileprivate let period: UInt32
    }

    /// Work under way by the period it began in; the last period is the present one.
    private struct Lane: Sendable {
        var first: UInt32 = 0
        var counts: [UInt32] = [0]
    }

    private var lanes: [Lane]

    /// - Parameter partitions: how many there are, by any numbers from 0 on.
    public init(partitions: Int) { lanes = Array(repeating: Lane(), count: partitions) }

    /// Work begins.
    public mutating func begin(_ partition: Int) -> Token {
        let last = lanes[partition].counts.count - 1
        lanes[partition].counts[last] += 1
        return Token(partition: partition, period: lanes[partition].first &+ UInt32(last))
    }

    /// Work has ended; once for each token.
    public mutating func end(_ token: Token) {
        let at = Int(token.period &- lanes[token.partition].first)
        guard lanes[token.partition].counts.indices.contains(at), lanes[token.partition].counts[at] > 0 else {
            preconditionFailure("work that is not under way cannot end")
        }
        lanes[token.partition].counts[at] -= 1
        while lanes[token.partition].counts.count > 1, lanes[token.partition].counts[0] == 0 {
            lanes[token.partition].counts.removeFirst()
            lanes[token.partition].first &+= 1
        }
    }

    /// Remembers the present moment.
    public mutating func raise(_ partition: Int) -> Mark {
        let last = lanes[partition].counts.count - 1
        let period = lanes[partition].first &+ UInt32(last)
        if lanes[partition].counts[last] > 0 {
            lanes[partition].counts.append(0)
            return Mark(partition: partition, period: period)
        }
        // Nothing began since the moment before.
        return Mark(partition: partition, period: period &- 1)
    }

    /// Whether all that was under way at a moment has ended.
    public func isPassed(_ mark: Mark) -> Bool {
        Int32(bitPattern: lanes[mark.partition].first &- mark.period) > 0
    }
}
