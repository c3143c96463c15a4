public import MartletCore
public import MartletRuntime

/// The transport over streams: one link for each peer, kept open by both sides, over TCP or whatever else its
/// ``StreamNetwork`` makes.
///
/// Made by ``LinkWorkers/make(_:settings:in:network:)``; then, on its loop:
///
/// ```swift
/// transport.receiver = replica
/// try transport.listen(on: address)
/// for peer in peers { transport.connect(to: peer.node, at: peer.address) }
/// ```
///
/// Worker i of a node links with worker i of each peer, modulo the peer's number of workers. Sending costs one look-up,
/// the header and the checksum, and allocates nothing.
public final class LinkTransport: Transport {
    /// What went over the links since the start.
    public struct Counters: Sendable, Hashable {
        public var opened: UInt64 = 0
        public var closed: UInt64 = 0
        /// Links that this side, or the other, did not take.
        public var refused: UInt64 = 0
        /// Links closed for a frame that could not be read.
        public var damaged: UInt64 = 0
        /// Messages not taken, for want of a link or of room.
        public var declined: UInt64 = 0

        public init() {}
    }

    /// A link from a node with more workers than this one.
    private struct Secondary: Hashable {
        var node: UInt32
        var worker: Int
    }

    public let worker: Int
    public var receiver: (any TransportReceiver)?
    /// What this node says of itself in the next hello.
    public var identity: LinkIdentity
    public private(set) var counters = Counters()

    let loop: any EventLoop
    let settings: LinkSettings
    let workers: LinkWorkers
    private let network: any StreamNetwork
    private let clock: any NodeClock
    private let random: any RandomSource
    private var log: LinkLog
    private var listener: (any Listener)?
    private var peers: [UInt32: PeerLink] = [:]
    private var secondaries: [Secondary: PeerLink] = [:]
    /// All streams that are not gone yet, by number.
    private var streams: [UInt64: LinkStream] = [:]
    private var handshakes = 0
    private var lastNumber: UInt64 = 0
    private var lastSession: UInt64 = 0
    private var pinger: (any LoopTimer)?
    private var isClosed = false

    init(
        _ identity: LinkIdentity, settings: LinkSettings, worker: Int, loop: any EventLoop,
        network: any StreamNetwork, environment: NodeEnvironment, workers: LinkWorkers
    ) {
        self.identity = identity
        self.settings = settings
        self.worker = worker
        self.loop = loop
        self.network = network
        self.workers = workers
        clock = environment.clock
        random = environment.random
        log = LinkLog(environment.log)
    }

    // MARK: Peers

    /// Takes links on the node's address; all workers share it. Port 0 takes any free one.
    ///
    /// - Returns: the address with its port.
    @discardableResult
    public func listen(on address: SocketAddress) throws(StreamError) -> SocketAddress {
        precondition(listener == nil && !isClosed)
        let listener = try network.listen(on: address) { [weak self] stream in self?.accept(stream) }
        self.listener = listener
        startPinging()
        return listener.address
    }

    /// Keeps a link to a peer from now on, and takes those that it makes.
    public func connect(to node: UInt32, at address: SocketAddress) {
        precondition(node != identity.node && !isClosed)
        startPinging()
        if let peer = peers[node] {
            peer.address = address
            return
        }
        let peer = PeerLink(
            node: node, address: address,
            keeper: LinkKeeper(isLower: identity.node < node, dials: true, settings: settings))
        peers[node] = peer
        perform(peer, peer.keeper.receive(.retry))
    }

    /// Closes the links to a peer, and makes and takes no more.
    public func disconnect(from node: UInt32) {
        let gone = peers.values.filter { $0.node == node } + secondaries.values.filter { $0.node == node }
        peers[node] = nil
        secondaries = secondaries.filter { $0.key.node != node }
        for peer in gone {
            peer.retry?.cancel()
            peer.dialing?.finish()
            peer.open?.finish()
        }
    }

    private func startPinging() {
        guard pinger == nil else { return }
        pinger = loop.schedule(after: settings.pingInterval) { [weak self] in
            guard let self, !isClosed else { return }
            pinger = nil
            // In the order of their making: what happens must not depend on a hash's seed.
            for number in streams.keys.sorted() { streams[number]?.tick() }
            startPinging()
        }
    }

    // MARK: Transport

    public func send(to peer: UInt32, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool {
        if let link = peers[peer]?.open, link.send(header, body) { return true }
        counters.declined += 1
        return false
    }

    public func reply(to session: PeerSession, _ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool {
        if let link = link(of: session), link.send(header, body) { return true }
        counters.declined += 1
        return false
    }

    private func link(of session: PeerSession) -> LinkStream? {
        if let link = peers[session.node]?.open, link.session == session { return link }
        if secondaries.isEmpty { return nil }
        return secondaries.values.first { $0.open?.session == session }?.open
    }

    public func isOpen(to peer: UInt32) -> Bool { peers[peer]?.open != nil }

    /// Bytes sent to a peer that the system has not taken yet; 0 without a link.
    public func unsentBytes(to peer: UInt32) -> Int { peers[peer]?.open?.stream?.unsentBytes ?? 0 }

    /// Streams that are open, or being made; for tests and metrics.
    public var streamCount: Int { streams.count }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        receiver = nil
        listener?.close()
        listener = nil
        pinger?.cancel()
        workers.close()
        for peer in Array(peers.values) + Array(secondaries.values) { peer.retry?.cancel() }
        for number in streams.keys.sorted() { streams[number]?.finish() }
        peers = [:]
        secondaries = [:]
    }

    // MARK: Streams

    private func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Above every number used before, also by an earlier run of this node: milliseconds since 1970, and below them 12
    /// bits of the node and 10 of the worker, so that no two links of one pair of nodes have the same.
    private func nextSession() -> UInt64 {
        let wall = UInt64(clamping: clock.wallMicroseconds / 1000)
        let time = min(max(lastSession >> 22 + 1, wall), 1 << 42 - 1)
        lastSession = time << 22 | UInt64(identity.node & 0xFFF) << 10 | UInt64(worker & 0x3FF)
        return lastSession
    }

    private func make(_ role: LinkHandshake.Role) -> LinkStream {
        let handshake = LinkHandshake(
            role, identity: identity, worker: worker, session: nextSession(), random: random.next)
        let link = LinkStream(nextNumber(), handshake, transport: self)
        streams[link.number] = link
        handshakes += 1
        return link
    }

    private func accept(_ stream: any ByteStream) -> (any StreamHandler)? {
        guard !isClosed else { return nil }
        if handshakes >= settings.handshakeLimit { dropOldestStranger() }
        let link = make(.acceptor)
        link.stream = stream
        return link
    }

    /// Makes room for a new stranger: a peer of ours takes much less time than those that only fill the room.
    private func dropOldestStranger() {
        let strangers = streams.values.filter { $0.handshake != nil && $0.peer == nil && $0.reason == nil }
        strangers.min { $0.number < $1.number }?.fail(StreamError("too many strangers"))
    }

    /// Takes a connection that another worker accepted, with the hello that came on it.
    func adopt(_ stream: any ByteStream, hello: [UInt8]) -> (any StreamHandler)? {
        guard let handler = accept(stream), let link = handler as? LinkStream else { return nil }
        withBytes(of: hello) { link.shake(.linkHello, $0) }
        return link
    }

    private func dial(_ peer: PeerLink) {
        guard let address = peer.address else { return }
        let link = make(.initiator(target: peer.node, wanted: worker))
        link.peer = peer
        peer.dialing = link
        _ = peer.keeper.receive(.dialing(link.number))
        do throws(StreamError) {
            link.stream = try network.connect(to: address, handler: link)
        } catch {
            // Not from within the call that asked for the stream.
            let me = Confined((self, link, error), on: loop)
            loop.post { me.value.1.closed(me.value.2) }
        }
    }

    func connected(_ link: LinkStream) {
        guard let peer = link.peer else { return }
        perform(peer, peer.keeper.receive(.connected(link.number)))
    }

    func offered(_ link: LinkStream, _ other: LinkPeer) {
        guard let known = peers[other.node] else {
            return link.refuse(LinkRefusal(.node, "node \(other.node) is not a member for node \(identity.node)"))
        }
        var peer = known
        if other.worker != worker {
            let key = Secondary(node: other.node, worker: other.worker)
            peer =
                secondaries[key]
                ?? PeerLink(
                    node: other.node, address: nil,
                    keeper: LinkKeeper(isLower: identity.node < other.node, dials: false, settings: settings))
            secondaries[key] = peer
        }
        link.peer = peer
        perform(peer, peer.keeper.receive(.offered(link.number, other, now: loop.now.nanoseconds)))
    }

    func established(_ link: LinkStream, _ other: LinkPeer) {
        guard let peer = link.peer else { return link.fail(nil) }
        perform(peer, peer.keeper.receive(.established(link.number, other, now: loop.now.nanoseconds)))
    }

    func ended(_ link: LinkStream, _ error: StreamError?) {
        guard streams.removeValue(forKey: link.number) != nil else { return }
        if link.handshake != nil { handshakes -= 1 }
        guard let peer = link.peer, !isClosed else { return }
        if peer.dialing === link {
            peer.dialing = nil
            if let error { noteFailure(error, to: peer) }
        }
        perform(
            peer, peer.keeper.receive(.ended(link.number, now: loop.now.nanoseconds, jitter: random.next())))
        if peer.address == nil, peer.keeper.isIdle { secondaries = secondaries.filter { $0.value !== peer } }
    }

    // MARK: What the keeper decides

    private func perform(_ peer: PeerLink, _ actions: [LinkKeeper.Action]) {
        for action in actions where !isClosed {
            switch action {
            case .dial: dial(peer)
            case .wait(let delay):
                peer.retry = loop.schedule(after: delay) { [weak self, weak peer] in
                    guard let self, let peer else { return }
                    perform(peer, peer.keeper.receive(.retry))
                }
            case .admit(let number): streams[number]?.admit()
            case .refuse(let number, let refusal): streams[number]?.refuse(refusal)
            case .close(let number): streams[number]?.fail(StreamError("another link took its place"))
            case .opened(let number, let other): opened(number, other, peer)
            case .lost(let number): lost(number, peer)
            }
        }
    }

    private func opened(_ number: UInt64, _ other: LinkPeer, _ peer: PeerLink) {
        guard let link = streams[number] else { return }
        if peer.dialing === link { peer.dialing = nil }
        handshakes -= 1
        lastSession = max(lastSession, other.session)
        counters.opened += 1
        link.becomeOpen(other)
        peer.open = link
        receiver?.linkOpened(link.session)
    }

    private func lost(_ number: UInt64, _ peer: PeerLink) {
        guard let link = peer.open, link.number == number else { return }
        peer.open = nil
        counters.closed += 1
        let session = link.session
        let reason = link.reason
        if let reason {
            log.say(.info, about: peer.node, code: 254, at: loop.now, "link with \(session) lost: \(reason)")
        }
        receiver?.linkClosed(session, reason)
    }

    // MARK: What is said and counted

    func countDamage() { counters.damaged += 1 }

    func note(_ refusal: LinkRefusal, on link: LinkStream, isOurs: Bool) {
        counters.refused += 1
        guard refusal.isFault else { return }
        let claimed = link.peer?.node ?? link.handshake?.claimedNode
        let who = claimed.map { "node \($0)" } ?? "a stranger"
        let place = link.stream.map { " (\($0.peer))" } ?? ""
        let known = claimed.flatMap { peers[$0] == nil ? nil : $0 }
        log.say(
            .warning, about: known, code: refusal.code.rawValue, at: loop.now,
            isOurs ? "link with \(who)\(place) refused: \(refusal)" : "\(who)\(place) refuses a link: \(refusal)")
    }

    private func noteFailure(_ error: StreamError, to peer: PeerLink) {
        guard let address = peer.address else { return }
        log.say(
            .info, about: peer.node, code: 255, at: loop.now, "no link to node \(peer.node) at \(address): \(error)")
    }
}
