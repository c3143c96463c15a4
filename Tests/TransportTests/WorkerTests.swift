import MartletCore
import MartletIO
import MartletNode
import MartletRuntime
import MartletSimulator
import Testing

/// Nodes of several workers, which share one port.
@Suite struct WorkerTests {
    /// The transports of one node and what each heard.
    struct Workers: Sendable {
        var loops: [any EventLoop]
        var transports: [Confined<LinkTransport>]
        var recorders: [Recorder]

        init(
            _ id: UInt32, in environment: NodeEnvironment, happened: @escaping @Sendable () -> Void,
            network: (any EventLoop) -> any StreamNetwork = { LoopNetwork($0) }
        ) {
            loops = environment.loops
            transports = LinkWorkers.make(
                NodeOptions().identity(id, workers: loops.count), in: environment, network: network)
            recorders = loops.map { _ in Recorder(happened) }
        }
    }

    /// Runs `body` on each loop in turn, by a way of the world to wait for it.
    private func start(
        _ node: Workers, at address: SocketAddress,
        _ run: @escaping (any EventLoop, @escaping @Sendable () -> Void) -> Void
    ) -> SocketAddress {
        let bound = Lock(address)
        for (worker, loop) in node.loops.enumerated() {
            run(loop) {
                let transport = node.transports[worker].value
                transport.receiver = node.recorders[worker]
                let address = bound.withLock { $0 }
                do {
                    let listening = try transport.listen(on: address)
                    bound.withLock { $0 = listening }
                } catch {
                    fatalError("\(error)")
                }
            }
        }
        return bound.withLock { $0 }
    }

    private func exchange(
        _ a: Workers, _ b: Workers, _ run: @escaping (any EventLoop, @escaping @Sendable () -> Void) -> Void,
        _ wait: (() -> Bool) -> Bool
    ) {
        let first = SocketAddress(host: "127.0.0.1", port: 0)
        let (addressA, addressB) = (start(a, at: first, run), start(b, at: first, run))
        for (node, peer, address) in [(a, 2 as UInt32, addressB), (b, 1 as UInt32, addressA)] {
            for (worker, loop) in node.loops.enumerated() {
                run(loop) { node.transports[worker].value.connect(to: peer, at: address) }
            }
        }
        func isOpen(_ node: Workers, _ peer: UInt32) -> Bool {
            let open = Lock(0)
            for (worker, loop) in node.loops.enumerated() {
                run(loop) { if node.transports[worker].value.isOpen(to: peer) { open.withLock { $0 += 1 } } }
            }
            return open.withLock { $0 } == node.loops.count
        }
        #expect(wait { isOpen(a, 2) && isOpen(b, 1) })
        // Each of b's workers answers what it hears; each of a's must hear its own answer.
        for (worker, recorder) in b.recorders.enumerated() {
            recorder.onMessage.withLock {
                $0 = { header, session in
                    _ = b.transports[worker].value.reply(to: session, header) { $0.append(UInt8(worker)) }
                }
            }
        }
        for (worker, loop) in a.loops.enumerated() {
            run(loop) {
                let header = MessageHeader(kind: MessageKind(rawValue: 1), request: UInt64(worker))
                precondition(a.transports[worker].value.send(to: 2, header) { _ in })
            }
        }
        #expect(wait { a.recorders.allSatisfy { $0.messages.count == 1 } })
        for (worker, recorder) in a.recorders.enumerated() {
            #expect(recorder.messages[0].header.request == UInt64(worker))
            #expect(recorder.messages[0].payload == [UInt8(worker % b.loops.count)])
        }
        for node in [a, b] {
            for (worker, loop) in node.loops.enumerated() { run(loop) { node.transports[worker].value.close() } }
        }
    }

    @Test(arguments: [(2, 2), (3, 1), (1, 3)])
    func eachWorkerHasItsOwnLinkOverTCP(_ counts: (Int, Int)) {
        let gate = Gate()
        let environments = [counts.0, counts.1].map { RealEnvironment.make(workers: $0, log: .silent) }
        exchange(
            Workers(1, in: environments[0]) { gate.open() }, Workers(2, in: environments[1]) { gate.open() },
            runReal
        ) { isDone in
            while !isDone() { if !gate.wait() { return false } }
            return true
        }
        for environment in environments { RealEnvironment.stop(environment) }
    }

    /// Several times, so that the thread sanitizer sees streams change their loops in many orders.
    @Test(arguments: [(2, 2), (3, 2), (1, 3)], 1...8)
    func eachWorkerHasItsOwnLinkInProcess(_ counts: (Int, Int), _ round: Int) {
        let gate = Gate()
        let network = InProcessNetwork()
        let environments = [counts.0, counts.1].map { RealEnvironment.make(workers: $0, log: .silent) }
        let nodes = environments.enumerated().map { index, environment in
            Workers(UInt32(index + 1), in: environment, happened: { gate.open() }, network: network.streams)
        }
        exchange(nodes[0], nodes[1], runReal) { isDone in
            while !isDone() { if !gate.wait() { return false } }
            return true
        }
        for environment in environments { RealEnvironment.stop(environment) }
    }

    private func runReal(_ loop: any EventLoop, _ body: @escaping @Sendable () -> Void) {
        let done = Gate()
        loop.post {
            body()
            done.open()
        }
        _ = done.wait()
    }

    @Test(arguments: 1...60)
    func eachWorkerHasItsOwnLinkInSimulation(_ seed: UInt64) {
        let first = SimulatedEnvironment.make(seed: seed, workers: 1 + Int(seed % 3))
        let second = first.makeNeighbour(workers: 1 + Int(seed / 3 % 3))
        exchange(Workers(1, in: first.environment) {}, Workers(2, in: second.environment) {}) { loop, body in
            let isDone = Lock(false)
            loop.post {
                body()
                isDone.withLock { $0 = true }
            }
            _ = first.executor.run { isDone.withLock { $0 } }
        } _: { isDone in
            first.executor.run(until: isDone)
        }
        #expect(first.executor.run(limit: 100_000))  // comes to rest: nothing is left that ticks
    }
}
