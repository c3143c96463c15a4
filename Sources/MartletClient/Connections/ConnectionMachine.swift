import MartletCore
import MartletRuntime

/// The protocol of one connection: greets, numbers what is sent, and hands each reply to the request it belongs to.
///
/// A value without I/O: bytes and calls in, bytes and events out. Replies come in the order of requests, so the
/// requests sent and not yet answered are a queue. A request whose caller went away stays in it; its reply is still
/// handed out, under a number that nobody waits for.
struct ConnectionMachine: ~Copyable {
    /// What became of the connection or of one of its requests.
    enum Event: Equatable {
        /// The server accepted the greeting: requests may be sent.
        case ready
        /// The reply to request `id`: of a shape it accepts, or an error.
        case reply(id: UInt64, Reply)
        /// The greeting was refused; close the connection.
        case refused(String)
        /// Replies can no longer be told apart; close the connection. `id` is the request whose reply broke the rules,
        /// if it was one's.
        case violated(id: UInt64?, ProtocolViolation)
    }

    /// A request that was sent and not answered.
    struct Sent: Equatable {
        var id: UInt64
        var shape: ReplyShape
        /// Where its bytes begin in all that this connection was given to send.
        var begin: UInt64
        var at: MonotonicTime
    }

    private enum Phase: Equatable {
        case greeting(repliesMissing: Int)
        case ready
        case failed
    }

    private var phase = Phase.greeting(repliesMissing: 0)
    private var parser: ReplyParser
    private var sent = FIFO<Sent>()
    /// Bytes given out to be sent since the connection began.
    private var written: UInt64 = 0

    init(limits: ReplyLimits = ReplyLimits()) { parser = ReplyParser(limits: limits) }

    var isReady: Bool { phase == .ready }

    /// The request whose reply comes next.
    var oldest: Sent? { sent.first }

    /// Requests sent and not answered.
    var outstanding: Int { sent.count }

    /// The connection stands: appends the greeting to `output`. RESP3 from the first request on.
    mutating func open(keyspace: Int, named name: String? = nil, into output: inout ByteBuffer) {
        var replies = 1
        var hello = CommandEncoder("HELLO")
        hello.append("3")
        append(hello.bytes, to: &output)
        if name != nil || keyspace != 0 {
            var select = CommandEncoder("SELECT")
            if let name { select.append(name) } else { select.append(Int64(keyspace)) }
            append(select.bytes, to: &output)
            replies += 1
        }
        phase = .greeting(repliesMissing: replies)
    }

    /// Appends a request to `output`. Only when ready.
    mutating func send(
        id: UInt64, shape: ReplyShape, command: [UInt8], at now: MonotonicTime, into output: inout ByteBuffer
    ) {
        precondition(phase == .ready)
        sent.append(Sent(id: id, shape: shape, begin: written, at: now))
        append(command, to: &output)
    }

    /// Takes note of bytes that came; ``nextEvent()`` tells what they mean.
    mutating func receive(_ bytes: RawSpan) {
        if phase != .failed { parser.append(bytes) }
    }

    /// What the bytes received so far mean, one event a call; nil if more are needed.
    mutating func nextEvent() -> Event? {
        while phase != .failed {
            do throws(ProtocolViolation) {
                guard let reply = try parser.next() else { return nil }
                if case .push = reply { continue }
                if let event = try event(of: reply) { return event }
            } catch {
                phase = .failed
                return .violated(id: nil, error)
            }
        }
        return nil
    }

    /// Ends the connection: the requests without reply, in order, each with whether any of its bytes left, given how
    /// many bytes of output did not.
    mutating func end(unsentBytes: Int) -> [(id: UInt64, wasSent: Bool)] {
        phase = .failed
        let left = written - min(written, UInt64(unsentBytes))
        var requests: [(id: UInt64, wasSent: Bool)] = []
        while let request = sent.popFirst() { requests.append((request.id, request.begin < left)) }
        return requests
    }

    private mutating func append(_ bytes: [UInt8], to output: inout ByteBuffer) {
        output.append(bytes)
        written += UInt64(bytes.count)
    }

    private mutating func event(of reply: Reply) throws(ProtocolViolation) -> Event? {
        switch phase {
        case .failed: return nil
        case .greeting(let missing): return greeted(with: reply, missing: missing)
        case .ready: break
        }
        guard let request = sent.popFirst() else { throw ProtocolViolation(message: "a reply to no request") }
        guard request.shape.accepts(reply) else {
            phase = .failed
            return .violated(
                id: request.id, ProtocolViolation(message: "\(reply.kind) answers another kind of request"))
        }
        return .reply(id: request.id, reply)
    }

    private mutating func greeted(with reply: Reply, missing: Int) -> Event? {
        if case .error(let text) = reply {
            phase = .failed
            return .refused(text)
        }
        if case .map = reply, let version = reply["proto"]?.number, version != 3 {
            phase = .failed
            return .refused("the server speaks RESP\(version), not RESP3")
        }
        phase = missing > 1 ? .greeting(repliesMissing: missing - 1) : .ready
        return phase == .ready ? .ready : nil
    }
}
