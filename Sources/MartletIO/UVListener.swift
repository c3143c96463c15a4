internal import CLibuv
internal import Glibc
internal import MartletRuntime

/// A listening TCP socket of a loop. Sockets of several loops may share one port (SO_REUSEPORT).
@safe
final class UVListener: Listener, UVClosable {
    private let handle: UnsafeMutablePointer<uv_tcp_t>
    private unowned let loop: UVEventLoop
    private let accept: (any ByteStream) -> (any StreamHandler)?
    private var isClosed = false
    private(set) var address: SocketAddress

    private static let backlog: Int32 = 4096

    init(
        on loop: UVEventLoop, address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) {
        self.loop = loop
        self.accept = accept
        self.address = address
        unsafe handle = .allocate(capacity: 1)
        var status = unsafe uv_tcp_init_ex(loop.loop, handle, UInt32(address.isIPv6 ? AF_INET6 : AF_INET))
        if status != 0 {
            unsafe handle.deallocate()
            throw UVAddress.failure("listen on", address, status)
        }
        unsafe handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        loop.handles[ObjectIdentifier(self)] = self
        sharePort()
        status = try unsafe UVAddress.with(address) { unsafe uv_tcp_bind(handle, $0, 0) }
        if status == 0 {
            status = unsafe handle.withMemoryRebound(to: uv_stream_t.self, capacity: 1) { stream in
                unsafe uv_listen(stream, Self.backlog) { stream, status in
                    let me = unsafe Unmanaged<UVListener>.fromOpaque(stream!.pointee.data).takeUnretainedValue()
                    if status == 0 { me.acceptOne() }
                }
            }
        }
        guard status == 0 else {
            closeNow()
            throw UVAddress.failure("listen on", address, status)
        }
        self.address = unsafe UVAddress.read { unsafe uv_tcp_getsockname(handle, $0, $1) }
    }

    /// Only sockets of the same user share a port, and only those that ask for it: another server's port is refused.
    private func sharePort() {
        var descriptor: Int32 = -1
        let found = unsafe handle.withMemoryRebound(to: uv_handle_t.self, capacity: 1) {
            unsafe uv_fileno($0, &descriptor)
        }
        guard found == 0 else { return }
        var on: Int32 = 1
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    private func acceptOne() {
        guard !isClosed, let stream = unsafe UVStream(accepting: loop, from: handle) else { return }
        guard let handler = accept(stream) else { return stream.close() }
        stream.begin(handler)
    }

    func close() { closeNow() }

    func closeNow() {
        guard !isClosed else { return }
        isClosed = true
        unsafe handle.withMemoryRebound(to: uv_handle_t.self, capacity: 1) { handle in
            unsafe uv_close(handle) { handle in
                let me = unsafe Unmanaged<UVListener>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
                me.loop.handles[ObjectIdentifier(me)] = nil
                unsafe handle!.withMemoryRebound(to: uv_tcp_t.self, capacity: 1) { unsafe $0.deallocate() }
            }
        }
    }
}
