import MartletCore
import MartletRuntime
import MemoryBackend

@testable import MartletNode
@testable import MartletServer

/// Runs commands as a connection does, one at a time, on a memory backend and without a loop, a socket or real time.
final class CommandBench: ServerFacts {
    var wallMicroseconds: Int64 = 1_700_000_000_000_000
    var sessions: [Session] { [session] }
    var parameters: [(name: String, value: String)] { [("port", "7001")] }
    var remembered = RememberedParameters()
    var nodeIdentifier: String { String(repeating: "a1", count: 20) }
    var nodeName: String { "one" }
    var epoch: UInt64 { 1 }
    var address: SocketAddress { SocketAddress(host: "127.0.0.1", port: 7001) }
    var keyspaceNames: [String] { ["default", "other"] }
    var requiresPassword: Bool { false }

    private(set) var session: Session!
    private var call: Invocation!

    init() throws {
        let backend = try BackendKind.memory.open(
            BackendOpening(
                directory: nil, settings: BackendSettings(), durability: .none, acceptsDataLoss: false))
        var settings = NodeSettings(cluster: "bench", name: "one", durability: .none)
        settings.keyspaces.append(KeyspaceSettings(id: 1, name: "other"))
        let store = RecordStore(
            WorkerParts(
                worker: 0, loop: StillLoop(), clock: StillClock(), settings: settings, backend: backend,
                reader: try backend.makeReader(), committer: nil, reads: nil,
                keyspaces: settings.keyspaces.map {
                    KeyspaceState(settings: $0, generation: 1, totals: KeyspaceTotals())
                },
                nodeIdentifier: 1, incarnation: 1, leases: try LeaseKeeper(reading: nil),
                start: try DataStart(reading: backend, isClosed: nil, served: .inMemory()),
                counters: Lock(StoreCounters()), load: NodeLoad(settings, usedMemory: { 0 })))
        session = Session(
            id: 7, peer: SocketAddress(host: "127.0.0.1", port: 50000), local: address, connectedAt: 0, server: self)
        call = Invocation(transaction: Transaction(store: store), session: session)
    }

    func kill(session id: UInt64) -> Bool { false }

    func information(section: String) -> [(name: String, value: String)] {
        section == "server" ? [("redis_version", "7.0.15")] : []
    }

    /// The reply's bytes.
    func run(_ arguments: [[UInt8]]) -> [UInt8] {
        var input: [UInt8] = []
        call.arguments.removeAll()
        for argument in arguments {
            call.arguments.append(input.count..<input.count + argument.count)
            input += argument
        }
        call.reply.buffer.removeAll()
        call.reply.version = session.protocolVersion
        withBytes(of: input) { input in
            call.transaction.begin(keyspace: session.keyspace, nowMilliseconds: wallMicroseconds / 1000)
            if let row = CommandTable.standard.find(input, call) {
                CommandTable.standard.rows[row].handler(input, call)
            }
            _ = call.transaction.end()
            if let failure = call.transaction.failure {
                call.reply.buffer.removeAll()
                call.reply.error(failure.reply)
            }
        }
        return call.reply.buffer.copy()
    }

    /// A command of words between single spaces; the reply as text with `\r\n` shown as `|`.
    func run(_ line: String) -> String {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map { Array($0.utf8) }
        return String(decoding: run(words), as: UTF8.self).replacing("\r\n", with: "|")
    }

    /// What a helper makes of a command's arguments, and the reply that it appended.
    func parse<R>(_ line: String, _ body: (RawSpan, Invocation) -> R) -> (result: R, reply: String) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map { Array($0.utf8) }
        var input: [UInt8] = []
        call.arguments.removeAll()
        for word in words {
            call.arguments.append(input.count..<input.count + word.count)
            input += word
        }
        call.reply.buffer.removeAll()
        let result = withBytes(of: input) { body($0, call) }
        return (result, String(decoding: call.reply.buffer.copy(), as: UTF8.self).replacing("\r\n", with: "|"))
    }
}

/// A loop on which nothing ever runs: over a volatile backend a transaction needs none.
private final class StillLoop: EventLoop {
    var now: MonotonicTime { MonotonicTime(nanoseconds: 0) }
    var isCurrent: Bool { true }
    func post(_ work: @escaping @Sendable () -> Void) {}
    func atTurnEnd(_ work: @escaping () -> Void) {}
    func enqueue(_ job: consuming ExecutorJob) {}
    func schedule(after delay: Duration, _ work: @escaping () -> Void) -> any LoopTimer { StillTimer() }
    func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        throw StreamError("there is no network here")
    }
    func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        throw StreamError("there is no network here")
    }

    private final class StillTimer: LoopTimer {
        func cancel() {}
    }
}

private struct StillClock: NodeClock {
    var monotonic: MonotonicTime { MonotonicTime(nanoseconds: 0) }
    var wallMicroseconds: Int64 { 1_700_000_000_000_000 }
}
