import MartletCore
import MartletIO
import MartletRuntime

@testable import MartletClient

/// A server that answers each command as a test says, on a loop of its own.
final class ScriptedServer: Sendable {
    enum Action: Sendable {
        case reply(String)
        /// Sends this, then closes.
        case last(String)
        case silence
    }

    struct Seen: Sendable {
        var connections = 0
        var commands: [[String]] = []
        fileprivate var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    static let greeting = "%1\r\n+proto\r\n:3\r\n"

    let loop: UVEventLoop
    let address: SocketAddress
    private let seen: Lock<Seen>

    /// Starts a server; `script` answers what is no greeting.
    static func start(
        greeting: String = ScriptedServer.greeting, script: @escaping @Sendable ([String]) -> Action
    ) async throws -> ScriptedServer {
        let loop = UVEventLoop.start(name: "scripted")
        let seen = Lock(Seen())
        let answer: @Sendable ([String]) -> Action = { $0[0] == "HELLO" ? .reply(greeting) : script($0) }
        let address: SocketAddress = try await withCheckedThrowingContinuation { continuation in
            loop.post {
                do {
                    let listener = try loop.listen(on: SocketAddress(host: "127.0.0.1", port: 0)) { stream in
                        seen.withLock { $0.connections += 1 }
                        return ScriptedConnection(stream: stream, seen: seen, script: answer)
                    }
                    continuation.resume(returning: listener.address)
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        return ScriptedServer(loop: loop, address: address, seen: seen)
    }

    private init(loop: UVEventLoop, address: SocketAddress, seen: Lock<Seen>) {
        self.loop = loop
        self.address = address
        self.seen = seen
    }

    deinit { loop.stop() }

    var connections: Int { seen.withLock { $0.connections } }
    /// Commands received, greetings not among them.
    var commands: [[String]] { seen.withLock { $0.commands } }

    /// Waits until this many commands were received.
    func received(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = seen.withLock { seen in
                if seen.commands.count >= count { return true }
                seen.waiters.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    static func note(_ command: [String], in seen: Lock<Seen>) {
        guard command[0] != "HELLO" else { return }
        let ready = seen.withLock { seen in
            seen.commands.append(command)
            let ready = seen.waiters.filter { $0.count <= seen.commands.count }
            seen.waiters.removeAll { $0.count <= seen.commands.count }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }
}

/// One connection of a scripted server; runs on any loop.
final class ScriptedConnection: StreamHandler {
    private let stream: any ByteStream
    private let seen: Lock<ScriptedServer.Seen>
    private let script: @Sendable ([String]) -> ScriptedServer.Action
    private var parser = ReplyParser()
    private var isOver = false

    init(
        stream: any ByteStream, seen: Lock<ScriptedServer.Seen>,
        script: @escaping @Sendable ([String]) -> ScriptedServer.Action
    ) {
        self.stream = stream
        self.seen = seen
        self.script = script
    }

    func received(_ bytes: RawSpan) {
        parser.append(bytes)
        while !isOver, let command = try? parser.next() {
            let words = command.elements?.compactMap(\.text) ?? []
            ScriptedServer.note(words, in: seen)
            switch script(words) {
            case .silence: break
            case .reply(let text): stream.write { $0.append(text) }
            case .last(let text):
                isOver = true
                stream.write { $0.append(text) }
                stream.closeAfterFlush()
            }
        }
    }

    func closed(_ error: StreamError?) {}
}
