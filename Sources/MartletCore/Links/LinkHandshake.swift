extension MessageKind {
    /// Who a side is; the acceptor's also holds its proof.
    public static let linkHello = MessageKind(rawValue: 0xFF01)
    /// The initiator's proof, and its founding description if the digests differ.
    static let linkProof = MessageKind(rawValue: 0xFF02)
    /// The acceptor takes the link.
    static let linkReady = MessageKind(rawValue: 0xFF03)
    /// A side does not take the link.
    static let linkRefusal = MessageKind(rawValue: 0xFF04)
    /// A sign of life on a link where nothing else is sent.
    public static let linkPing = MessageKind(rawValue: 0xFF05)
}

/// How two nodes come to trust a stream: a state machine, one for each side of each stream.
///
/// The initiator says hello; the acceptor says hello and proves that it knows the secret; the initiator proves it too;
/// the acceptor says ready. Each proof is a code of the whole exchange so far, nonces of both sides included, and of
/// the side's role, so that none can be replayed or reflected. Digests are compared after the proofs, so that a
/// cluster's settings are shown to none but its members.
public struct LinkHandshake: Sendable {
    public enum Role: Sendable, Hashable {
        /// Connected to `target`, and asks for its worker `wanted`.
        case initiator(target: UInt32, wanted: Int)
        case acceptor
    }

    /// What the owner of the stream is to do.
    public enum Action: Sendable, Hashable {
        case send(MessageKind, [UInt8])
        /// The peer asks for another worker, which is to be given the stream and the message at hand.
        case route(worker: Int)
        /// The acceptor is satisfied: answer with ``admit()`` or ``refuse(_:)``.
        case offer(LinkPeer)
        /// The initiator's link is open.
        case established(LinkPeer)
        /// This side refuses; the reason was sent, and the stream is to be closed once that is out.
        case refuse(LinkRefusal)
        /// The other side refuses; the stream is to be closed.
        case refused(LinkRefusal)
    }

    private enum State: Sendable {
        case hello, proof, offered, ready, over
    }

    private let role: Role
    private let identity: LinkIdentity
    private let worker: Int
    private let session: UInt64
    private let nonce: [UInt8]
    private var state = State.hello
    private var mine: [UInt8] = []
    private var theirs: [UInt8] = []
    private var digestDiffers = false
    private var peer: LinkPeer?

    /// The node at the other end as far as it has said so; not to be trusted before the link is open.
    public private(set) var claimedNode: UInt32?

    /// - Parameters:
    ///   - worker: this end's worker.
    ///   - session: the number proposed for the link; the greater of both sides' is taken.
    ///   - random: where the nonce comes from; unpredictable where there is a secret.
    public init(
        _ role: Role, identity: LinkIdentity, worker: Int, session: UInt64, random: () -> UInt64
    ) {
        self.role = role
        self.identity = identity
        self.worker = worker
        self.session = session
        var nonce = ByteBuffer(capacity: LinkHello.nonceLength)
        for _ in 0..<LinkHello.nonceLength / 8 { nonce.append(littleEndian: random()) }
        self.nonce = nonce.copy()
    }

    /// What the stream's opening calls for.
    public mutating func begin() -> [Action] {
        guard case .initiator(let target, let wanted) = role else { return [] }
        mine = LinkHello(
            identity, target: target, session: session, worker: worker, wanted: wanted, nonce: nonce
        ).encoded()
        return [.send(.linkHello, Self.helloPayload(mine, proof: []))]
    }

    /// A message came on the stream.
    public mutating func receive(_ kind: MessageKind, _ payload: RawSpan) -> [Action] {
        do throws(LinkRefusal) {
            switch (kind, state) {
            case (.linkHello, .hello): return try hear(payload)
            case (.linkProof, .proof): return try prove(payload)
            case (.linkReady, .ready):
                guard let peer else { return [] }
                state = .over
                return [.established(peer)]
            case (.linkRefusal, _): return hearRefusal(payload)
            case (_, .over): return []
            case (.linkPing, _): return []
            default: throw LinkRefusal(.malformed, "\(kind) before the link is open")
            }
        } catch {
            return refuse(error)
        }
    }

    /// Takes the link offered.
    public mutating func admit() -> [Action] {
        state = .over
        return [.send(.linkReady, [])]
    }

    /// Ends the handshake with a reason that both sides hear.
    public mutating func refuse(_ refusal: LinkRefusal) -> [Action] {
        state = .over
        let founding = refusal.code == .digest ? identity.founding : []
        return [.send(.linkRefusal, refusal.encoded(founding: founding)), .refuse(refusal)]
    }

    // MARK: The exchange

    private mutating func hear(_ payload: RawSpan) throws(LinkRefusal) -> [Action] {
        let (place, proof) = try Self.splitHello(payload)
        let bytes = payload.extracting(place)
        let hello = try LinkHello(bytes)
        claimedNode = hello.node
        if role == .acceptor, Int(hello.wanted) % identity.workers != worker {
            state = .over
            return [.route(worker: Int(hello.wanted) % identity.workers)]
        }
        try check(hello)
        theirs = bytes.array
        peer = LinkPeer(
            node: hello.node, incarnation: hello.incarnation, session: max(session, hello.session),
            epoch: hello.epoch, features: hello.features & identity.features, worker: Int(hello.worker),
            workers: Int(hello.workers))
        digestDiffers = hello.digest != identity.digest
        if role == .acceptor {
            mine = LinkHello(
                identity, target: hello.node, session: session, worker: worker, wanted: Int(hello.worker),
                nonce: nonce
            ).encoded()
            state = .proof
            return [.send(.linkHello, Self.helloPayload(mine, proof: code(as: .acceptor)))]
        }
        try verify(payload.extracting(proof).array, isAcceptors: true)
        state = .ready
        var message = ByteBuffer()
        let proof2 = code(as: role)
        message.append(varint: UInt64(proof2.count))
        message.append(proof2)
        if digestDiffers { message.append(identity.founding) }
        return [.send(.linkProof, message.copy())]
    }

    private mutating func prove(_ payload: RawSpan) throws(LinkRefusal) -> [Action] {
        var cursor = ByteCursor()
        guard let place = try? cursor.run(of: payload, upTo: 64), let peer else {
            throw LinkRefusal(.malformed, "a proof that cannot be read")
        }
        try verify(payload.extracting(place).array, isAcceptors: false)
        if digestDiffers {
            throw difference(payload.extracting(cursor.offset..<payload.byteCount).array)
        }
        state = .offered
        return [.offer(peer)]
    }

    private mutating func hearRefusal(_ payload: RawSpan) -> [Action] {
        guard let (refusal, founding) = try? LinkRefusal.decode(payload) else {
            state = .over
            return [.refused(LinkRefusal(.malformed, "a refusal that cannot be read"))]
        }
        // Only who proved itself is believed to hold other settings.
        let isProved = state == .ready
        state = .over
        return [.refused(refusal.code == .digest && isProved ? difference(founding) : refusal)]
    }

    private func check(_ hello: LinkHello) throws(LinkRefusal) {
        guard hello.cluster == identity.cluster else {
            throw LinkRefusal(
                .cluster, "cluster \(hello.cluster) there, \(identity.cluster) here, on node \(identity.node)")
        }
        guard hello.target == identity.node else {
            throw LinkRefusal(.node, "this is node \(identity.node), not \(hello.target)")
        }
        if case .initiator(let target, _) = role, hello.node != target {
            throw LinkRefusal(.node, "node \(hello.node) answers where node \(target) should")
        }
        guard hello.node != identity.node else {
            throw LinkRefusal(.node, "another node says it is node \(identity.node), too")
        }
        guard hello.hasSecret == (identity.authenticator != nil) else {
            let mine = identity.authenticator == nil ? "no cluster secret" : "a cluster secret"
            throw LinkRefusal(.secret, "node \(identity.node) has \(mine), node \(hello.node) differs")
        }
    }

    private func difference(_ founding: [UInt8]) -> LinkRefusal {
        LinkRefusal(.digest, identity.firstDifference(identity.founding, founding))
    }

    // MARK: Proofs

    /// What a side's code is made of: its role, then the initiator's hello, then the acceptor's.
    private func transcript(isAcceptors: Bool) -> [UInt8] {
        let (first, second) = role == .acceptor ? (theirs, mine) : (mine, theirs)
        var buffer = ByteBuffer(capacity: first.count + second.count + 32)
        buffer.append(isAcceptors ? "martlet link acceptor\n" : "martlet link initiator\n")
        buffer.append(littleEndian: UInt32(first.count))
        buffer.append(first)
        buffer.append(second)
        return buffer.copy()
    }

    private func code(as role: Role) -> [UInt8] {
        identity.authenticator?.code(for: transcript(isAcceptors: role == .acceptor)) ?? []
    }

    private func verify(_ code: [UInt8], isAcceptors: Bool) throws(LinkRefusal) {
        guard let authenticator = identity.authenticator else { return }
        guard authenticator.verifies(code, for: transcript(isAcceptors: isAcceptors)) else {
            throw LinkRefusal(.secret, "the cluster secrets of node \(identity.node) and its peer differ")
        }
    }

    private static func helloPayload(_ hello: [UInt8], proof: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer(capacity: hello.count + proof.count + 4)
        buffer.append(varint: UInt64(hello.count))
        buffer.append(hello)
        buffer.append(varint: UInt64(proof.count))
        buffer.append(proof)
        return buffer.copy()
    }

    private static func splitHello(_ payload: RawSpan) throws(LinkRefusal) -> (Range<Int>, Range<Int>) {
        do throws(ByteCursor.Malformed) {
            var cursor = ByteCursor()
            let hello = try cursor.run(of: payload, upTo: 4096)
            return (hello, try cursor.run(of: payload, upTo: 64))
        } catch {
            throw LinkRefusal(.malformed, "a hello that cannot be read")
        }
    }
}
