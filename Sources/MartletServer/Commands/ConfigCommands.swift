import MartletCore

/// CONFIG: what the node runs with, in Redis' names. It is changed in the cluster file, not over the wire.
enum ConfigCommands {
    static let rows: [Command] = [
        Command(
            "config", arity: -2, shape: .connection, flags: [],
            summary: "A container for server configuration commands", group: "server", since: "2.0.0",
            subcommands: [
                row("get", -3, "Get the values of configuration parameters", handler: get),
                row("set", -4, "Set configuration parameters to the given values", handler: set),
                row("resetstat", 2, "Reset the stats returned by INFO") { _, call in call.reply.ok() },
                Command(
                    "config|help", arity: 2, shape: .connection, flags: Flags.always,
                    summary: "Show helpful text about the different subcommands", group: "server", since: "5.0.0"
                ) { _, call in call.reply.help("CONFIG", help) },
            ]
        ) { _, _ in }
    ]

    private static func row(
        _ name: String, _ arity: Int, _ summary: String, handler: @escaping Command.Handler
    ) -> Command {
        Command(
            "config|" + name, arity: arity, shape: .connection, flags: Flags.admin, summary: summary, group: "server",
            since: "2.0.0", handler: handler)
    }

    /// CONFIG GET pattern ...: the node's own parameters, and those that were only remembered.
    @Sendable static func get(_ input: RawSpan, _ call: Invocation) {
        let server = call.session.server
        let own = server.parameters
        let known = own + server.remembered.all.filter { extra in !own.contains { $0.name == extra.name } }
        var steps = GlobPattern.usualSteps
        var chosen: [(name: String, value: String)] = []
        for index in 2..<call.count {
            let word = input.extracting(call[index])
            let pattern = GlobPattern(word, ignoresCase: true)
            let isName = !word.text.contains { "*?[".contains($0) }
            for parameter in known where withBytes(of: parameter.name, { pattern.matches($0, steps: &steps) }) {
                guard !chosen.contains(where: { $0.name.lowercased() == parameter.name }) else { continue }
                // as Redis, a name that was asked for is given back in its own case
                chosen.append((name: isName ? word.text : parameter.name, value: parameter.value))
            }
        }
        guard steps > 0 else { return call.reply.refuse(GlobPattern.refusal) }
        call.reply.map(chosen.count)
        for parameter in chosen {
            call.reply.bulk(parameter.name)
            call.reply.bulk(parameter.value)
        }
    }

    /// CONFIG SET name value ...: all or none.
    @Sendable static func set(_ input: RawSpan, _ call: Invocation) {
        guard call.count % 2 == 0 else { return call.reply.refuse(Refusal.syntax) }
        var values = call.session.server.remembered
        var seen: Set<String> = []
        for index in stride(from: 2, to: call.count, by: 2) {
            let name = input.extracting(call[index])
            let key = name.text.lowercased()
            guard values.holds(key) else {
                return call.reply.refuse(
                    "ERR Unknown option or number of arguments for CONFIG SET - '", quoting: name, "'")
            }
            guard seen.insert(key).inserted else {
                return call.reply.refuse(
                    "ERR CONFIG SET failed (possibly related to argument '", quoting: name, "') - duplicate parameter")
            }
            values.set(key, to: input.extracting(call[index + 1]).text)
        }
        call.session.server.remembered = values
        call.reply.ok()
    }

    private static let help: [StaticString] = [
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
    ]
}

/// Parameters of Redis that mean nothing here but that its clients' test suites set: they are kept and given back.
public struct RememberedParameters: Sendable {
    private var values: [String: String]

    /// With Redis' defaults.
    public init() { values = Self.defaults }

    /// Sorted by name.
    var all: [(name: String, value: String)] {
        values.map { (name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    }

    func holds(_ name: String) -> Bool { values[name] != nil }

    mutating func set(_ name: String, to value: String) { values[name] = value }

    private static let defaults = [
        "active-expire-effort": "1", "activedefrag": "no", "appendonly": "no", "close-on-oom": "yes",
        "hash-max-listpack-entries": "512", "hash-max-listpack-value": "64", "hash-max-ziplist-entries": "512",
        "hash-max-ziplist-value": "64", "hll-sparse-max-bytes": "3000", "latency-monitor-threshold": "0",
        "lazyfree-lazy-eviction": "no", "lazyfree-lazy-expire": "no", "lazyfree-lazy-server-del": "no",
        "lazyfree-lazy-user-del": "no", "lazyfree-lazy-user-flush": "no", "list-compress-depth": "0",
        "list-max-listpack-size": "-2", "list-max-ziplist-size": "-2", "lua-time-limit": "5000",
        "maxmemory": "0", "maxmemory-policy": "noeviction", "maxmemory-samples": "5",
        "notify-keyspace-events": "", "proto-max-bulk-len": "536870912", "save": "",
        "set-max-intset-entries": "512", "slowlog-log-slower-than": "10000", "slowlog-max-len": "128",
        "stream-node-max-bytes": "4096", "stream-node-max-entries": "100", "timeout": "0",
        "zset-max-listpack-entries": "128", "zset-max-listpack-value": "64", "zset-max-ziplist-entries": "128",
        "zset-max-ziplist-value": "64",
    ]
}
