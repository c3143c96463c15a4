import Glibc
import MartletCore
import MartletIO
import MartletNode
import MartletRuntime
import MartletSimulator

/// What a node heard; written on its loop, read by the test.
final class Recorder: TransportReceiver, Sendable {
    struct Message: Equatable {
        var header: MessageHeader
        var payload: [UInt8]
        var session: PeerSession
    }
    struct State {
        var messages: [Message] = []
        var opened: [PeerSession] = []
        var closed: [PeerSession] = []
        var reasons: [String] = []
    }

    let state = Lock(State())
    /// Called after each event, on the loop.
    let happened: @Sendable () -> Void
    /// Called for each message, on the loop.
    let onMessage = Lock<(@Sendable (MessageHeader, PeerSession) -> Void)?>(nil)

    init(_ happened: @escaping @Sendable () -> Void) { self.happened = happened }

    func received(_ header: MessageHeader, _ payload: RawSpan, from peer: PeerSession) {
        let message = Message(header: header, payload: payload.array, session: peer)
        state.withLock { $0.messages.append(message) }
        onMessage.withLock { $0 }?(header, peer)
        happened()
    }
    func linkOpened(_ peer: PeerSession) {
        state.withLock { $0.opened.append(peer) }
        happened()
    }
    func linkClosed(_ peer: PeerSession, _ reason: StreamError?) {
        state.withLock {
            $0.closed.append(peer)
            $0.reasons.append(reason?.message ?? "")
        }
        happened()
    }

    var messages: [Message] { state.withLock { $0.messages } }
    var opened: [PeerSession] { state.withLock { $0.opened } }
    var closed: [PeerSession] { state.withLock { $0.closed } }
    var reasons: [String] { state.withLock { $0.reasons } }
}

/// Lines a node logged.
final class Lines: Sendable {
    private let state = Lock<[String]>([])
    let happened: @Sendable () -> Void
    init(_ happened: @escaping @Sendable () -> Void) { self.happened = happened }
    var all: [String] { state.withLock { $0 } }
    var log: Log {
        Log(label: "test", level: .info) { _, _, line in
            self.state.withLock { $0.append(line) }
            self.happened()
        }
    }
}

/// One node under test.
struct TestNode {
    var id: UInt32
    var loop: any EventLoop
    var transport: Confined<any Transport>
    var recorder: Recorder
    var lines: Lines
    var address: SocketAddress

    var links: Confined<LinkTransport> {
        Confined(transport.handedOver as! LinkTransport, handedTo: loop)
    }
}

/// How a node is to be made.
struct NodeOptions {
    var cluster = "test"
    var incarnation: UInt64 = 7
    var digest: UInt8 = 1
    var secret: String?
    var settings = LinkSettings()
    /// The node that the others take it for, if it says that it is another.
    var address: SocketAddress?
}

/// Where a test's nodes live.
protocol World: AnyObject {
    func makeNode(_ id: UInt32, _ options: NodeOptions) -> TestNode
    /// Runs `body` on a node's loop and waits for it.
    func run<T: Sendable>(on node: TestNode, _ body: @escaping @Sendable () -> T) -> T
    /// Waits until `isDone`, which is asked after each event.
    func wait(until isDone: () -> Bool) -> Bool
    func end()
}

extension World {
    /// Makes `from` keep a link to `to`.
    func connect(_ from: TestNode, _ to: TestNode) {
        run(on: from) { from.transport.keep(to.id, at: to.address) }
    }
    func connectBoth(_ a: TestNode, _ b: TestNode) {
        connect(a, b)
        connect(b, a)
    }
    func send(_ from: TestNode, to node: UInt32, _ payloads: [[UInt8]], request: UInt64 = 0) -> Int {
        run(on: from) {
            var sent = 0
            for (index, payload) in payloads.enumerated() {
                let header = MessageHeader(
                    kind: MessageKind(rawValue: 1), request: request + UInt64(index), deadline: 1000, epoch: 3, stamp: 5
                )
                if from.transport.value.send(to: node, header, { $0.append(payload) }) { sent += 1 }
            }
            return sent
        }
    }
    func isOpen(_ a: TestNode, to b: TestNode) -> Bool { run(on: a) { a.transport.value.isOpen(to: b.id) } }
}

extension Confined where Value == any Transport {
    func keep(_ node: UInt32, at address: SocketAddress) {
        (value as? LinkTransport)?.connect(to: node, at: address)
    }
}

func makeIdentity(_ id: UInt32, _ options: NodeOptions) -> LinkIdentity {
    LinkIdentity(
        cluster: options.cluster, node: id, incarnation: options.incarnation,
        digest: [UInt8](repeating: options.digest, count: 16), founding: Array("replicas: \(options.digest)".utf8),
        authenticator: options.secret.map { ClusterSecret(Array($0.utf8)) },
        firstDifference: { mine, theirs in
            "\(String(decoding: mine, as: UTF8.self)) here, \(String(decoding: theirs, as: UTF8.self)) there"
        })
}
