internal import MartletCore
internal import MartletRuntime

/// A client of a simulation: one request at a time over RESP, each written down with its times and its outcome.
///
/// It connects anew after a connection broke or a request was given up. A write with a token it then sends again, as
/// the client library does, and sometimes one that was acknowledged; it never repeats any other request: what became of
/// that is unknown. Used on its loop only.
final class SimulatedClient: StreamHandler {
    typealias Request = (action: History.Action, keys: [History.Key])

    /// A request that was sent, perhaps more than once, and is not written down yet.
    private struct Pending {
        let request: Request
        let at: MonotonicTime
        let session: Int
        let node: Int
        var sent = 1
        /// Whether an answer is waited for, rather than the moment to send it again.
        var isUnderWay = true
        /// Writes with a token of the same key when it was sent first.
        var place = 0
        /// Whether a try may have been applied of which nothing was heard.
        var isUnsure = false
        /// What is written down once it was sent again for no reason.
        var acknowledged: History.Operation?
    }

    let number: Int
    private let loop: SimulatedEventLoop
    private let addresses: [SocketAddress]
    private let random: SeededRandomSource
    private let patience: Duration
    /// The next request and how long to wait before it; nil ends the client.
    private let next: () -> (request: Request, after: Duration)?
    private let record: (History.Operation) -> Void
    /// A reply that no server may give; told once each.
    private let complain: (String) -> Void
    /// A context that was read, with the values it covers.
    var learn: ([UInt8], History.Key, Set<UInt64>) -> Void = { _, _, _ in }
    /// How many writes with a token were asked for of a key so far, by any client; nil where none may be sent again.
    var writesWithToken: (History.Key) -> Int? = { _ in nil }

    private var stream: (any ByteStream)?
    private var session = 0
    /// The place of the node it is connected to.
    private var node = 0
    private var isOpen = false
    private var replies = ReplyReader()
    private var pending: Pending?
    private var timer: (any LoopTimer)?
    private(set) var hasEnded = false

    init(
        _ number: Int, on loop: SimulatedEventLoop, to addresses: [SocketAddress], random: SeededRandomSource,
        patience: Duration, next: @escaping () -> (request: Request, after: Duration)?,
        record: @escaping (History.Operation) -> Void, complain: @escaping (String) -> Void
    ) {
        self.number = number
        self.loop = loop
        self.addresses = addresses
        self.random = random
        self.patience = patience
        self.next = next
        self.record = record
        self.complain = complain
    }

    /// Begins, on its loop.
    func start() { connect() }

    /// Whether a request is under way.
    var isWaiting: Bool { pending != nil }

    // MARK: Connecting

    private func connect() {
        guard !hasEnded else { return }
        session += 1
        isOpen = false
        replies.removeAll()
        do throws(StreamError) {
            node = random.below(addresses.count)
            stream = try loop.connect(to: addresses[node], handler: self)
        } catch {
            connectLater()
        }
    }

    private func connectLater() {
        let delay = Duration.milliseconds(10 + random.below(100))
        timer = loop.schedule(after: delay) { [self] in connect() }
    }

    func opened() {
        isOpen = true
        if pending == nil { wait() } else { repeatOrEnd() }
    }

    func closed(_ error: StreamError?) {
        stream = nil
        isOpen = false
        timer?.cancel()
        conclude(.unknown(error?.message ?? "the connection was closed"))
        if !hasEnded { connectLater() }
    }

    // MARK: Requests

    private func wait() {
        guard let (request, delay) = next() else { return end() }
        timer = loop.schedule(after: delay) { [self] in
            guard isOpen else { return }
            pending = Pending(request: request, at: loop.now, session: session, node: node)
            pending?.place = writesWithToken(request.keys[0]) ?? 0
            send()
        }
    }

    private func end() {
        hasEnded = true
        timer?.cancel()
        stream?.close()
    }

    private func send() {
        guard isOpen, let stream, let request = pending?.request else { return }
        pending?.isUnderWay = true
        stream.write { Self.encode(request, into: &$0) }
        timer = loop.schedule(after: patience) { [self] in
            conclude(.unknown("no answer within \(patience.shown)"))
            self.stream?.close()
        }
    }

    func received(_ bytes: RawSpan) {
        replies.append(bytes.array)
        while let reply = replies.next() {
            guard let pending, pending.isUnderWay else {
                complain("client \(number) heard a reply that it had not asked for: \(reply)")
                continue
            }
            timer?.cancel()
            conclude(outcome(of: reply, to: pending.request), stamp: stamp(in: reply, to: pending.request))
            guard isOpen else { continue }
            // What is sent again goes through another node, or the same.
            if self.pending == nil {
                wait()
            } else if self.pending?.acknowledged != nil, random.happens(0.5) {
                timer = loop.schedule(after: .milliseconds(random.below(200))) { [self] in repeatOrEnd() }
            } else {
                stream?.close()
            }
        }
    }

    /// Takes what became of the last try, and writes the request down unless it is to be sent again.
    private func conclude(_ outcome: History.Outcome, stamp: UInt64? = nil) {
        guard var pending, pending.isUnderWay else { return }
        pending.isUnderWay = false
        self.pending = pending
        if pending.acknowledged != nil {
            if let stamp { self.pending?.acknowledged?.repeated.append(stamp) }
            return finish(outcome, stamp)
        }
        var outcome = outcome
        // That this try was refused says nothing of the one before.
        if pending.isUnsure, case .notApplied(let text) = outcome { outcome = .unknown(text) }
        switch outcome {
        case .unknown where mayRepeat(pending): self.pending?.isUnsure = true
        case .ok where mayRepeat(pending) && random.happens(0.3):
            self.pending?.acknowledged = operation(pending, outcome, stamp)
        default: finish(outcome, stamp)
        }
    }

    /// Whether a request can be sent again in time: while every replica that took it must still remember its token.
    private func mayRepeat(_ pending: Pending) -> Bool {
        guard pending.request.action.token != nil, pending.sent < 4, pending.at.advanced(by: patience * 2) > loop.now,
            let count = writesWithToken(pending.request.keys[0])
        else { return false }
        return count - pending.place < 6
    }

    private func repeatOrEnd() {
        guard isOpen, let pending else { return }
        guard mayRepeat(pending) else {
            finish(.unknown("sent \(pending.sent) times"), nil)
            return wait()
        }
        self.pending?.sent += 1
        send()
    }

    private func operation(_ pending: Pending, _ outcome: History.Outcome, _ stamp: UInt64?) -> History.Operation {
        History.Operation(
            client: number, session: pending.session, pending.request.action, pending.request.keys, from: pending.at,
            to: loop.now, outcome, stamp: stamp)
    }

    private func finish(_ outcome: History.Outcome, _ stamp: UInt64?) {
        guard let pending = pending.take() else { return }
        var operation = pending.acknowledged ?? operation(pending, outcome, stamp)
        operation.sent = pending.sent
        // Of a request that was sent more than once it is not said to whom.
        operation.node = pending.sent == 1 ? pending.node : nil
        record(operation)
    }

    private func outcome(of reply: ReplyReader.Reply, to request: Request) -> History.Outcome {
        switch (request.action, reply) {
        case (_, .error(let text)):
            let word = text.prefix { $0 != " " }
            if ["OOM", "BUSY", "TOOLARGE", "NOQUORUM"].contains(word) { return .notApplied(text) }
            if word != "UNKNOWN" { complain("client \(number): \(text)") }
            return .unknown(text)
        case (.get, .bulk(let bytes)):
            if request.keys[0].family == .counter { return counted(bytes, request) }
            return .ok([content(bytes, request.keys[0])])
        case (.getTogether, .array(let items)) where items.count == request.keys.count:
            return .ok(
                zip(items, request.keys).map { item, key in
                    if case .bulk(let bytes) = item { content(bytes, key) } else { .foreign("\(item)") }
                })
        case (.getSiblings, .bulk(nil)): return .ok([])
        case (.getSiblings, .array(let items)): return siblings(items, request.keys[0])
        case (.putSibling, .array), (.put, .array): return .ok([])
        case (.set, .line("OK")), (.setTogether, .line("OK")): return .ok([])
        case (.delete, .integer(let number)), (.increment, .integer(let number)): return .number(number)
        default:
            complain("client \(number): \(request.action) was answered with \(reply)")
            return .unknown("\(reply)")
        }
    }

    /// The stamp that a receipt tells.
    private func stamp(in reply: ReplyReader.Reply, to request: Request) -> UInt64? {
        guard request.action.token != nil, case .array(let items) = reply,
            let place = items.firstIndex(of: .bulk(Array("stamp".utf8))), place + 1 < items.count,
            case .integer(let stamp) = items[place + 1]
        else { return nil }
        return UInt64(exactly: stamp)
    }

    /// Reads what MARTLET.GET says: names and their values in turn.
    private func siblings(_ items: [ReplyReader.Reply], _ key: History.Key) -> History.Outcome {
        var context: [UInt8]?
        var contents: [History.Content]?
        for place in stride(from: 0, to: items.count - 1, by: 2) {
            switch (items[place], items[place + 1]) {
            case (.bulk(Array("context".utf8)), .bulk(let bytes)): context = bytes
            case (.bulk(Array("siblings".utf8)), .array(let values)):
                contents = values.map { value in
                    // A map of its own, which begins with the value.
                    if case .array(let parts) = value, parts.count > 1, case .bulk(let bytes) = parts[1] {
                        content(bytes, key)
                    } else {
                        .foreign("\(value)")
                    }
                }
            default: continue
            }
        }
        guard let context, let contents else {
            complain("client \(number): MARTLET.GET \(key) was answered with \(items)")
            return .unknown("\(items)")
        }
        learn(context, key, Set(contents.compactMap { if case .value(let value) = $0 { value } else { nil } }))
        return .ok(contents)
    }

    private func counted(_ bytes: [UInt8]?, _ request: Request) -> History.Outcome {
        guard let bytes else { return .number(0) }
        let text = String(decoding: bytes, as: UTF8.self)
        return Int64(text).map { .number($0) } ?? .ok([.foreign(text)])
    }

    private func content(_ bytes: [UInt8]?, _ key: History.Key) -> History.Content {
        bytes.map { ValueText.content(of: $0, key: key) } ?? .absent
    }

    // MARK: RESP

    private static func encode(_ request: Request, into output: inout ByteBuffer) {
        let keys = request.keys.map(\.description)
        var words: [String]
        var last: [UInt8]?
        switch request.action {
        case .getSiblings: words = ["MARTLET.GET"] + keys
        case .put(let value): words = ["MARTLET.PUT", keys[0], ValueText.text(value, request.keys[0])]
        case .putSibling(let value, let context, _):
            words = ["MARTLET.PUT", keys[0], ValueText.text(value, request.keys[0])]
            if !context.isEmpty {
                words.append("CONTEXT")
                last = context
            }
        case .get: words = ["GET"] + keys
        case .set(let value, let expiry):
            words = ["SET", keys[0], ValueText.text(value, request.keys[0])]
            if let expiry { words += ["PX", "\(expiry.inNanoseconds / 1_000_000)"] }
        case .delete: words = ["DEL"] + keys
        case .increment: words = ["INCR"] + keys
        case .setTogether(let value):
            words = ["MSET"] + request.keys.flatMap { [$0.description, ValueText.text(value, $0)] }
        case .getTogether: words = ["MGET"] + keys
        }
        if let token = request.action.token { words.insert(contentsOf: ["TOKEN", token], at: 3) }
        output.append("*\(words.count + (last == nil ? 0 : 1))\r\n")
        for word in words { output.append("$\(word.utf8.count)\r\n\(word)\r\n") }
        guard let last else { return }
        output.append("$\(last.count)\r\n")
        withBytes(of: last) { output.append($0) }
        output.append("\r\n")
    }
}
