internal import MartletCore
internal import MartletNode

/// Replies that wait for the commits they depend on, in the order of their commands.
///
/// A reply without a commit of its own waits only for those before it. When a commit fails, each reply that waits for
/// it is replaced by the error.
struct ReplyQueue: ~Copyable {
    private struct Segment {
        /// 0 waits for nothing but its turn.
        var commit: UInt64
        var replies: Int
        var length: Int
    }
    private var segments: [Segment] = []
    private var bytes = ByteBuffer()

    var isEmpty: Bool { segments.isEmpty }
    /// Bytes of replies held back.
    var count: Int { bytes.count }

    mutating func append(_ reply: RawSpan, waitingFor commit: UInt64) {
        bytes.append(reply)
        if let last = segments.indices.last, segments[last].commit == commit {
            segments[last].replies += 1
            segments[last].length += reply.byteCount
        } else {
            segments.append(Segment(commit: commit, replies: 1, length: reply.byteCount))
        }
    }

    /// Appends to `output` what no longer waits.
    mutating func release(into output: inout ReplyWriter, state: (UInt64) -> ReplicaCoordinator.CommitState) {
        var released = 0
        loop: for segment in segments {
            switch segment.commit == 0 ? .done : state(segment.commit) {
            case .pending:
                break loop
            case .done:
                bytes.withBytes(0..<segment.length) { output.buffer.append($0) }
            case .failed(let reply):
                for _ in 0..<segment.replies { output.error(reply) }
            }
            bytes.consume(segment.length)
            released += 1
        }
        segments.removeFirst(released)
        bytes.releaseExcess(keeping: 4096)
    }
}
