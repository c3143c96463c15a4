import MartletCore
import Testing

@Suite struct LinkHandshakeTests {
    /// Knows whether two sides have the same secret; a real one is libsodium's.
    private struct Toy: LinkAuthenticator {
        var secret: UInt64
        func code(for message: [UInt8]) -> [UInt8] {
            var buffer = ByteBuffer()
            buffer.append(littleEndian: withBytes(of: message) { XXH3.hash($0, seed: secret) })
            return buffer.copy()
        }
        func verifies(_ code: [UInt8], for message: [UInt8]) -> Bool { code == self.code(for: message) }
    }

    private func identity(_ node: UInt32, secret: UInt64? = 9, digest: UInt8 = 1) -> LinkIdentity {
        LinkIdentity(
            cluster: "test", node: node, incarnation: UInt64(node) * 100,
            digest: [UInt8](repeating: digest, count: LinkHello.digestLength), founding: [digest], workers: 2,
            authenticator: secret.map { Toy(secret: $0) },
            firstDifference: { "N is \($0) here, \($1) there" })
    }

    private func initiator(_ identity: LinkIdentity, nonce: UInt64 = 1) -> LinkHandshake {
        LinkHandshake(.initiator(target: 2, wanted: 3), identity: identity, worker: 1, session: 10) { nonce }
    }
    private func acceptor(_ identity: LinkIdentity, nonce: UInt64 = 2) -> LinkHandshake {
        LinkHandshake(.acceptor, identity: identity, worker: 1, session: 20) { nonce }
    }

    private func deliver(_ side: inout LinkHandshake, _ action: LinkHandshake.Action?) -> [LinkHandshake.Action] {
        guard case .send(let kind, let payload)? = action else { return [] }
        return withBytes(of: payload) { side.receive(kind, $0) }
    }

    @Test(arguments: [nil, 9] as [UInt64?])
    func bothSidesAgree(_ secret: UInt64?) throws {
        var (a, b) = (initiator(identity(1, secret: secret)), acceptor(identity(2, secret: secret)))
        let hello = deliver(&b, a.begin().first)
        let proof = deliver(&a, hello.first)
        let offer = deliver(&b, proof.first)
        guard case .offer(let first)? = offer.first else {
            Issue.record("not offered: \(offer)")
            return
        }
        let ready = deliver(&a, b.admit().first)
        guard case .established(let second)? = ready.first else {
            Issue.record("not open: \(ready)")
            return
        }
        #expect(first.node == 1 && first.incarnation == 100 && second.node == 2 && second.incarnation == 200)
        #expect(first.session == 20 && second.session == 20 && first.worker == 1 && second.workers == 2)
    }

    @Test func aRecordedExchangeIsWorthless() {
        var (a, b) = (initiator(identity(1)), acceptor(identity(2)))
        let first = a.begin()
        let proof = deliver(&a, deliver(&b, first.first).first)
        var again = acceptor(identity(2), nonce: 3)
        _ = deliver(&again, first.first)
        guard case .refuse(let refusal)? = deliver(&again, proof.first).last else {
            Issue.record("a replayed proof was taken")
            return
        }
        #expect(refusal.code == .secret)
    }

    @Test func aProofIsNotTakenFromItsMaker() {
        // An acceptor without the secret sends the initiator's own words back.
        var a = initiator(identity(1))
        guard case .send(let kind, let hello)? = a.begin().first else {
            Issue.record("no hello")
            return
        }
        let actions = withBytes(of: hello) { a.receive(kind, $0) }
        guard case .refuse(let refusal)? = actions.last else {
            Issue.record("taken: \(actions)")
            return
        }
        #expect(refusal.code == .node)
    }

    @Test func anotherVersionIsNamed() {
        var (a, b) = (initiator(identity(1)), acceptor(identity(2)))
        guard case .send(let kind, var hello)? = a.begin().first else {
            Issue.record("no hello")
            return
        }
        for (place, byte) in [(8, 9), (9, 0), (10, 8), (11, 0)] as [(Int, UInt8)] {
            // After the length, which takes a byte or two, and the magic.
            hello[place + (hello[0] < 128 ? 1 : 2)] = byte
        }
        let actions = withBytes(of: hello) { b.receive(kind, $0) }
        guard case .refuse(let refusal)? = actions.last else {
            Issue.record("taken: \(actions)")
            return
        }
        #expect(refusal.code == .version && refusal.message == "protocol versions 8 to 9 there, 1 to 1 here")
        // The other side hears the same.
        guard case .refused(let heard)? = deliver(&a, actions.first).last else {
            Issue.record("not heard")
            return
        }
        #expect(heard == refusal)
    }

    @Test func settingsAreShownToMembersOnly() {
        var (a, b) = (initiator(identity(1, digest: 5)), acceptor(identity(2)))
        let proof = deliver(&a, deliver(&b, a.begin().first).first)
        let refusal = deliver(&b, proof.first)
        #expect(refusal.last == .refuse(LinkRefusal(.digest, "N is [1] here, [5] there")))
        #expect(deliver(&a, refusal.first) == [.refused(LinkRefusal(.digest, "N is [5] here, [1] there"))])
        // One without the secret gets to see nothing of them.
        var stranger = initiator(identity(1, secret: 8, digest: 5))
        var c = acceptor(identity(2))
        let unproved = deliver(&stranger, deliver(&c, stranger.begin().first).first)
        guard case .send(_, let payload)? = unproved.first else {
            Issue.record("nothing said")
            return
        }
        #expect(!payload.contains(5))
    }

    @Test func anotherWorkersLinkIsRouted() {
        var a = LinkHandshake(.initiator(target: 2, wanted: 4), identity: identity(1), worker: 1, session: 1) { 1 }
        var b = acceptor(identity(2))
        #expect(deliver(&b, a.begin().first) == [.route(worker: 0)])
    }

    @Test func whatCannotStandThereIsRefused() {
        for raw: UInt16 in [0x0001, 0xFF00, 0xFF02, 0xFF03, 0xFF77] {
            var b = acceptor(identity(2))
            let actions = withBytes(of: [1, 2, 3]) { b.receive(MessageKind(rawValue: raw), $0) }
            guard case .refuse(let refusal)? = actions.last else {
                Issue.record("taken: \(raw)")
                return
            }
            #expect(refusal.code == .malformed)
        }
    }
}
