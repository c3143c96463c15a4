import MartletCore

/// The server: INFO, TIME, WAIT and what clients' test suites send before they start.
enum ServerCommands {
    /// The Redis whose answers these are; clients choose what they send by it.
    static let redisVersion = "7.0.15"

    static let rows: [Command] = [
        Command(
            "info", arity: -1, shape: .connection, flags: Flags.always,
            summary: "Get information and statistics about the server", group: "server", handler: info),
        Command(
            "time", arity: 1, shape: .connection, flags: ["loading", "stale", "fast"],
            summary: "Return the current server time", group: "server", since: "2.6.0", handler: time),
        Command(
            "wait", arity: 3, shape: .connection, flags: ["noscript"],
            summary: """
                Wait for the synchronous replication of all the write commands sent in the context of the current \
                connection
                """, group: "generic", since: "3.0.0", handler: wait),
        Command(
            "function", arity: -2, shape: .connection, flags: [], summary: "A container for function commands",
            group: "scripting", since: "7.0.0",
            subcommands: [
                Command(
                    "function|flush", arity: -2, shape: .connection, flags: ["write", "noscript"],
                    summary: "Deleting all functions", group: "scripting", since: "7.0.0", handler: functionFlush),
                Command(
                    "function|help", arity: 2, shape: .connection, flags: Flags.always,
                    summary: "Show helpful text about the different subcommands", group: "scripting", since: "7.0.0"
                ) { _, call in
                    call.reply.help(
                        "FUNCTION", ["FLUSH [ASYNC|SYNC]", "    Delete all the libraries: there are none."])
                },
            ]
        ) { _, _ in },
    ]

    /// Sections in INFO's order, with their titles; `martlet`, `replicas` and `backend` are our own.
    private static let sections: [(name: String, title: String)] = [
        ("server", "Server"), ("clients", "Clients"), ("memory", "Memory"), ("persistence", "Persistence"),
        ("stats", "Stats"), ("replication", "Replication"), ("cpu", "CPU"), ("modules", "Modules"),
        ("errorstats", "Errorstats"), ("cluster", "Cluster"), ("keyspace", "Keyspace"), ("martlet", "Martlet"),
        ("replicas", "Replicas"), ("backend", "Backend"),
    ]

    /// INFO [section ...]: all without one, or for `default`, `all` and `everything`; what is no section adds nothing.
    @Sendable static func info(_ input: RawSpan, _ call: Invocation) {
        var asked: Set<String> = []
        for index in 1..<max(1, call.count) { asked.insert(input.extracting(call[index]).text.lowercased()) }
        let all = asked.isEmpty || !asked.isDisjoint(with: ["default", "all", "everything"])
        var text = ""
        for section in sections where all || asked.contains(section.name) {
            if !text.isEmpty { text += "\r\n" }
            text += "# \(section.title)\r\n"
            for line in call.session.server.information(section: section.name) {
                text += "\(line.name):\(line.value)\r\n"
            }
        }
        call.reply.verbatim(text)
    }

    @Sendable static func time(_ input: RawSpan, _ call: Invocation) {
        let now = call.session.server.wallMicroseconds
        call.reply.array(2)
        call.reply.bulk("\(now / 1_000_000)")
        call.reply.bulk("\(now % 1_000_000)")
    }

    /// WAIT replicas timeout: there are no Redis replicas to wait for; what was acknowledged is as durable as promised.
    @Sendable static func wait(_ input: RawSpan, _ call: Invocation) {
        guard call.integer(input, 1) != nil,
            let timeout = call.integer(input, 2, else: "ERR timeout is not an integer or out of range")
        else { return }
        if timeout < 0 { return call.reply.refuse("ERR timeout is negative") }
        call.reply.integer(0)
    }

    @Sendable static func functionFlush(_ input: RawSpan, _ call: Invocation) {
        guard call.count <= 3 else {
            return call.reply.refuse(
                "ERR unknown subcommand or wrong number of arguments for '", quoting: input.extracting(call[1]),
                limit: 128, "'. Try FUNCTION HELP.")
        }
        let isValid =
            call.count == 2
            || call.count == 3
                && (input.extracting(call[2]).isWord("sync") || input.extracting(call[2]).isWord("async"))
        guard isValid else { return call.reply.refuse("ERR FUNCTION FLUSH only supports SYNC|ASYNC option") }
        call.reply.ok()
    }
}
