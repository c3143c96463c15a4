internal import Glibc
internal import MartletCore
public import MartletRuntime

/// The network of nodes that live in one process: streams between their loops, in memory, without the system.
///
/// A transport over it does all that it does over TCP, hello and sessions included. What a turn wrote goes to the other
/// loop in one piece at the turn's end, by exchanging buffers where it can.
///
/// ```swift
/// let network = InProcessNetwork()
/// let transports = LinkWorkers.make(identity, in: environment) { network.streams(of: $0) }
/// ```
public final class InProcessNetwork: Sendable {
    struct Place: Sendable {
        var loop: any EventLoop
        var listener: Confined<InProcessListener>
    }
    struct State {
        var places: [SocketAddress: [Place]] = [:]
        var lastPort: UInt16 = 49151
    }

    let state = Lock(State())

    public init() {}

    /// The network as one loop uses it.
    public func streams(of loop: any EventLoop) -> any StreamNetwork { InProcessStreams(loop: loop, network: self) }

    func remove(_ listener: InProcessListener) {
        let address = listener.address
        state.withLock { state in
            state.places[address]?.removeAll { $0.listener.handedOver === listener }
            if state.places[address]?.isEmpty == true { state.places[address] = nil }
        }
    }
}

/// One loop's end of an in-process network.
private struct InProcessStreams: StreamNetwork {
    let loop: any EventLoop
    let network: InProcessNetwork

    func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        let (loop, network) = (loop, network)
        let place = try network.state.withLock { state throws(StreamError) in
            var address = address
            if address.port == 0 {
                state.lastPort = state.lastPort == .max ? 49152 : state.lastPort + 1
                address.port = state.lastPort
            }
            // Workers of one node share its address; one loop cannot listen twice.
            if state.places[address]?.contains(where: { $0.loop === loop }) == true {
                throw StreamError(errno: EADDRINUSE, "cannot listen on \(address): it is in use")
            }
            let listener = InProcessListener(address: address, network: network, accept: accept)
            let place = InProcessNetwork.Place(loop: loop, listener: Confined(listener, handedTo: loop))
            state.places[address, default: []].append(place)
            return place
        }
        return place.listener.handedOver
    }

    func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        let here = InProcessMailbox(loop)
        let there = InProcessMailbox(loop)
        let stream = InProcessStream(loop, inbox: here, outbox: there, local: address, peer: address)
        stream.begin(handler)
        guard let place = network.state.withLock({ $0.places[address]?.first }) else {
            here.end(StreamError(errno: ECONNREFUSED, "cannot connect: Connection refused"))
            return stream
        }
        there.move(to: place.loop)
        let loop = place.loop
        loop.post {
            let server = InProcessStream(loop, inbox: there, outbox: here, local: address, peer: address)
            server.becomeOpen()
            if let handler = place.listener.value.take(server) { server.begin(handler) } else { server.close() }
        }
        here.open()
        return stream
    }
}

/// An address of an in-process network that takes streams.
final class InProcessListener: Listener {
    let address: SocketAddress
    private let network: InProcessNetwork
    private var accept: ((any ByteStream) -> (any StreamHandler)?)?

    init(
        address: SocketAddress, network: InProcessNetwork,
        accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) {
        self.address = address
        self.network = network
        self.accept = accept
    }

    func take(_ stream: InProcessStream) -> (any StreamHandler)? { accept?(stream) }

    func close() {
        accept = nil
        network.remove(self)
    }
}
