internal import CLibuv
internal import Glibc
internal import MartletCore
internal import MartletRuntime

/// A TCP connection of a loop.
@safe
final class UVStream: ByteStream, UVClosable {
    private let handle: UnsafeMutablePointer<uv_tcp_t>
    private unowned let loop: UVEventLoop
    private var handler: (any StreamHandler)?
    private var output = ByteBuffer()
    /// Output that the system would not take at once; libuv sends it when it can.
    private var waiting = ByteBuffer()
    private var isWaiting = false
    private var isDirty = false
    private var isOpen: Bool
    private var closesAfterFlush = false
    private var isClosed = false
    private var isPaused = false
    private var failure: StreamError?
    private(set) lazy var peer = unsafe UVAddress.read { unsafe uv_tcp_getpeername(handle, $0, $1) }
    private(set) lazy var local = unsafe UVAddress.read { unsafe uv_tcp_getsockname(handle, $0, $1) }

    /// Memory that an idle stream's output keeps.
    private static let idleOutput = 256

    init?(accepting loop: UVEventLoop, from listener: UnsafeMutablePointer<uv_tcp_t>) {
        self.loop = loop
        isOpen = true
        unsafe handle = .allocate(capacity: 1)
        unsafe uv_tcp_init(loop.loop, handle)
        unsafe handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        loop.handles[ObjectIdentifier(self)] = self
        let status = unsafe listener.withMemoryRebound(to: uv_stream_t.self, capacity: 1) { server in
            unsafe withStream { client in unsafe uv_accept(server, client) }
        }
        unsafe uv_tcp_nodelay(handle, 1)
        guard status == 0 else {
            closeNow()
            return nil
        }
    }

    init(connecting loop: UVEventLoop, to address: SocketAddress, handler: any StreamHandler) throws(StreamError) {
        self.loop = loop
        self.handler = handler
        isOpen = false
        unsafe handle = .allocate(capacity: 1)
        unsafe uv_tcp_init(loop.loop, handle)
        unsafe uv_tcp_nodelay(handle, 1)
        unsafe handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        loop.handles[ObjectIdentifier(self)] = self
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        let status = try unsafe UVAddress.with(address) { target in
            unsafe uv_tcp_connect(request, handle, target) { request, status in
                let stream = unsafe UVStream.of(request!.pointee.handle.pointee.data)
                unsafe request!.deallocate()
                stream.connected(status)
            }
        }
        guard status == 0 else {
            unsafe request.deallocate()
            closeNow()
            throw UVAddress.failure("connect to", address, status)
        }
    }

    private static func of(_ data: UnsafeMutableRawPointer) -> UVStream {
        unsafe Unmanaged<UVStream>.fromOpaque(data).takeUnretainedValue()
    }

    private func withStream<R>(_ body: (UnsafeMutablePointer<uv_stream_t>) -> R) -> R {
        unsafe handle.withMemoryRebound(to: uv_stream_t.self, capacity: 1) { unsafe body($0) }
    }

    // MARK: Input

    func begin(_ handler: any StreamHandler) {
        guard !isClosed else { return }
        self.handler = handler
        resumeReading()
    }

    private func connected(_ status: Int32) {
        guard !isClosed else { return }
        guard status == 0 else {
            return fail(StreamError(errno: -status, "cannot connect: \(unsafe String(cString: uv_strerror(status)))"))
        }
        isOpen = true
        handler?.opened()
        isPaused = true
        resumeReading()
        if !output.isEmpty { setNeedsFlush() }
    }

    func pauseReading() {
        guard !isPaused, !isClosed else { return }
        isPaused = true
        _ = unsafe withStream { unsafe uv_read_stop($0) }
    }

    func resumeReading() {
        guard isOpen, !isClosed else { return }
        isPaused = false
        _ = unsafe withStream { stream in
            unsafe uv_read_start(
                stream,
                { handle, _, buffer in
                    let stream = unsafe UVStream.of(handle!.pointee.data)
                    let target = unsafe stream.loop.readBuffer
                    unsafe buffer!.pointee.base = target.baseAddress!.assumingMemoryBound(to: CChar.self)
                    unsafe buffer!.pointee.len = target.count
                },
                { handle, count, _ in
                    let stream = unsafe UVStream.of(handle!.pointee.data)
                    stream.received(count)
                })
        }
    }

    private func received(_ count: Int) {
        guard !isClosed else { return }
        if count > 0 {
            let bytes = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(loop.readBuffer.baseAddress!), byteCount: count)
            handler?.received(bytes)
        } else if count == Int(UV_EOF.rawValue) {
            closeAfterFlush()
        } else if count < 0 {
            fail(StreamError(errno: Int32(-count), unsafe String(cString: uv_strerror(Int32(count)))))
        }
    }

    // MARK: Output

    func write<R>(_ body: (inout ByteBuffer) -> R) -> R {
        defer { if !isDirty, !output.isEmpty { setNeedsFlush() } }
        return body(&output)
    }

    var unsentBytes: Int { output.count + waiting.count }

    private func setNeedsFlush() {
        guard !isDirty, isOpen, !isClosed else { return }
        isDirty = true
        loop.needsFlush(self)
    }

    /// Sends what was written; called by the loop at the end of its turn.
    func flush() {
        isDirty = false
        guard isOpen, !isClosed, !isWaiting else { return }
        if !output.isEmpty {
            let sent = output.withBytes { bytes in
                unsafe bytes.withUnsafeBytes { bytes in
                    var buffer = unsafe uv_buf_init(
                        UnsafeMutablePointer(mutating: bytes.baseAddress!.assumingMemoryBound(to: CChar.self)),
                        UInt32(clamping: bytes.count))
                    return unsafe withStream { unsafe uv_try_write($0, &buffer, 1) }
                }
            }
            if sent < 0, sent != UV_EAGAIN.rawValue {
                return fail(StreamError(errno: -sent, unsafe String(cString: uv_strerror(sent))))
            }
            output.consume(max(0, Int(sent)))
        }
        guard output.isEmpty else { return wait() }
        output.releaseExcess(keeping: Self.idleOutput)
        if closesAfterFlush { closeNow() }
    }

    /// Hands what is left to libuv, which sends it as the peer reads.
    private func wait() {
        swap(&output, &waiting)
        isWaiting = true
        let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
        let status = waiting.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { bytes in
                // The bytes stay where they are: `waiting` is not touched until the write is done.
                var buffer = unsafe uv_buf_init(
                    UnsafeMutablePointer(mutating: bytes.baseAddress!.assumingMemoryBound(to: CChar.self)),
                    UInt32(clamping: bytes.count))
                return unsafe withStream { stream in
                    unsafe uv_write(request, stream, &buffer, 1) { request, status in
                        let stream = unsafe UVStream.of(request!.pointee.handle.pointee.data)
                        unsafe request!.deallocate()
                        stream.waited(status)
                    }
                }
            }
        }
        guard status == 0 else {
            unsafe request.deallocate()
            return fail(StreamError(errno: -status, unsafe String(cString: uv_strerror(status))))
        }
    }

    private func waited(_ status: Int32) {
        isWaiting = false
        waiting.removeAll()
        waiting.releaseExcess(keeping: 0)
        guard !isClosed else { return }
        guard status == 0 else {
            return fail(StreamError(errno: -status, unsafe String(cString: uv_strerror(status))))
        }
        flush()
        if !isWaiting, !isClosed { handler?.drained() }
    }

    // MARK: The end

    func closeAfterFlush() {
        guard !isClosed else { return }
        closesAfterFlush = true
        pauseReading()
        guard isOpen, isWaiting || !output.isEmpty else { return closeNow() }
        setNeedsFlush()
    }

    func close() { closeNow() }

    private func fail(_ error: StreamError) {
        failure = error
        closeNow()
    }

    func closeNow() {
        guard !isClosed else { return }
        isClosed = true
        unsafe handle.withMemoryRebound(to: uv_handle_t.self, capacity: 1) { handle in
            unsafe uv_close(handle) { handle in
                let stream = unsafe UVStream.of(handle!.pointee.data)
                stream.finished()
                unsafe handle!.withMemoryRebound(to: uv_tcp_t.self, capacity: 1) { unsafe $0.deallocate() }
            }
        }
    }

    private func finished() {
        let heard = handler
        handler = nil
        heard?.closed(failure)
        loop.handles[ObjectIdentifier(self)] = nil
    }
}
