import MartletCore

/// CLIENT: this connection and the worker's others.
enum ClientCommands {
    static let rows: [Command] = [
        Command(
            "client", arity: -2, shape: .connection, flags: [],
            summary: "A container for client connection commands", group: "connection", since: "2.4.0",
            subcommands: [
                row("id", 2, "Returns the client ID for the current connection", since: "5.0.0") { _, call in
                    call.reply.integer(Int64(clamping: call.session.id))
                },
                row("getname", 2, "Get the current connection name", since: "2.6.9") { _, call in
                    if call.session.name.isEmpty { call.reply.null() } else { call.reply.bulk(call.session.name) }
                },
                row("setname", 3, "Set the current connection name", since: "2.6.9") { input, call in
                    if call.setName(input, 2) { call.reply.ok() }
                },
                row("setinfo", 4, "Set the client or library specific info", since: "7.2.0", handler: setInfo),
                row(
                    "info", 2, "Returns information about the current client connection.", since: "6.2.0",
                    handler: info),
                row("list", -2, "Get the list of client connections", flags: Flags.admin, handler: list),
                row("kill", -3, "Kill the connection of a client", flags: Flags.admin, handler: kill),
                row(
                    "no-evict", 3, "Set client eviction mode for the current connection", since: "7.0.0",
                    flags: Flags.admin
                ) { input, call in
                    if let isOn = flag(input, call) { call.session.noEvict = isOn }
                },
                // there is no eviction, so nothing is touched by reading
                row(
                    "no-touch", 3, "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
                    since: "7.2.0"
                ) { input, call in _ = flag(input, call) },
                row("reply", 3, "Instruct the server whether to reply to commands", since: "3.2.0", handler: reply),
                row("help", 2, "Show helpful text about the different subcommands", since: "5.0.0", flags: Flags.always)
                { _, call in call.reply.help("CLIENT", help) },
            ]
        ) { _, _ in }
    ]

    private static func row(
        _ name: String, _ arity: Int, _ summary: String, since: String = "2.4.0",
        flags: [String] = Flags.connection, handler: @escaping Command.Handler
    ) -> Command {
        Command(
            "client|" + name, arity: arity, shape: .connection, flags: flags, summary: summary, group: "connection",
            since: since, handler: handler)
    }

    /// ON or OFF; nil if neither, and the error is appended.
    private static func flag(_ input: RawSpan, _ call: Invocation) -> Bool? {
        let word = input.extracting(call[2])
        guard word.isWord("on") || word.isWord("off") else {
            call.reply.refuse(Refusal.syntax)
            return nil
        }
        call.reply.ok()
        return word.isWord("on")
    }

    /// CLIENT SETINFO LIB-NAME|LIB-VER text: of Redis 7.2, but today's clients send it unasked.
    @Sendable static func setInfo(_ input: RawSpan, _ call: Invocation) {
        let option = input.extracting(call[2])
        let text = input.extracting(call[3])
        let isName = option.isWord("lib-name")
        guard isName || option.isWord("lib-ver") else {
            return call.reply.refuse("ERR Unrecognized option '", quoting: option, "'")
        }
        guard text.isVisible else {
            return call.reply.refuse(
                "ERR ", quoting: option, " cannot contain spaces, newlines or special characters.")
        }
        if isName { call.session.libraryName = text.text } else { call.session.libraryVersion = text.text }
        call.reply.ok()
    }

    @Sendable static func info(_ input: RawSpan, _ call: Invocation) {
        call.reply.verbatim(line(call.session, now: call.session.server.wallMicroseconds) + "\n")
    }

    /// CLIENT REPLY ON|OFF|SKIP: the latter two have no reply of their own.
    @Sendable static func reply(_ input: RawSpan, _ call: Invocation) {
        let word = input.extracting(call[2])
        if word.isWord("on") {
            call.session.replyMode = .on
            call.reply.ok()
        } else if word.isWord("off") {
            call.session.replyMode = .off
        } else if word.isWord("skip") {
            if call.session.replyMode == .on { call.session.replyMode = .skipNext }
        } else {
            call.reply.refuse(Refusal.syntax)
        }
    }

    /// CLIENT LIST [TYPE type | ID id ...]
    @Sendable static func list(_ input: RawSpan, _ call: Invocation) {
        var sessions = call.session.server.sessions
        if call.count == 4, input.extracting(call[2]).isWord("type") {
            guard let isNormal = ClientFilter.isNormal(input, call, 3) else { return }
            if !isNormal { sessions = [] }
        } else if call.count > 3, input.extracting(call[2]).isWord("id") {
            var chosen: [Session] = []
            for index in 3..<call.count {
                guard let id = call.integer(input, index, else: "ERR Invalid client ID") else { return }
                if let found = sessions.first(where: { Int64(clamping: $0.id) == id }) { chosen.append(found) }
            }
            sessions = chosen
        } else if call.count != 2 {
            return call.reply.refuse(Refusal.syntax)
        }
        let now = call.session.server.wallMicroseconds
        call.reply.verbatim(sessions.map { line($0, now: now) + "\n" }.joined())
    }

    /// One session in the form of Redis 7.0; what is not counted here is 0, and the descriptor is not told.
    static func line(_ session: Session, now: Int64) -> String {
        let age = max(0, now - session.connectedAt) / 1_000_000
        let idle = max(0, now - session.lastActiveAt) / 1_000_000
        return """
            id=\(session.id) addr=\(session.peer) laddr=\(session.local) fd=-1 name=\(session.name) age=\(age) \
            idle=\(idle) flags=\(session.noEvict ? "e" : "N") db=\(session.keyspace) sub=0 psub=0 ssub=0 multi=-1 \
            qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r \
            cmd=\(session.lastCommand.isEmpty ? "NULL" : session.lastCommand) user=default redir=-1 \
            resp=\(session.protocolVersion)
            """
    }

    /// CLIENT KILL address, or CLIENT KILL [ID id] [TYPE type] [ADDR address] [LADDR address] [USER name] [SKIPME
    /// yes|no]
    @Sendable static func kill(_ input: RawSpan, _ call: Invocation) {
        guard let filter = ClientFilter.parse(input, call) else { return }
        var killed = 0
        for session in call.session.server.sessions where filter.takes(session, own: call.session) {
            if session === call.session {
                call.session.closesAfterReply = true
                killed += 1
            } else if call.session.server.kill(session: session.id) {
                killed += 1
            }
        }
        if call.count > 3 {
            call.reply.integer(killed)
        } else if killed > 0 {
            call.reply.ok()
        } else {
            call.reply.refuse("ERR No such client")
        }
    }
}
