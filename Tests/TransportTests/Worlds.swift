import Glibc
import MartletCore
import MartletIO
import MartletNode
import MartletRuntime
import MartletSimulator

/// What a thread waits for; opened by others.
final class Gate: @unchecked Sendable {  // a system semaphore
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func open() { sem_post(semaphore) }
    func wait() { while sem_wait(semaphore) != 0 {} }
}

/// Real loops, each node on its own thread, over TCP.
class RealWorld: World {
    let gate = Gate()
    private var nodes: [TestNode] = []

    func network(_ loop: any EventLoop) -> any StreamNetwork { LoopNetwork(loop) }
    func anyAddress(_ id: UInt32) -> SocketAddress { SocketAddress(host: "127.0.0.1", port: 0) }

    func makeNode(_ id: UInt32, _ options: NodeOptions) -> TestNode {
        let gate = gate
        let lines = Lines { gate.open() }
        let environment = RealEnvironment.make(workers: 1, log: lines.log)
        let loop = environment.loops[0]
        let transport = LinkWorkers.make(
            makeIdentity(id, options), settings: options.settings, in: environment, network: network)[0]
        let recorder = Recorder { gate.open() }
        var node = TestNode(
            id: id, loop: loop, transport: Confined(transport.handedOver, handedTo: loop), recorder: recorder,
            lines: lines, address: options.address ?? anyAddress(id))
        let address = node.address
        node.address = run(on: node) {
            transport.value.receiver = recorder
            return try! transport.value.listen(on: address)
        }
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
        done.wait()
        return result.withLock { $0! }
    }

    func wait(until isDone: () -> Bool) -> Bool {
        while !isDone() { gate.wait() }
        return true
    }

    func end() {
        for node in nodes {
            run(on: node) { node.transport.value.close() }
            (node.loop as? UVEventLoop)?.stop()
        }
        nodes = []
    }
}
