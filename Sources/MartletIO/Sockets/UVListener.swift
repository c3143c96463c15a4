internal import CLibuv
internal import Glibc
public import MartletRuntime

/// A listening socket of a ``UVEventLoop``.
final class UVListener: PollHandle, Listener {
    let address: SocketAddress
    private var accept: ((any ByteStream) -> (any StreamHandler)?)?

    /// Connections taken in one turn, so that a storm of them does not starve those that are established.
    private static let acceptsPerTurn = 128

    /// Takes ownership of `descriptor`, a non-blocking socket that listens.
    init(_ loop: UVEventLoop, descriptor: Int32, accept: @escaping (any ByteStream) -> (any StreamHandler)?) {
        address = Socket.localAddress(of: descriptor).address
        self.accept = accept
        super.init(loop, descriptor: descriptor)
        watch(Int32(UV_READABLE.rawValue))
    }

    func close() {
        guard descriptor >= 0 else { return }
        Socket.forgetListener(descriptor)
        closeDescriptor()
        accept = nil
    }

    override func shutDown() { close() }

    override func ready(events: Int32, failed: Bool) {
        for _ in 0..<Self.acceptsPerTurn where descriptor >= 0 {
            guard let (connection, remote) = Socket.accept(from: descriptor) else {
                switch errno {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: return refuseOne()
                case ECONNABORTED, EINTR, EPROTO, EPERM: continue  // that one is gone; the next may do
                default: return
                }
            }
            let stream = UVStream(loop, descriptor: connection, remote: remote, isConnected: true)
            if let handler = accept?(stream) { stream.start(handler) } else { stream.close() }
        }
    }

    /// Out of descriptors: takes one connection with the spare and ends it, so that the client hears of it and the loop
    /// does not spin over a queue it cannot take. If even that fails, it rests.
    private func refuseOne() {
        if loop.spareDescriptor >= 0 {
            Glibc.close(loop.spareDescriptor)
            if let (connection, _) = Socket.accept(from: descriptor) { Glibc.close(connection) }
        }
        loop.spareDescriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard loop.spareDescriptor < 0 else { return }
        watch(0)
        loop.schedule(after: .milliseconds(100)) { [weak self] in self?.watch(Int32(UV_READABLE.rawValue)) }
    }
}

extension UVEventLoop {
    public func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        checkIsolated()
        guard !isStopping else { throw StreamError("the loop ends") }
        let descriptor = try Socket.listen(on: try PackedAddress(address))
        return UVListener(self, descriptor: descriptor, accept: accept)
    }

    public func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        checkIsolated()
        guard !isStopping else { throw StreamError("the loop ends") }
        let remote = try PackedAddress(address)
        let descriptor = try Socket.connect(to: remote)
        let stream = UVStream(self, descriptor: descriptor, remote: remote, isConnected: false)
        stream.start(handler)
        return stream
    }
}
