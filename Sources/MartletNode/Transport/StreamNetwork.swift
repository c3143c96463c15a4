public import MartletRuntime

/// Where a transport's streams come from; used on one loop only.
public protocol StreamNetwork {
    /// See ``EventLoop/listen(on:accept:)``.
    func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener
    /// See ``EventLoop/connect(to:handler:)``.
    func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream
}

/// The loop's own streams: TCP on a real loop, the simulated network on a simulated one.
public struct LoopNetwork: StreamNetwork {
    private let loop: any EventLoop

    public init(_ loop: any EventLoop) { self.loop = loop }

    public func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        try loop.listen(on: address, accept: accept)
    }

    public func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        try loop.connect(to: address, handler: handler)
    }
}
