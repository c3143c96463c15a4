/// How far the replay of one node's hints is.
struct HintReplay: Sendable {
    /// What became of a hint of the page.
    enum State: Sendable {
        case unsent
        case sent
        /// Erased, or about to be.
        case settled
        /// To be sent again with the next page that holds it.
        case refused
    }

    struct Message: Sendable {
        var id: UInt64
        var range: Range<Int>
        var deadline: UInt64
    }

    let node: UInt32
    var isReachable = false
    /// Whether there is nothing to replay.
    var isIdle = true
    /// No step before this.
    var pausedUntil: UInt64 = 0
    /// The last key of the pages before the next one.
    private(set) var cursor: [UInt8] = []
    /// The same as of the page.
    private var before: [UInt8] = []
    private(set) var page: [HintEntry] = []
    var states: [State] = []
    private(set) var isLastPage = false
    private(set) var sent: [Message] = []
    /// The page that is being read.
    private(set) var reading: UInt64?
    private var readDeadline: UInt64 = 0
    /// The first of the page that was not looked at for sending.
    private var next = 0

    init(node: UInt32) { self.node = node }

    /// When what is under way has failed.
    var deadline: UInt64? {
        reading != nil ? readDeadline : sent.map(\.deadline).min()
    }

    /// Whether all of the page is settled, and the next may be read.
    var isDone: Bool { reading == nil && sent.isEmpty && !hasUnsent }

    var hasUnsent: Bool { next < page.count }

    mutating func read(_ id: UInt64, deadline: UInt64) {
        (reading, readDeadline) = (id, deadline)
        before = cursor
        (page, states, next) = ([], [], 0)
    }

    mutating func take(_ entries: [HintEntry], isLast: Bool) {
        reading = nil
        page = entries
        states = Array(repeating: .unsent, count: entries.count)
        next = 0
        isLastPage = isLast
        if let last = entries.last { cursor = last.key }
    }

    /// The next run of hints to be sent; nil if there is none.
    mutating func nextChunk(entries: Int, bytes: Int) -> Range<Int>? {
        while next < page.count, states[next] != .unsent { next += 1 }
        guard next < page.count else { return nil }
        var (end, size) = (next + 1, page[next].bytes)
        while end < page.count, states[end] == .unsent, end - next < entries, size + page[end].bytes <= bytes {
            size += page[end].bytes
            end += 1
        }
        return next..<end
    }

    /// Takes note that a run was sent.
    ///
    /// - Returns: its bytes.
    mutating func begin(_ id: UInt64, _ range: Range<Int>, deadline: UInt64) -> Int {
        sent.append(Message(id: id, range: range, deadline: deadline))
        for index in range { states[index] = .sent }
        next = range.upperBound
        return page[range].reduce(0) { $0 + $1.bytes }
    }

    mutating func finish(_ id: UInt64) -> Message? {
        guard let at = sent.firstIndex(where: { $0.id == id }) else { return nil }
        return sent.remove(at: at)
    }

    /// Goes back to the first hint of the page that is not settled: it is read again.
    mutating func rewind() {
        if let first = states.firstIndex(where: { $0 != .settled }) {
            cursor = first > 0 ? page[first - 1].key : before
            isLastPage = false
        }
        (page, states, next, sent, reading) = ([], [], 0, [], nil)
    }

    /// Whether a whole round found nothing.
    var isEmptyRound: Bool { isLastPage && page.isEmpty && before.isEmpty }

    /// Begins from the first hint again.
    mutating func restart() {
        (cursor, before) = ([], [])
        isLastPage = false
        (page, states, next) = ([], [], 0)
    }
}
