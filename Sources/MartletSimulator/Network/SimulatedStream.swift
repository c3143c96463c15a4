internal import Glibc
internal import MartletCore
internal import MartletRuntime

/// One end of a stream in a simulation.
///
/// What it sends is cut into segments at places drawn from the seed, each of which travels for a while; the segments of
/// one direction arrive in their order. Bytes that arrived wait in ``wire`` until the loop reads them.
final class SimulatedStream: ByteStream {
    private enum State { case connecting, open, ending, closed }
    /// What travels: bytes of the sender's ``wire``, the sender's end, or its reset.
    private enum Segment {
        case bytes(Int)
        case end, reset
    }

    private(set) var loop: SimulatedEventLoop
    let number: UInt64
    let local: SocketAddress
    let peer: SocketAddress
    private var other: SimulatedStream?
    private var handler: (any StreamHandler)?
    private var state = State.connecting

    private var output = ByteBuffer()
    private var isDirty = false
    private var isHeldBack = false
    /// When the last segment sent arrives: no later one may overtake it.
    private var lastArrival: MonotonicTime

    /// Bytes on their way here or arrived and not yet read; the first ``arrived`` of them can be read.
    private var wire = ByteBuffer()
    private var arrived = 0
    private var wantsInput = true
    private var endArrived = false
    private var hasEnded = false
    private var isReadQueued = false
    private var failure: StreamError?

    private var network: SimulatedNetwork { loop.network }
    private var executor: SimulationExecutor { loop.executor }

    init(_ loop: SimulatedEventLoop, number: UInt64, local: SocketAddress, peer: SocketAddress) {
        self.loop = loop
        self.number = number
        self.local = local
        self.peer = peer
        lastArrival = loop.now
    }

    // MARK: Connecting

    func join(_ other: SimulatedStream) { self.other = other }

    func begin(_ handler: any StreamHandler) {
        self.handler = handler
        queueRead()
    }

    var isConnecting: Bool { state == .connecting }

    func becomeOpen() { if state == .connecting { state = .open } }

    func connected() {
        loop.input { [self] in
            guard state == .connecting else { return }
            executor.note(.open, lane: loop.lane, detail: number)
            state = .open
            handler?.opened()
            if !output.isEmpty { setNeedsFlush() }
            queueRead()
        }
    }

    func refused() {
        loop.input { [self] in
            close(StreamError(errno: ECONNREFUSED, "cannot connect: Connection refused"))
        }
    }

    // MARK: Output

    var unsentBytes: Int { output.count }

    func write<R>(_ body: (inout ByteBuffer) -> R) -> R {
        let result = body(&output)
        setNeedsFlush()
        return result
    }

    private func setNeedsFlush() {
        guard !isDirty else { return }
        isDirty = true
        loop.needsFlush(self)
    }

    func flush() {
        isDirty = false
        switch state {
        case .connecting: return
        case .closed: return output.removeAll()
        case .open, .ending: send()
        }
        if state == .ending, output.isEmpty { close(nil) }
    }

    /// Puts on the wire what its window takes.
    private func send() {
        guard let other, other.state != .closed else {
            guard !output.isEmpty else { return }
            output.removeAll()  // the peer is gone, and answers with a reset
            executor.schedule(after: network.delay()) { [self] in arrive(.reset) }
            return
        }
        let count = min(output.count, max(0, network.window - other.wire.count))
        if count > 0 {
            output.withBytes(0..<count) { bytes in
                executor.note(.send, lane: loop.lane, bytes: bytes)
                other.wire.append(bytes)
            }
            output.consume(count)
            sendSegments(count)
        }
        isHeldBack = !output.isEmpty
    }

    /// Cuts `count` bytes at places of the seed: half of the time not at all, else into up to six segments.
    private func sendSegments(_ count: Int) {
        let random = network.random
        var rest = count
        if random.happens(0.5) {
            for _ in 0..<5 where rest > 1 {
                let length = 1 + random.below(random.happens(0.5) ? min(rest - 1, 16) : rest - 1)
                dispatch(.bytes(length))
                rest -= length
            }
        }
        dispatch(.bytes(rest))
    }

    private func dispatch(_ segment: Segment) {
        guard let other else { return }
        let arrival = max(loop.now.advanced(by: network.delay()), lastArrival)
        lastArrival = arrival
        executor.schedule(after: arrival.since(loop.now)) { other.arrive(segment) }
    }

    /// The peer has read, so that there is room on the wire again.
    private func roomCame() {
        guard isHeldBack, state == .open || state == .ending else { return }
        send()
        guard output.isEmpty else { return }
        executor.note(.drain, lane: loop.lane, detail: number)
        handler?.drained()
        if state == .ending, output.isEmpty { close(nil) }
    }

    // MARK: Input

    func pauseReading() { wantsInput = false }

    func resumeReading() {
        wantsInput = true
        queueRead()
    }

    private func arrive(_ segment: Segment) {
        guard state != .closed else { return }
        switch segment {
        case .bytes(let count): arrived += count
        case .end where !isHeldBack || other?.state != .closed: endArrived = true
        case .end, .reset:  // an end while this side has more to send than the other will ever read is a reset
            loop.input { [self] in
                executor.note(.reset, lane: loop.lane, detail: number)
                close(StreamError(errno: ECONNRESET, "cannot read: Connection reset by peer"))
            }
        }
        queueRead()
    }

    private func queueRead() {
        guard !isReadQueued, state == .open, handler != nil, arrived > 0 || endArrived else { return }
        isReadQueued = true
        loop.input { [self] in
            isReadQueued = false
            read()
        }
    }

    /// Hands over what has arrived, in one piece as a read would, or up to a place of the seed.
    private func read() {
        guard state == .open, wantsInput, !hasEnded else { return }
        if arrived > 0 {
            let count = network.random.happens(0.8) ? arrived : 1 + network.random.below(arrived)
            var bytes = ByteBuffer(capacity: count)
            wire.withBytes(0..<count) { bytes.append($0) }
            wire.consume(count)
            arrived -= count
            bytes.withBytes { span in
                executor.note(.receive, lane: loop.lane, bytes: span)
                handler?.received(span)
            }
            if let other, other.isHeldBack {
                executor.schedule(after: network.delay()) { other.loop.input { other.roomCame() } }
            }
            return queueRead()
        }
        guard endArrived else { return }
        hasEnded = true
        executor.note(.end, lane: loop.lane, detail: number)
        if handler?.inputEnded() != true { closeAfterFlush() }
    }

    // MARK: Closing

    func closeAfterFlush() {
        guard state == .open || state == .connecting else { return }
        if state == .connecting { return close() }
        state = .ending
        setNeedsFlush()
    }

    func close() { close(nil) }

    private func close(_ error: StreamError?) {
        guard state != .closed else { return }
        let wasOrderly = state == .ending || wire.isEmpty
        executor.note(.close, lane: loop.lane, detail: number)
        leave(with: wasOrderly ? .end : .reset)
        failure = error
        loop.hasClosed(self)
    }

    func move(to target: any EventLoop, _ begin: @escaping @Sendable (any ByteStream) -> (any StreamHandler)?) {
        guard state == .open, !hasEnded, output.isEmpty, let target = target as? SimulatedEventLoop else {
            return close()
        }
        handler = nil
        loop = target
        target.input { [self] in
            guard state == .open else { return }
            if let handler = begin(self) { self.begin(handler) } else { close() }
        }
    }

    /// The connection breaks on its way: each side hears of it, after what arrived there before.
    func breakOff() {
        let other = other
        executor.schedule(after: network.delay()) { [self] in arrive(.reset) }
        if let other { executor.schedule(after: network.delay()) { other.arrive(.reset) } }
    }

    /// Ends this side without telling its handler: its process died.
    func vanish() {
        guard state != .closed else { return }
        leave(with: .reset)
        handler = nil
    }

    private func leave(with farewell: Segment) {
        state = .closed
        output.removeAll()
        wire.removeAll()
        arrived = 0
        dispatch(farewell)
        network.forget(self)
    }

    func announceClosed() {
        let listener = handler
        handler = nil
        other = nil
        listener?.closed(failure)
    }
}
