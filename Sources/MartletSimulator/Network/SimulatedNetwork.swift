internal import Glibc
public import MartletRuntime

/// The network of a simulation: streams between loops, in memory, with delays and segments drawn from the seed.
///
/// A stream keeps its bytes' order and loses none, as TCP does; what varies is when they come and in what pieces.
public final class SimulatedNetwork: @unchecked Sendable {  // confined to the simulation's thread
    let executor: SimulationExecutor
    let random: SeededRandomSource
    /// How long a segment travels, in nanoseconds.
    public var latency: ClosedRange<Int> = 20_000...2_000_000
    /// Bytes that may be on their way in one direction of a stream before its writer must wait.
    public var window = 256 << 10

    private var listeners: [SimulatedListener] = []
    private var streams: [SimulatedStream] = []
    private var nextPort: UInt16 = 49152
    private var nextStream: UInt64 = 0

    public init(_ executor: SimulationExecutor) {
        self.executor = executor
        random = executor.random.split()
    }

    func delay() -> Duration {
        .nanoseconds(latency.lowerBound + random.below(latency.upperBound - latency.lowerBound + 1))
    }

    func listen(
        on address: SocketAddress, loop: SimulatedEventLoop, accept: @escaping SimulatedListener.Accept
    ) throws(StreamError) -> SimulatedListener {
        var address = address
        if address.port == 0 { address.port = freePort() }
        // Loops that share the network may be a process's workers, which share a port; two listeners of one loop not.
        guard !listeners.contains(where: { $0.address == address && $0.loop === loop }) else {
            throw StreamError(errno: EADDRINUSE, "cannot listen on \(address): it is in use")
        }
        executor.note(.listen, lane: loop.lane, detail: UInt64(address.port))
        let listener = SimulatedListener(loop: loop, address: address, network: self, accept: accept)
        listeners.append(listener)
        return listener
    }

    private func freePort() -> UInt16 {
        defer { nextPort = nextPort == .max ? 49152 : nextPort + 1 }
        return nextPort
    }

    func connect(
        to address: SocketAddress, loop: SimulatedEventLoop, handler: any StreamHandler
    ) -> SimulatedStream {
        let local = SocketAddress(host: address.host, port: freePort())
        let client = makeStream(loop, local: local, peer: address)
        client.begin(handler)
        executor.note(.connect, lane: loop.lane, detail: client.number)
        executor.schedule(after: delay()) { [self] in arrive(client) }
        return client
    }

    /// A connection attempt reaches its address.
    private func arrive(_ client: SimulatedStream) {
        guard client.isConnecting else { return }
        let candidates = listeners.filter { $0.address == client.peer && !$0.loop.isStopped }
        guard !candidates.isEmpty else {
            executor.note(.refuse, lane: client.loop.lane, detail: client.number)
            executor.schedule(after: delay()) {
                client.refused()
            }
            return
        }
        let listener = candidates[random.below(candidates.count)]
        let server = makeStream(listener.loop, local: client.peer, peer: client.local)
        client.join(server)
        server.join(client)
        listener.loop.input { [self] in
            executor.note(.accept, lane: listener.loop.lane, detail: server.number)
            server.becomeOpen()
            if let handler = listener.take(server) { server.begin(handler) } else { server.close() }
        }
        executor.schedule(after: delay()) { client.connected() }
    }

    private func makeStream(_ loop: SimulatedEventLoop, local: SocketAddress, peer: SocketAddress) -> SimulatedStream {
        nextStream += 1
        let stream = SimulatedStream(loop, number: nextStream, local: local, peer: peer)
        streams.append(stream)
        return stream
    }

    func forget(_ listener: SimulatedListener) { listeners.removeAll { $0 === listener } }
    func forget(_ stream: SimulatedStream) { streams.removeAll { $0 === stream } }

    /// Breaks streams that lead to `address`, each with this probability: both ends hear a reset.
    ///
    /// - Returns: how many broke.
    @discardableResult
    public func breakStreams(to address: SocketAddress, probability: Double) -> Int {
        let broken = streams.filter { $0.peer == address && !$0.isConnecting && random.happens(probability) }
        for stream in broken { stream.breakOff() }
        return broken.count
    }

    /// Resets all streams of a loop and closes its listeners, without a word to its own handlers.
    func crash(_ loop: SimulatedEventLoop) {
        listeners.removeAll { $0.loop === loop }
        for stream in streams where stream.loop === loop { stream.vanish() }
    }
}

/// A listening socket of a simulation.
final class SimulatedListener: Listener {
    typealias Accept = (any ByteStream) -> (any StreamHandler)?

    let address: SocketAddress
    let loop: SimulatedEventLoop
    private unowned let network: SimulatedNetwork
    private var accept: Accept?

    init(loop: SimulatedEventLoop, address: SocketAddress, network: SimulatedNetwork, accept: @escaping Accept) {
        self.loop = loop
        self.address = address
        self.network = network
        self.accept = accept
    }

    /// The handler of a new stream, or nil to refuse it.
    func take(_ stream: SimulatedStream) -> (any StreamHandler)? { accept?(stream) }

    func close() {
        accept = nil
        network.forget(self)
    }
}
