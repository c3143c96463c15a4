internal import MartletCore
internal import MartletRuntime

/// A client of a simulation: one request at a time over RESP, each written down with its times and its outcome.
///
/// It connects anew after a connection broke or a request was given up, and never repeats a request: what became of
/// that is unknown. Used on its loop only.
final class SimulatedClient: StreamHandler {
    typealias Request = (action: History.Action, keys: [History.Key])

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

    private var stream: (any ByteStream)?
    private var session = 0
    private var isOpen = false
    private var replies = ReplyReader()
    private var pending: (request: Request, at: MonotonicTime)?
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
            stream = try loop.connect(to: addresses[random.below(addresses.count)], handler: self)
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
        wait()
    }

    func closed(_ error: StreamError?) {
        stream = nil
        isOpen = false
        finish(.unknown(error?.message ?? "the connection was closed"))
        timer?.cancel()
        if !hasEnded { connectLater() }
    }

    // MARK: Requests

    private func wait() {
        guard let (request, delay) = next() else { return end() }
        timer = loop.schedule(after: delay) { [self] in send(request) }
    }

    private func end() {
        hasEnded = true
        timer?.cancel()
        stream?.close()
    }

    private func send(_ request: Request) {
        guard isOpen, let stream else { return }
        pending = (request, loop.now)
        stream.write { Self.encode(request, into: &$0) }
        timer = loop.schedule(after: patience) { [self] in
            finish(.unknown("no answer within \(patience.shown)"))
            self.stream?.close()
        }
    }

    func received(_ bytes: RawSpan) {
        replies.append(bytes.array)
        while let reply = replies.next() {
            guard let pending else {
                complain("client \(number) heard a reply that it had not asked for: \(reply)")
                continue
            }
            timer?.cancel()
            finish(outcome(of: reply, to: pending.request))
            if isOpen { wait() }
        }
    }

    private func finish(_ outcome: History.Outcome) {
        guard let (request, invoked) = pending else { return }
        pending = nil
        record(
            History.Operation(
                client: number, session: session, request.action, request.keys, from: invoked, to: loop.now, outcome))
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
        case (.putSibling, .array): return .ok([])
        case (.set, .line("OK")), (.setTogether, .line("OK")): return .ok([])
        case (.delete, .integer(let number)), (.increment, .integer(let number)): return .number(number)
        default:
            complain("client \(number): \(request.action) was answered with \(reply)")
            return .unknown("\(reply)")
        }
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
        output.append("*\(words.count + (last == nil ? 0 : 1))\r\n")
        for word in words { output.append("$\(word.utf8.count)\r\n\(word)\r\n") }
        guard let last else { return }
        output.append("$\(last.count)\r\n")
        withBytes(of: last) { output.append($0) }
        output.append("\r\n")
    }
}
