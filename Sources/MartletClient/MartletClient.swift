import MartletIO
package import MartletRuntime

/// A client of a Martlet cluster: values by key, over a few pipelined connections that it keeps and renews by itself.
///
/// ```swift
/// let client = try await MartletClient.connect(to: ["127.0.0.1:7001"])
/// try await client.put("greeting", "hello")
/// let greeting = try await client.value("greeting", as: String.self)
/// try await client.close()
/// ```
///
/// One client serves any number of tasks: calls that are made at the same time leave in one write. A cancelled task's
/// call returns at once. Calls end within their deadline, 5 s unless said otherwise. Every failure is a
/// ``MartletError``, which tells whether a write was not applied or may have been.
public final class MartletClient: Sendable {
    let router: Router
    let dialect: any Dialect
    /// The connections to the addresses that were given.
    var pool: ConnectionPool { router.seeds }
    /// Ends the loop that the client made for itself.
    private let stopLoop: @Sendable () -> Void

    /// A client that ends its loop by `stopLoop` when it is released.
    init(
        addresses: [SocketAddress], settings: ClientSettings, loop: any EventLoop, random: any RandomSource,
        dialect: any Dialect, stopLoop: @escaping @Sendable () -> Void
    ) async throws(MartletError) {
        router = Router(
            addresses: addresses, settings: settings, loop: loop, random: random, speaksMartlet: dialect.speaksMartlet)
        self.dialect = dialect
        self.stopLoop = stopLoop
        do {
            try await router.seeds.start()
        } catch {
            await router.abandon()
            throw error
        }
    }

    /// A client on a loop that others run, as a simulation does; the loop outlives the client.
    package convenience init(
        addresses: [SocketAddress], settings: ClientSettings = ClientSettings(), on loop: any EventLoop,
        random: any RandomSource
    ) async throws(MartletError) {
        try await self.init(
            addresses: addresses, settings: settings, loop: loop, random: random, dialect: MartletDialect(),
            stopLoop: {})
    }

    deinit {
        let router = router
        router.loop.post { router.assumeIsolated { $0.abandon() } }
        stopLoop()
    }

    /// Ends the client: calls made from now on fail, those under way are waited for (they end by reply or deadline),
    /// then the connections are closed.
    public func close() async { await router.close() }
}

extension MartletClient {
    /// The value of `key` with its siblings, its context and its expiry; nil if there is none.
    ///
    /// - Parameters:
    ///   - key: Its bytes, usually a literal.
    ///   - type: What to read the bytes as; may be left to inference.
    ///   - level: How many replicas have to agree; nil for the keyspace's own.
    ///   - deadline: How long the call may take, instead of ``ClientSettings/deadline``.
    /// - Throws: ``MartletError``; with ``MartletError/Code/badValue`` if the bytes are no `Value`.
    public func get<Value: MartletValue>(
        _ key: MartletKey, as type: Value.Type = Value.self, level: Level? = nil, deadline: Duration? = nil
    ) async throws(MartletError) -> Entry<Value>? {
        guard let (found, siblings) = try await find(key, as: type, level: level, deadline: deadline),
            let latest = siblings.first
        else { return nil }
        return Entry(
            value: latest.value, context: found.context, expires: latest.expires, stamp: latest.stamp,
            siblings: siblings, answeredBy: found.answeredBy, epoch: found.epoch)
    }

    /// The value of `key` and nothing else; nil if there is none. See ``get(_:as:level:deadline:)``.
    public func value<Value: MartletValue>(
        _ key: MartletKey, as type: Value.Type = Value.self, level: Level? = nil, deadline: Duration? = nil
    ) async throws(MartletError) -> Value? {
        try await get(key, as: type, level: level, deadline: deadline)?.value
    }

    /// What there is of a key, a context without value included.
    func find<Value: MartletValue>(
        _ key: MartletKey, as type: Value.Type, level: Level?, deadline: Duration?
    ) async throws(MartletError) -> (Found, [Sibling<Value>])? {
        var request = dialect.get(key, level)
        request.deadline = deadline
        guard let found = try dialect.entry(from: try await router.perform(request, key: key)) else { return nil }
        var siblings: [Sibling<Value>] = []
        for sibling in found.siblings {
            siblings.append(
                Sibling(
                    value: try Value.decoded(sibling.value), expires: sibling.expires, stamp: sibling.stamp))
        }
        return (found, siblings)
    }

    /// Stores a value under `key`.
    ///
    /// - Parameters:
    ///   - expires: When it shall expire, as in `.after(.seconds(60))`.
    ///   - level: How many replicas have to hold it; nil for the keyspace's own.
    ///   - durability: What the write must have survived before this call returns; nil for the keyspace's default.
    ///   - context: The context of the read that this write follows from: it then supersedes exactly what was read. In
    ///     a keyspace that keeps siblings, a write without one becomes a sibling of all that there is.
    ///   - token: The token of an earlier try of the same write, from its error; else one is drawn.
    ///   - deadline: How long the call may take, instead of ``ClientSettings/deadline``.
    /// - Returns: Who acknowledged it, and how.
    /// - Throws: ``MartletError``, whose outcome tells whether the write may have been applied.
    @discardableResult
    public func put(
        _ key: MartletKey, _ value: some MartletValue, expires: Expiry = .never, level: Level? = nil,
        durability: WriteDurability? = nil, context: CausalContext? = nil, token: RetryToken? = nil,
        deadline: Duration? = nil
    ) async throws(MartletError) -> Receipt {
        if let milliseconds = expires.milliseconds, milliseconds < 1 {
            throw MartletError(.badArgument, .notApplied, "a value must stay for 1 ms at least")
        }
        let options = WriteOptions(
            expiry: expires, level: level, durability: durability, context: context,
            token: token ?? RetryToken(from: pool.random), deadline: deadline)
        return try await write(dialect.put(key, try value.encoded(), options), key, options)
    }

    /// Deletes the value of `key`; no error if there is none.
    ///
    /// Parameters, result and errors are those of ``put(_:_:expires:level:durability:context:token:deadline:)``.
    @discardableResult
    public func delete(
        _ key: MartletKey, level: Level? = nil, durability: WriteDurability? = nil, context: CausalContext? = nil,
        token: RetryToken? = nil, deadline: Duration? = nil
    ) async throws(MartletError) -> Receipt {
        let options = WriteOptions(
            level: level, durability: durability, context: context, token: token ?? RetryToken(from: pool.random),
            deadline: deadline)
        return try await write(dialect.delete(key, options), key, options)
    }

    /// The keys of the keyspace, page by page as they are asked for, in no order that has a meaning.
    ///
    /// Every key that is there throughout is returned; one that comes or goes meanwhile may be. Nothing is held at the
    /// server between pages, so a scan may be left at any time.
    ///
    /// - Parameters:
    ///   - match: A glob that keys must match: `*` any text, `?` one byte, `[ab]` one of these.
    ///   - pageSize: About how many keys to look at in one round trip.
    ///   - deadline: How long each page may take, instead of ``ClientSettings/deadline``.
    public func scan(match: String? = nil, pageSize: Int = 500, deadline: Duration? = nil) -> KeyScan {
        KeyScan(client: self, match: match, pageSize: max(1, pageSize), deadline: deadline)
    }

    /// Asks a server for a sign of life.
    public func ping(deadline: Duration? = nil) async throws(MartletError) {
        var request = dialect.ping()
        request.deadline = deadline
        _ = try await perform(request)
    }

    /// One page of a scan; `cursor` is nil after the last one.
    func page(
        from cursor: String, match: String?, pageSize: Int, deadline: Duration?
    ) async throws(MartletError) -> (keys: [MartletKey], cursor: String?) {
        let reply = try await perform(
            dialect.scan(cursor, match: match, pageSize: pageSize, deadline: deadline))
        guard let parts = reply.elements, let next = parts[0].text, let keys = parts[1].elements else {
            throw MartletError(.protocolViolation, .notApplied, "the reply to SCAN is no page")
        }
        return (keys.compactMap { $0.bytes.map(MartletKey.init(bytes:)) }, next == "0" ? nil : next)
    }

    private func write(
        _ request: Request, _ key: MartletKey, _ options: WriteOptions
    ) async throws(MartletError) -> Receipt {
        do throws(MartletError) {
            return dialect.receipt(from: try await router.perform(request, key: key))
        } catch {
            var error = error
            error.retryToken = options.token
            throw error
        }
    }

    /// Sends a request and returns its reply.
    func perform(_ request: Request) async throws(MartletError) -> Reply { try await pool.perform(request) }
}

extension MartletClient {
    /// Connects to the first of these servers that answers; if it is lost, the client goes on to the next one.
    ///
    /// The client has a thread of its own for its connections, which ends when the client is released.
    ///
    /// - Parameters:
    ///   - addresses: `HOST:PORT` each, with a numeric host or `localhost`; IPv6 as in `[::1]:7001`.
    ///   - settings: Deadlines, number of connections, and the like.
    /// - Throws: ``MartletError/Code/cannotConnect`` once each address was tried in vain.
    public static func connect(
        to addresses: [String], settings: ClientSettings = ClientSettings()
    ) async throws(MartletError) -> MartletClient {
        var parsed: [SocketAddress] = []
        for text in addresses {
            guard let address = SocketAddress(text) else {
                throw MartletError(.badArgument, .notApplied, "'\(text)' is no HOST:PORT")
            }
            parsed.append(address)
        }
        guard !parsed.isEmpty else {
            throw MartletError(.badArgument, .notApplied, "there is no address to connect to")
        }
        let loop = UVEventLoop.start(name: "martlet-client")
        return try await MartletClient(
            addresses: parsed, settings: settings, loop: loop, random: SystemRandomSource(),
            dialect: MartletDialect(), stopLoop: { loop.stop() })
    }
}
