internal import MartletCore
internal import MartletRuntime

/// One stream between two nodes, from its making to its end: first a handshake, then a link that carries messages.
final class LinkStream: StreamHandler {
    /// Tells it from all other streams of its transport.
    let number: UInt64
    let transport: LinkTransport
    /// Set right after the making; nil once it is gone.
    var stream: (any ByteStream)?
    /// The peer it belongs to, as soon as that is known.
    var peer: PeerLink?
    /// Nil once the link is open.
    var handshake: LinkHandshake?
    /// Who is at the other end, once the link is open.
    private(set) var session = PeerSession(node: 0, incarnation: 0, session: 0)
    private(set) var worker = 0

    private var parser = FrameParser(longest: LinkHello.longestFrame)
    /// The beginning of a frame that has not come whole yet.
    private var input = ByteBuffer()
    /// Nothing that comes is looked at any more.
    private var isOver = false
    private var deadline: (any LoopTimer)?
    private var silentTicks = 0
    private var hasSent = false
    /// Why it ends, if this side knows.
    private(set) var reason: StreamError?

    /// Bytes of input memory that a link keeps when nothing is in it.
    private static let idleInput = 64 << 10

    init(_ number: UInt64, _ handshake: LinkHandshake, transport: LinkTransport) {
        self.number = number
        self.handshake = handshake
        self.transport = transport
        deadline = transport.loop.schedule(after: transport.settings.handshakeTimeout) { [weak self] in
            self?.handshakeExpired()
        }
    }

    var isOpen: Bool { handshake == nil && !isOver }

    // MARK: The stream's events

    func opened() {
        guard !isOver, var handshake else { return }
        transport.connected(self)
        let actions = handshake.begin()
        self.handshake = handshake
        perform(actions)
    }

    func received(_ bytes: RawSpan) {
        guard !isOver else { return }
        silentTicks = 0
        if input.isEmpty {
            let used = take(bytes)
            if !isOver, used < bytes.byteCount { input.append(bytes.extracting(used..<bytes.byteCount)) }
        } else {
            input.append(bytes)
            let used = input.withBytes { take($0) }
            input.consume(used)
        }
        input.releaseExcess(keeping: Self.idleInput)
    }

    func closed(_ error: StreamError?) {
        deadline?.cancel()
        isOver = true
        stream = nil
        reason = reason ?? error
        transport.ended(self, reason)
    }

    // MARK: Messages

    /// Delivers the whole frames of `bytes`.
    ///
    /// - Returns: the bytes they take.
    private func take(_ bytes: RawSpan) -> Int {
        var offset = 0
        do throws(FrameError) {
            while !isOver, case .frame(let header, let payload) = try parser.next(bytes, at: offset) {
                offset = payload.upperBound
                let content = bytes.extracting(payload)
                if handshake != nil {
                    shake(header.kind, content)
                } else if !header.kind.isOfLink {
                    transport.receiver?.received(header, content, from: session)
                }
            }
        } catch {
            transport.countDamage()
            fail(StreamError(error.description))
        }
        return offset
    }

    /// Writes one message.
    ///
    /// - Returns: false, with nothing written, if the peer does not take enough or the message is too long.
    func send(_ header: MessageHeader, _ body: (inout ByteBuffer) -> Void) -> Bool {
        guard let stream, isOpen, stream.unsentBytes < transport.settings.unsentLimit else { return false }
        hasSent = true
        return stream.write { Frame.append(header, to: &$0, body) }
    }

    /// Called each ping interval: shows a sign of life if nothing else was sent, gives up on a peer that shows none.
    func tick() {
        guard isOpen, let stream else { return }
        silentTicks += 1
        let settings = transport.settings
        if settings.pingInterval * silentTicks > settings.idleTimeout {
            return fail(StreamError("nothing was heard for \(settings.idleTimeout)"))
        }
        // What waits in the output already is a sign of life, once it gets through.
        if !hasSent, stream.unsentBytes == 0 {
            stream.write { _ = Frame.append(MessageHeader(kind: .linkPing), to: &$0) { _ in } }
        }
        hasSent = false
    }

    // MARK: Handshake

    /// Hands a message of the handshake over; also used for the first one of a stream that another worker accepted.
    func shake(_ kind: MessageKind, _ payload: RawSpan) {
        guard var handshake else { return }
        let actions = handshake.receive(kind, payload)
        self.handshake = handshake
        for action in actions {
            guard case .route(let worker) = action else { continue }
            return route(to: worker, payload.array)
        }
        perform(actions)
    }

    func admit() {
        guard var handshake else { return }
        let actions = handshake.admit()
        self.handshake = handshake
        perform(actions)
    }

    func refuse(_ refusal: LinkRefusal) {
        guard var handshake else { return }
        let actions = handshake.refuse(refusal)
        self.handshake = handshake
        perform(actions)
    }

    /// The link is open: from here on messages flow.
    func becomeOpen(_ peer: LinkPeer) {
        session = PeerSession(node: peer.node, incarnation: peer.incarnation, session: peer.session)
        worker = peer.worker
        deadline?.cancel()
        deadline = nil
        handshake = nil
        parser.longest = Frame.longest
    }

    private func perform(_ actions: [LinkHandshake.Action]) {
        for action in actions {
            switch action {
            case .send(let kind, let payload):
                stream?.write { _ = Frame.append(MessageHeader(kind: kind), to: &$0) { $0.append(payload) } }
            case .route: break
            case .offer(let peer): transport.offered(self, peer)
            case .established(let peer): transport.established(self, peer)
            case .refuse(let refusal):
                transport.note(refusal, on: self, isOurs: true)
                reason = StreamError(refusal.message)
                isOver = true
                stream?.closeAfterFlush()  // the deadline stands, should the peer not read
            case .refused(let refusal):
                transport.note(refusal, on: self, isOurs: false)
                fail(StreamError(refusal.message))
            }
        }
    }

    /// Gives the connection to the worker that it was meant for.
    private func route(to worker: Int, _ hello: [UInt8]) {
        deadline?.cancel()
        isOver = true
        guard let target = transport.workers.transport(worker), let stream else {
            self.stream?.close()
            return
        }
        self.stream = nil
        stream.move(to: target.loop) { stream in
            target.transport.value.adopt(stream, hello: hello)
        }
        transport.ended(self, nil)
    }

    private func handshakeExpired() { fail(StreamError("no answer within \(transport.settings.handshakeTimeout)")) }

    // MARK: End

    /// Ends it at once, for a reason that this side has found.
    func fail(_ error: StreamError?) {
        reason = reason ?? error
        isOver = true
        stream?.close()
    }

    /// Ends it once what was written is out, or the peer does not take it.
    func finish() {
        guard !isOver else { return }
        isOver = true
        stream?.closeAfterFlush()
        deadline?.cancel()
        deadline = transport.loop.schedule(after: transport.settings.handshakeTimeout) { [weak self] in
            self?.stream?.close()
        }
    }
}
