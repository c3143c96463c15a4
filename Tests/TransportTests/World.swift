import Glibc
import MartletCore
import MartletIO
import MartletNode
import MartletRuntime
import MartletSimulator

/// Which transport a test is run with.
enum Kind: CaseIterable {
    case tcp, inProcess, simulatedStreams, simulatedMessages

    static let ofLinks: [Kind] = [.tcp, .inProcess, .simulatedStreams]

    func makeWorld(seed: UInt64 = 1) -> any World {
        switch self {
        case .tcp: RealWorld()
        case .inProcess: InProcessWorld()
        case .simulatedStreams: SimulatedWorld(seed: seed)
        case .simulatedMessages: MessageWorld(seed: seed)
        }
    }
}

/// How a node is to be made.
struct NodeOptions {
    var cluster = "test"
    var incarnation: UInt64 = 7
    var digest: UInt8 = 1
    var secret: String?
    var settings = LinkSettings()
    /// Any free one if it is nil.
    var address: SocketAddress?
    /// What comes of the bytes that the node receives, and in how many pieces.
    var tap: Tap?

    func identity(_ id: UInt32, workers: Int = 1) -> LinkIdentity {
        LinkIdentity(
            cluster: cluster, node: id, incarnation: incarnation, digest: [UInt8](repeating: digest, count: 16),
            founding: Array("replicas: \(digest)".utf8), workers: workers,
            authenticator: secret.map { ClusterSecret(Array($0.utf8)) },
            firstDifference: { mine, theirs in
                "\(String(decoding: mine, as: UTF8.self)) here, \(String(decoding: theirs, as: UTF8.self)) there"
            })
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
}

/// Where a test's nodes live.
protocol World: AnyObject {
    func makeNode(_ id: UInt32, _ options: NodeOptions) -> TestNode
    /// Has a node keep a link to another. On the node's loop.
    func keep(_ from: TestNode, _ to: UInt32, at address: SocketAddress)
    /// Runs `body` on a node's loop and waits for it.
    func run<T: Sendable>(on node: TestNode, _ body: @escaping @Sendable () -> T) -> T
    /// Waits until `isDone`, which is asked after each event; false if that takes far too long.
    func wait(until isDone: () -> Bool) -> Bool
    /// Sets what may be unsent before a message is declined, where it is not the nodes' setting.
    func setUnsentLimit(_ limit: Int)
    /// Closes a node as the end of its process does.
    func end(_ node: TestNode)
    func end()
}

extension World {
    func makeNode(_ id: UInt32) -> TestNode { makeNode(id, NodeOptions()) }
    func setUnsentLimit(_ limit: Int) {}

    func keep(_ from: TestNode, _ to: UInt32, at address: SocketAddress) {
        run(on: from) { (from.transport.value as? LinkTransport)?.connect(to: to, at: address) }
    }
    func connectBoth(_ a: TestNode, _ b: TestNode) {
        keep(a, b.id, at: b.address)
        keep(b, a.id, at: a.address)
    }
    func isOpen(_ a: TestNode, _ b: TestNode) -> Bool {
        run(on: a) { a.transport.value.isOpen(to: b.id) } && run(on: b) { b.transport.value.isOpen(to: a.id) }
    }
    /// Two nodes with a link between them.
    func makePair(_ options: NodeOptions = NodeOptions()) -> (TestNode, TestNode) {
        let (a, b) = (makeNode(1, options), makeNode(2, options))
        connectBoth(a, b)
        precondition(wait { isOpen(a, b) })
        return (a, b)
    }
    /// Sends all payloads in one turn.
    ///
    /// - Returns: how many were taken.
    @discardableResult
    func send(_ from: TestNode, to node: UInt32, kind: UInt16 = 1, _ payloads: [[UInt8]], first: UInt64 = 0) -> Int {
        run(on: from) {
            var sent = 0
            for (index, payload) in payloads.enumerated() {
                let header = MessageHeader(
                    kind: MessageKind(rawValue: kind), request: first + UInt64(index), deadline: 1000, epoch: 3,
                    stamp: 5)
                if from.transport.value.send(to: node, header, { $0.append(payload) }) { sent += 1 }
            }
            return sent
        }
    }
    /// Streams that a node of links holds.
    func streams(_ node: TestNode) -> Int {
        run(on: node) { (node.transport.value as? LinkTransport)?.streamCount ?? -1 }
    }
    func counters(_ node: TestNode) -> LinkTransport.Counters {
        run(on: node) { (node.transport.value as? LinkTransport)?.counters ?? LinkTransport.Counters() }
    }
}
