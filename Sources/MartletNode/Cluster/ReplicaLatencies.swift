internal import MartletCore
public import MartletRuntime

/// How long the replicas of other nodes take to answer this worker, by node: from the turn of the loop that a request
/// was made in to the turn that its answer came in, the way there and back included.
struct ReplicaLatencies {
    private(set) var peers: [UInt32: PeerLatency] = [:]
    /// Messages that were answered, and how long that took them together.
    private(set) var answers: UInt64 = 0
    private(set) var nanoseconds: UInt64 = 0

    private mutating func note(_ duration: Duration) {
        answers &+= 1
        nanoseconds &+= UInt64(clamping: duration.inNanoseconds)
    }

    /// Counts an answer to so many reads of one message. O(1), allocates only for a node's first answer.
    mutating func noteReads(_ count: Int, of node: UInt32, took duration: Duration) {
        note(duration)
        peers[node, default: PeerLatency(node: node)].reads.record(
            UInt64(clamping: duration.inNanoseconds), times: UInt64(clamping: count))
    }

    /// The same for writes.
    mutating func noteWrites(_ count: Int, of node: UInt32, took duration: Duration) {
        note(duration)
        peers[node, default: PeerLatency(node: node)].writes.record(
            UInt64(clamping: duration.inNanoseconds), times: UInt64(clamping: count))
    }
}

/// How long one node's replicas took to answer this one, in nanoseconds.
public struct PeerLatency: Sendable {
    public var node: UInt32
    public var reads = LatencyHistogram()
    public var writes = LatencyHistogram()

    init(node: UInt32) { self.node = node }

    mutating func merge(_ other: PeerLatency) {
        reads.merge(other.reads)
        writes.merge(other.writes)
    }
}
