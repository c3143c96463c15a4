internal import MartletCore

/// A connection of a drill's load, with one request at a time.
struct DrillConnection {
    private enum State {
        case closed
        /// Connected; a PING is out.
        case asked
        case free
        case busy
    }
    /// The place of its node.
    let node: Int
    /// Whether it is the one by which its node is tried; its place among all is then the node's.
    let isFirst: Bool
    private(set) var socket: LoadSocket?
    /// Counts how often it was opened.
    private(set) var session = 0
    /// Of the request that is out, or of the last change of its state, in nanoseconds.
    private(set) var since: UInt64 = 0
    private var state = State.closed
    /// The request that is out.
    var pending: DrillOperation? {
        didSet {
            guard let pending else { return }
            state = .busy
            since = pending.invoked
        }
    }

    init(node: Int, isFirst: Bool) {
        self.node = node
        self.isFirst = isFirst
    }

    var isFree: Bool { state == .free }
    /// Whether an answer is awaited.
    var isBusy: Bool { state == .busy || state == .asked }
    var isClosed: Bool { state == .closed }
    /// Whether its node answered on it, and it is open.
    var wasAnswered: Bool { state == .free || state == .busy }
    var descriptor: Int32? { socket?.descriptor }

    mutating func open(_ socket: LoadSocket, at time: UInt64) {
        self.socket = socket
        session += 1
        state = .asked
        since = time
        socket.output.append("*1\r\n$4\r\nPING\r\n")
    }

    mutating func write(_ body: (inout ByteBuffer) -> Void) {
        guard let socket else { return }
        body(&socket.output)
    }

    mutating func answered(at time: UInt64) {
        pending = nil
        state = .free
        since = time
    }

    mutating func close(at time: UInt64) {
        socket = nil
        pending = nil
        state = .closed
        since = time
    }
}
