internal import CLibuv
internal import Glibc
internal import MartletCore
internal import MartletRuntime

/// A TCP connection of a ``UVEventLoop``.
///
/// Idle, it costs some 500 bytes: this object, libuv's handle and an empty output buffer; input is read into a buffer
/// of the loop's.
final class UVStream: PollHandle, ByteStream {
    private enum State: UInt8 {
        case connecting
        case open
        /// Sends what was written, then closes.
        case ending
        case closed
    }

    let remote: PackedAddress
    private var handler: (any StreamHandler)?
    private var output = ByteBuffer()
    private var failure: StreamError?
    private var state: State
    private var isDirty = false
    private var wantsInput = true
    private var hasEnded = false
    private var waitsToSend = false
    private var isWarm = false
    private var wasUsed = false

    /// Takes ownership of `descriptor`, a non-blocking socket that is connected or about to be.
    init(_ loop: UVEventLoop, descriptor: Int32, remote: PackedAddress, isConnected: Bool) {
        self.remote = remote
        state = isConnected ? .open : .connecting
        super.init(loop, descriptor: descriptor)
    }

    /// Begins to listen to the socket.
    func start(_ handler: any StreamHandler) {
        self.handler = handler
        watchAsNeeded()
    }

    var peer: SocketAddress { remote.address }
    var local: SocketAddress { Socket.localAddress(of: descriptor).address }
    var unsentBytes: Int { output.count }

    private func watchAsNeeded() {
        var events: Int32 = 0
        if state == .connecting || waitsToSend { events |= Int32(UV_WRITABLE.rawValue) }
        if state == .open, wantsInput, !hasEnded { events |= Int32(UV_READABLE.rawValue) }
        watch(events)
    }

    override func ready(events: Int32, failed: Bool) {
        if state == .connecting { return finishConnecting() }
        if waitsToSend, failed || events & Int32(UV_WRITABLE.rawValue) != 0 { sendRest() }
        if failed || events & Int32(UV_READABLE.rawValue) != 0 { read() }
        if failed { watchAsNeeded() }
    }

    // MARK: Connecting

    private func finishConnecting() {
        let number = Socket.pendingError(of: descriptor)
        guard number == 0 else { return close(StreamError(errno: number, "cannot connect: \(reason(number))")) }
        guard Socket.localAddress(of: descriptor) != remote else {
            // A port of the ephemeral range that nobody listens on can connect to itself.
            return close(StreamError(errno: ECONNREFUSED, "cannot connect: \(reason(ECONNREFUSED))"))
        }
        state = .open
        watchAsNeeded()
        handler?.opened()
        if !output.isEmpty { setNeedsFlush() }
    }

    // MARK: Input

    func pauseReading() { wantsInput = false }  // unwatched at the next input: a pause often ends before

    func resumeReading() {
        wantsInput = true
        if state != .closed { watchAsNeeded() }
    }

    /// Reads until the socket has less than the buffer holds, which spares the call that would say "no more".
    private func read() {
        var rounds = 0
        while state == .open, wantsInput, !hasEnded {
            let buffer = unsafe loop.readBuffer
            let count = unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 {
                let bytes = unsafe RawSpan(
                    _unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                handler?.received(bytes)
                rounds += 1
                if count < buffer.count || rounds == 8 { return }  // the others want their turn
            } else if count == 0 {
                return endInput()
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                return close(StreamError(errno: errno, "cannot read: \(reason(errno))"))
            }
        }
        if state != .closed { watchAsNeeded() }
    }

    private func endInput() {
        hasEnded = true
        watchAsNeeded()
        if handler?.inputEnded() != true { closeAfterFlush() }
    }

    // MARK: Output

    func write<R>(_ body: (inout ByteBuffer) -> R) -> R {
        let result = body(&output)
        setNeedsFlush()
        return result
    }

    private func setNeedsFlush() {
        guard !isDirty else { return }
        isDirty = true
        loop.dirty.append(self)
    }

    /// Sends what the turn wrote.
    func flush() {
        isDirty = false
        switch state {
        case .connecting: return
        case .closed: return output.removeAll()
        case .open, .ending: break
        }
        if waitsToSend { return }
        send()
        wasUsed = true
        if !isWarm, output.capacity > Self.idleMemory {
            isWarm = true
            loop.watchMemory(of: self)
        }
        if waitsToSend { watchAsNeeded() } else if state == .ending { finishEnding() }
    }

    /// Goes on once the socket takes more.
    private func sendRest() {
        send()
        guard state != .closed, !waitsToSend else { return }
        watchAsNeeded()
        handler?.drained()
        if state == .ending, output.isEmpty { finishEnding() }
    }

    /// Hands the socket all it takes.
    private func send() {
        waitsToSend = false
        while !output.isEmpty {
            let count = output.withBytes { bytes in
                unsafe bytes.withUnsafeBytes {
                    unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            }
            if count >= 0 {
                output.consume(count)
                if !output.isEmpty {
                    waitsToSend = true
                    return
                }
            } else if errno == EAGAIN {
                waitsToSend = true
                return
            } else if errno != EINTR {
                return close(StreamError(errno: errno, "cannot write: \(reason(errno))"))
            }
        }
        output.releaseExcess(keeping: Self.burstMemory)
    }

    /// Bytes of output memory an idle stream may keep.
    private static let idleMemory = 512
    /// Bytes of output memory a stream keeps from one turn to the next.
    private static let burstMemory = 1 << 20

    /// Releases the output's memory if nothing was sent since the last call.
    ///
    /// - Returns: whether it is released, or the stream gone.
    func releaseIdleMemory() -> Bool {
        if state != .closed, wasUsed || !output.isEmpty {
            wasUsed = false
            return false
        }
        output.releaseExcess(keeping: 0)
        isWarm = false
        return true
    }

    // MARK: Closing

    func closeAfterFlush() {
        guard state == .open || state == .connecting else { return }
        if state == .connecting { return close() }
        state = .ending
        watchAsNeeded()
        setNeedsFlush()
    }

    private func finishEnding() {
        // Input that nobody read would make the system reset the connection and drop what we just sent.
        if !hasEnded { Socket.discardInput(of: descriptor, into: loop) }
        close(nil)
    }

    func close() { close(nil) }

    override func shutDown() { close(nil) }

    private func close(_ error: StreamError?) {
        guard state != .closed else { return }
        state = .closed
        failure = error
        waitsToSend = false
        output.removeAll()
        output.releaseExcess(keeping: 0)
        closeDescriptor()
        loop.gone.append(self)
    }

    func move(to target: any EventLoop, _ begin: @escaping @Sendable (any ByteStream) -> (any StreamHandler)?) {
        guard state == .open, !hasEnded, output.isEmpty, let target = target as? UVEventLoop else { return close() }
        state = .closed
        handler = nil
        let luggage = Luggage(descriptor: releaseDescriptor(), remote: remote)
        target.post { luggage.unpack(on: target, begin) }
    }

    func announceClosed() {
        let listener = handler
        handler = nil
        listener?.closed(failure)
    }
}

/// A connection on its way from one loop to another; if the other ends first, it is closed.
private final class Luggage: Sendable {
    private let descriptor: Lock<Int32>
    private let remote: PackedAddress

    init(descriptor: Int32, remote: PackedAddress) {
        self.descriptor = Lock(descriptor)
        self.remote = remote
    }

    deinit {
        descriptor.withLock { if $0 >= 0 { Glibc.close($0) } }
    }

    func unpack(on loop: UVEventLoop, _ begin: (any ByteStream) -> (any StreamHandler)?) {
        guard !loop.isStopping else { return }
        let taken = descriptor.withLock { descriptor in
            defer { descriptor = -1 }
            return descriptor
        }
        let stream = UVStream(loop, descriptor: taken, remote: remote, isConnected: true)
        if let handler = begin(stream) { stream.start(handler) } else { stream.close() }
    }
}
