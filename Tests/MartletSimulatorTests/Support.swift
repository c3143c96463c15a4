import MartletCore
import MartletRuntime
import MartletSimulator

/// An actor that lives on a simulated worker.
actor Register {
    nonisolated let loop: any EventLoop
    private var values: [String: Int] = [:]
    init(_ loop: any EventLoop) { self.loop = loop }
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    func add(_ name: String, _ amount: Int) -> Int {
        loop.checkIsolated()
        values[name, default: 0] += amount
        return values[name]!
    }
}

/// Answers each line with its number of bytes, however it was cut on its way.
final class LineServer: StreamHandler {
    private let stream: any ByteStream
    private var pending: [UInt8] = []
    private let pieces: (Int) -> Void

    init(_ stream: any ByteStream, pieces: @escaping (Int) -> Void = { _ in }) {
        self.stream = stream
        self.pieces = pieces
    }

    func received(_ bytes: RawSpan) {
        pieces(bytes.byteCount)
        pending += bytes.array
        while let end = pending.firstIndex(of: 10) {
            stream.write { $0.append("\(end)\n") }
            pending.removeSubrange(...end)
        }
    }
    func closed(_ error: StreamError?) {}
}

/// A handler made of closures.
final class Handler: StreamHandler, @unchecked Sendable {
    var stream: (any ByteStream)?
    var onOpened: () -> Void = {}
    var onBytes: ([UInt8]) -> Void = { _ in }
    var onDrained: () -> Void = {}
    var onClosed: (StreamError?) -> Void = { _ in }
    func opened() { onOpened() }
    func received(_ bytes: RawSpan) { onBytes(bytes.array) }
    func drained() { onDrained() }
    func closed(_ error: StreamError?) {
        stream = nil
        onClosed(error)
        (onOpened, onBytes, onDrained, onClosed) = ({}, { _ in }, {}, { _ in })
    }
}

/// A value that closures of one simulation share.
final class Box<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}

let serverAddress = SocketAddress(host: "10.0.0.1", port: 7001)

extension SimulatedEventLoop {
    func connect(_ handler: Handler) {
        do {
            handler.stream = try connect(to: serverAddress, handler: handler)
        } catch {
            fatalError("\(error)")
        }
    }

    func serve(_ accept: @escaping (any ByteStream) -> (any StreamHandler)?) -> any Listener {
        do {
            return try listen(on: serverAddress, accept: accept)
        } catch {
            fatalError("\(error)")
        }
    }
}

/// A small world that uses every seam: actors of three nodes, tasks, timers, blocking work, streams, random numbers.
///
/// - Returns: the trace's hash, the events in it, and what the clients heard.
func playWorld(seed: UInt64) -> (hash: UInt64, events: UInt64, replies: [String]) {
    let first = SimulatedEnvironment.make(seed: seed, workers: 2)
    let nodes = [first, first.makeNeighbour(workers: 1), first.makeNeighbour(workers: 2)]
    let registers = nodes.map { Register($0.loops[0]) }
    let replies = Box<[String]>([])
    let listener = Box<(any Listener)?>(nil)
    first.loops[0].post { listener.value = first.loops[0].serve { LineServer($0) } }
    for (index, node) in nodes.enumerated() {
        node.environment.spawn("adder") {
            for round in 0..<20 {
                let sum = await registers[(index + round) % 3].add("k\(round % 4)", index)
                first.executor.note(.note, lane: index, detail: UInt64(sum))
            }
            await withTaskGroup(of: Int.self) { group in
                for register in registers { group.addTask { await register.add("group", 1) } }
                for await sum in group { first.executor.note(.note, lane: index, detail: UInt64(sum)) }
            }
        }
        let blocking = node.environment.makeBlockingExecutor("disk")
        node.loops[0].post {
            for number in 0..<5 {
                blocking.submit { node.loops[0].post { _ = number } }
                let delay = Duration.microseconds(Int64(node.environment.random.next() % 5000))
                node.loops[0].schedule(after: delay) {}
            }
            node.loops[0].schedule(after: .milliseconds(1)) { talk(on: node.loops[0], name: index, replies) }
        }
    }
    let rests = first.executor.run(limit: 100_000)
    precondition(rests)
    return (first.executor.trace.hash, first.executor.trace.count, replies.value)
}

/// Asks the line server three questions and notes its answers.
private func talk(on loop: SimulatedEventLoop, name: Int, _ replies: Box<[String]>) {
    let client = Handler()
    let heard = Box("")
    client.onOpened = { client.stream?.write { $0.append("a\nbcdefg\n\(String(repeating: "h", count: 500))\n") } }
    client.onBytes = { bytes in
        heard.value += String(decoding: bytes, as: UTF8.self)
        guard heard.value.hasSuffix("500\n") else { return }
        replies.value.append("\(name): \(heard.value.split(separator: "\n").joined(separator: " "))")
        client.stream?.closeAfterFlush()
    }
    loop.connect(client)
}
