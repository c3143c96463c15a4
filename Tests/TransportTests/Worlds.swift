import MartletCore
import MartletIO
import MartletNode
import MartletRuntime
import MartletSimulator

extension NodeOptions {
    func network(_ inner: any StreamNetwork) -> any StreamNetwork {
        tap.map { TappedNetwork(inner: inner, tap: $0) } ?? inner
    }
}

/// Makes a link transport on the first loop of an environment; the caller sets it up on that loop.
private func makeLinks(
    _ id: UInt32, _ options: NodeOptions, _ environment: NodeEnvironment, _ lines: Lines, _ recorder: Recorder,
    _ network: (any EventLoop) -> any StreamNetwork
) -> TestNode {
    let transport = LinkWorkers.make(
        options.identity(id), settings: options.settings, in: environment
    ) { options.network(network($0)) }[0]
    return TestNode(
        id: id, loop: environment.loops[0],
        transport: Confined(transport.handedOver, handedTo: environment.loops[0]), recorder: recorder, lines: lines,
        address: SocketAddress(host: "127.0.0.1", port: 0))
}

private func start(_ node: TestNode, at address: SocketAddress) -> SocketAddress {
    node.transport.value.receiver = node.recorder
    guard let links = node.transport.value as? LinkTransport else { return address }
    do {
        return try links.listen(on: address)
    } catch {
        fatalError("\(error)")
    }
}

/// Real loops, each node on its own thread, over TCP.
class RealWorld: World {
    let gate = Gate()
    private var nodes: [TestNode] = []

    func network(_ loop: any EventLoop) -> any StreamNetwork { LoopNetwork(loop) }

    func makeNode(_ id: UInt32, _ options: NodeOptions) -> TestNode {
        let gate = gate
        let lines = Lines { gate.open() }
        let environment = RealEnvironment.make(workers: 1, log: lines.log)
        var node = makeLinks(id, options, environment, lines, Recorder { gate.open() }, network)
        let (made, address) = (node, options.address ?? node.address)
        node.address = run(on: node) { start(made, at: address) }
        nodes.append(node)
        return node
    }

    func run<T: Sendable>(on node: TestNode, _ body: @escaping @Sendable () -> T) -> T {
        let done = Gate()
        let result = Lock<T?>(nil)
        node.loop.post {
            let value = body()
            result.withLock { $0 = value }
            done.open()
        }
        guard done.wait(), let value = result.withLock({ $0 }) else { fatalError("a loop does not answer") }
        return value
    }

    func wait(until isDone: () -> Bool) -> Bool {
        while !isDone() {
            guard gate.wait() else { return isDone() }
        }
        return true
    }

    func end(_ node: TestNode) {
        run(on: node) { node.transport.value.close() }
        (node.loop as? UVEventLoop)?.stop()
        nodes.removeAll { $0.loop === node.loop }
    }

    func end() { for node in nodes { end(node) } }
}

/// Real loops, joined in memory.
final class InProcessWorld: RealWorld {
    private let inner = InProcessNetwork()
    override func network(_ loop: any EventLoop) -> any StreamNetwork { inner.streams(of: loop) }
}

/// The very same links over simulated streams.
class SimulatedWorld: World {
    let first: SimulatedEnvironment
    var executor: SimulationExecutor { first.executor }
    private var nodes: [TestNode] = []
    private var isFirstTaken = false
    /// Ports that nobody listens on are as good as any, since each node has its own host.
    private var lastHost = 0

    init(seed: UInt64) { first = SimulatedEnvironment.make(seed: seed, workers: 1) }

    func makeEnvironment(_ log: Log) -> SimulatedEnvironment { first.makeNeighbour(workers: 1, log: log) }

    func makeNode(_ id: UInt32, _ options: NodeOptions) -> TestNode {
        let lines = Lines {}
        let world = makeEnvironment(lines.log)
        var node = make(id, options, world, lines)
        lastHost += 1
        let (made, address) = (node, options.address ?? SocketAddress(host: "10.0.0.\(lastHost)", port: 17001))
        node.address = run(on: node) { start(made, at: address) }
        nodes.append(node)
        return node
    }

    func make(_ id: UInt32, _ options: NodeOptions, _ world: SimulatedEnvironment, _ lines: Lines) -> TestNode {
        makeLinks(id, options, world.environment, lines, Recorder {}) { LoopNetwork($0) }
    }

    func run<T: Sendable>(on node: TestNode, _ body: @escaping @Sendable () -> T) -> T {
        let result = Lock<T?>(nil)
        node.loop.post {
            let value = body()
            result.withLock { $0 = value }
        }
        guard executor.run(until: { result.withLock { $0 != nil } }) else { fatalError("the loop is gone") }
        return result.withLock { $0! }
    }

    func keep(_ from: TestNode, _ to: UInt32, at address: SocketAddress) {
        run(on: from) { (from.transport.value as? LinkTransport)?.connect(to: to, at: address) }
    }

    func setUnsentLimit(_ limit: Int) {}

    func wait(until isDone: () -> Bool) -> Bool {
        let limit = executor.now.advanced(by: .seconds(120))
        while !isDone() {
            guard executor.now < limit, executor.step() else { return isDone() }
        }
        return true
    }

    func end(_ node: TestNode) { run(on: node) { node.transport.value.close() } }

    func end() {
        for node in nodes { end(node) }
        executor.run(for: .seconds(10))
    }
}

/// Messages with the faults of a simulation.
final class MessageWorld: SimulatedWorld {
    private(set) lazy var network = MessageNetwork(executor)

    override func make(
        _ id: UInt32, _ options: NodeOptions, _ world: SimulatedEnvironment, _ lines: Lines
    ) -> TestNode {
        let transport = network.makeTransport(
            node: id, incarnation: options.incarnation, worker: 0, of: 1, on: world.loops[0])
        return TestNode(
            id: id, loop: world.loops[0], transport: Confined(transport, handedTo: world.loops[0]),
            recorder: Recorder {}, lines: lines, address: SocketAddress(host: "127.0.0.1", port: 0))
    }

    override func keep(_ from: TestNode, _ to: UInt32, at address: SocketAddress) {
        run(on: from) { (from.transport.value as? SimulatedTransport)?.connect(to: to) }
    }
    override func setUnsentLimit(_ limit: Int) { network.faults.unsentLimit = limit }
}
