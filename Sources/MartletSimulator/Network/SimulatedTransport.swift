public import MartletCore
public import MartletRuntime

/// The transport of a simulation: messages, not bytes, between nodes on one schedule, with the faults of
/// ``FaultyLinks``. It keeps what ``Transport`` promises unless the faults say otherwise.
///
/// ```swift
/// let network = MessageNetwork(executor)
/// let transport = network.makeTransport(node: 1, incarnation: 7, worker: 0, of: 1, on: loop)
/// transport.receiver = replica
/// transport.connect(to: 2)
/// network.faults.partition([1], from: [2, 3])
/// ```
public final class SimulatedTransport: Transport {
    public let node: UInt32
    /// Told to peers in the next session.
    public var incarnation: UInt64
    public let worker: Int
    public let workers: Int
    public var receiver: (any TransportReceiver)?

    let loop: SimulatedEventLoop
    let network: MessageNetwork
    /// The open link to each node that this worker sends by.
    private var primaries: [UInt32: SimulatedLinkEnd] = [:]
    /// Open links from workers that this one has no counterpart for, by session.
    private var secondaries: [PeerSession: SimulatedLinkEnd] = [:]
    private(set) var isClosed = false
    /// Messages that were taken.
    private(set) var sent: UInt64 = 0

    init(
        node: UInt32, incarnation: UInt64, worker: Int, workers: Int, loop: SimulatedEventLoop, network: MessageNetwork
    ) {
        self.node = node
        self.incarnation = incarnation
        self.worker = worker
        self.workers = workers
        self.loop = loop
        self.network = network
    }

    /// Keeps a link to a node from now on, once that has a transport.
    public func connect(to peer: UInt32) {
        precondition(peer != node && !isClosed)
        network.keep(self, to: peer)
    }

    public func send(to peer: UInt32, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool {
        send(by: primaries[peer], header, body)
    }

    public func reply(to session: PeerSession, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool {
        if let end = primaries[session.node], end.session == session { return send(by: end, header, body) }
        return send(by: secondaries[session], header, body)
    }

    private func send(
        by end: SimulatedLinkEnd?, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void
    ) -> Bool {
        precondition(loop.isCurrent, "a transport is used on its loop only")
        guard let end, end.unsentBytes < network.faults.unsentLimit, end.append(header, body) else {
            network.counters.declined += 1
            return false
        }
        sent += 1
        return true
    }

    public func isOpen(to peer: UInt32) -> Bool { primaries[peer] != nil }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        receiver = nil
        network.remove(self, isCrash: false)
        (primaries, secondaries) = ([:], [:])
    }

    // MARK: What the network tells, on the loop

    func opened(_ end: SimulatedLinkEnd) {
        guard !isClosed else { return }
        // The news that a link broke may travel longer than the next one takes: no link opens before the last is
        // closed.
        if end.isPrimary, let former = primaries[end.session.node], former !== end {
            former.isOpen = false
            lost(former, StreamError("another link took its place"))
        }
        if end.isPrimary { primaries[end.session.node] = end } else { secondaries[end.session] = end }
        receiver?.linkOpened(end.session)
    }

    func lost(_ end: SimulatedLinkEnd, _ reason: StreamError?) {
        guard !isClosed else { return }
        if primaries[end.session.node] === end { primaries[end.session.node] = nil }
        secondaries[end.session] = nil
        receiver?.linkClosed(end.session, reason)
    }
}
