internal import MartletCore
internal import MartletNode

/// Replies that wait, in the order of their commands: for the commits they depend on, or for other owners' word.
///
/// A reply that waits for nothing of its own waits only for those before it. When a commit fails, each reply that waits
/// for it is replaced by the error.
struct ReplyQueue: ~Copyable {
    private struct Segment {
        /// 0 waits for no commit.
        var commit: UInt64
        /// Waits until its ticket is settled.
        var isOpen: Bool
        var replies: Int
        var length: Int
        /// What takes the reply's place.
        var replacement: [UInt8]?
    }
    private var segments: [Segment] = []
    /// Segments at the front that have been released.
    private var released = 0
    /// The ticket of the first segment that there is.
    private var firstTicket: UInt64 = 0
    private var bytes = ByteBuffer()

    /// What the first reply waits for.
    enum Waiting { case nothing, commit, settlement }

    var isEmpty: Bool { segments.count == released }
    /// Replies or runs of replies held back.
    var count: Int { segments.count - released }

    mutating func append(_ reply: RawSpan, waitingFor commit: UInt64) {
        bytes.append(reply)
        if !isEmpty, let last = segments.indices.last, segments[last].commit == commit, !segments[last].isOpen,
            segments[last].replacement == nil
        {
            segments[last].replies += 1
            segments[last].length += reply.byteCount
        } else {
            segments.append(Segment(commit: commit, isOpen: false, replies: 1, length: reply.byteCount))
        }
    }

    /// Holds a reply back until ``settle(_:with:)`` names the ticket that is returned.
    mutating func appendOpen(_ reply: RawSpan) -> UInt64 {
        bytes.append(reply)
        segments.append(Segment(commit: 0, isOpen: true, replies: 1, length: reply.byteCount))
        return firstTicket + UInt64(segments.count - 1)
    }

    /// Has a reply that waits for its ticket wait for a commit besides.
    mutating func wait(_ ticket: UInt64, for commit: UInt64) { segments[Int(ticket - firstTicket)].commit = commit }

    /// The reply of a ticket need not wait for it any more; `replacement` takes its place.
    mutating func settle(_ ticket: UInt64, with replacement: [UInt8]? = nil) {
        let index = Int(ticket - firstTicket)
        segments[index].isOpen = false
        segments[index].replacement = replacement
    }

    /// Appends to `output` what no longer waits; what the next one waits for.
    mutating func release(
        into output: inout ReplyWriter, state: (UInt64) -> ReplicaCoordinator.CommitState
    ) -> Waiting {
        defer { forget() }
        while released < segments.count {
            let segment = segments[released]
            if segment.isOpen { return .settlement }
            switch segment.commit == 0 ? .done : state(segment.commit) {
            case .pending: return .commit
            case .done:
                if let replacement = segment.replacement {
                    withBytes(of: replacement) { output.buffer.append($0) }
                } else {
                    bytes.withBytes(0..<segment.length) { output.buffer.append($0) }
                }
            case .failed(let reply):
                for _ in 0..<segment.replies { output.error(reply) }
            }
            bytes.consume(segment.length)
            released += 1
        }
        return .nothing
    }

    private mutating func forget() {
        guard released > 0, released == segments.count || released >= 64 else { return }
        firstTicket += UInt64(released)
        segments.removeFirst(released)
        released = 0
        bytes.releaseExcess(keeping: 4096)
    }
}
