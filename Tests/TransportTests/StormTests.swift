import MartletCore
import MartletNode
import MartletRuntime
import MartletSimulator
import Testing

/// Strangers on the node port, and what they leave behind.
@Suite struct StormTests {
    /// Bytes that a stranger may send, and stay.
    static let openings: [[UInt8]] = [
        [], [1], Array("GET / HTTP/1.1\r\nHost: martlet\r\n\r\n".utf8), [UInt8](repeating: 0, count: 4096),
        [UInt8](repeating: 255, count: 100), frame(.linkHello, []), frame(.linkHello, pattern(200, 3)),
        frame(.linkPing, []), frame(MessageKind(rawValue: 0xFF02), pattern(40, 1)),
        frame(MessageKind(rawValue: 0xFF03), []), frame(MessageKind(rawValue: 0xFF04), [3, 255, 255]),
        frame(MessageKind(rawValue: 1), pattern(1000, 2)), Array(frame(.linkHello, pattern(500, 3)).prefix(300)),
    ]

    static func frame(_ kind: MessageKind, _ payload: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        let isTaken = Frame.append(MessageHeader(kind: kind), to: &buffer) { $0.append(payload) }
        precondition(isTaken)
        return buffer.copy()
    }

    @Test func aStormOfConnectionsLeavesNothing() {
        let world = RealWorld()
        defer { world.end() }
        var options = NodeOptions()
        options.settings.handshakeTimeout = .milliseconds(100)
        options.settings.handshakeLimit = 64
        let (a, b) = world.makePair(options)
        let rounds = 600
        let closed = Lock(0)
        let gate = world.gate
        for round in 0..<rounds {
            world.run(on: b) {
                let peer = RawPeer(Self.openings[round % Self.openings.count]) { _ in
                    closed.withLock { $0 += 1 }
                    gate.open()
                }
                peer.stream = try? b.loop.connect(to: a.address, handler: peer)
            }
        }
        #expect(world.wait { closed.withLock { $0 } == rounds })
        #expect(world.wait { world.streams(a) == 1 })
        #expect(a.recorder.closed.isEmpty && b.recorder.closed.isEmpty)
        world.send(b, to: 1, [[9]])
        #expect(world.wait { a.recorder.messages.count == 1 })
        #expect(sockets(on: a.address.port) <= 2)  // its listener, and the link's if b made that
    }

    @Test(arguments: 1...20)
    func strangersAreAnsweredOrCutOff(_ seed: UInt64) {
        let world = SimulatedWorld(seed: seed)
        defer { world.end() }
        let (a, b) = world.makePair()
        let closed = Lock(0)
        for opening in Self.openings {
            world.run(on: b) {
                let peer = RawPeer(opening) { _ in closed.withLock { $0 += 1 } }
                peer.stream = try? b.loop.connect(to: a.address, handler: peer)
            }
        }
        #expect(world.wait { closed.withLock { $0 } == Self.openings.count })
        world.executor.run(for: .seconds(5))
        #expect(world.streams(a) == 1 && a.recorder.closed.isEmpty && a.recorder.messages.isEmpty)
    }

    /// A node that closes each link as soon as it is open.
    @Test func aPeerThatKeepsClosingIsMetWithPatience() {
        let world = SimulatedWorld(seed: 9)
        defer { world.end() }
        let (a, b) = (world.makeNode(1), world.makeNode(2))
        world.keep(a, 2, at: b.address)
        world.keep(b, 1, at: SocketAddress(host: "10.9.9.9", port: 1))  // b cannot reach a
        let rounds = Lock(0)
        #expect(world.wait { !b.recorder.opened.isEmpty })
        for _ in 0..<60 {
            world.run(on: b) {
                guard let links = b.transport.value as? LinkTransport, links.isOpen(to: 1) else { return }
                rounds.withLock { $0 += 1 }
                links.disconnect(from: 1)
                links.connect(to: 1, at: SocketAddress(host: "10.9.9.9", port: 1))
            }
            world.executor.run(for: .seconds(1))
        }
        #expect(rounds.withLock { $0 } > 3)
        #expect(world.counters(a).opened < 40)
        #expect(world.streams(a) <= 1)
    }
}
