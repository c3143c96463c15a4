import MartletCore

/// The connection itself: PING, HELLO, SELECT, QUIT and their kin.
enum ConnectionCommands {
    static let rows: [Command] = [
        row("ping", -1, ["fast"], "Ping the server", handler: ping),
        row("echo", 2, ["loading", "stale", "fast"], "Echo the given string", handler: echo),
        row("hello", -1, Flags.handshake, "Handshake with Redis", since: "6.0.0", handler: hello),
        row("auth", -2, Flags.handshake, "Authenticate to the server", handler: auth),
        row(
            "select", 2, ["loading", "stale", "fast"], "Change the selected database for the current connection",
            handler: select),
        row("quit", -1, Flags.handshake, "Close the connection", handler: quit),
        row("reset", 1, Flags.handshake, "Reset the connection", since: "6.2.0", handler: reset),
    ]

    private static func row(
        _ name: String, _ arity: Int, _ flags: [String], _ summary: String, since: String = "1.0.0",
        handler: @escaping Command.Handler
    ) -> Command {
        Command(
            name, arity: arity, shape: .connection, flags: flags, summary: summary, group: "connection", since: since,
            handler: handler)
    }

    @Sendable static func ping(_ input: RawSpan, _ call: Invocation) {
        switch call.count {
        case 1: call.reply.simple("PONG")
        case 2: call.reply.bulk(input.extracting(call[1]))
        default: call.reply.refuseArity("ping")
        }
    }

    @Sendable static func echo(_ input: RawSpan, _ call: Invocation) { call.reply.bulk(input.extracting(call[1])) }

    /// HELLO [version [AUTH user password] [SETNAME name]]
    @Sendable static func hello(_ input: RawSpan, _ call: Invocation) {
        var version: Int64 = 0
        if call.count > 1 {
            guard
                let asked = call.integer(
                    input, 1, else: "ERR Protocol version is not an integer or out of range")
            else { return }
            guard asked == 2 || asked == 3 else { return call.reply.refuse("NOPROTO unsupported protocol version") }
            version = asked
        }
        var index = 2
        while index < call.count {
            let word = input.extracting(call[index])
            let left = call.count - 1 - index
            if word.isWord("auth"), left >= 2 {
                guard isUser(input.extracting(call[index + 1])) else {
                    return call.reply.refuse(Refusal.wrongPassword)
                }
                index += 3
            } else if word.isWord("setname"), left >= 1 {
                guard call.setName(input, index + 1) else { return }
                index += 2
            } else {
                return call.reply.refuse("ERR Syntax error in HELLO option '", quoting: word, "'")
            }
        }
        if version != 0 { setVersion(Int(version), call) }
        describe(call)
    }

    private static func describe(_ call: Invocation) {
        call.reply.map(7)
        call.reply.bulk("server")
        call.reply.bulk("redis")
        call.reply.bulk("version")
        call.reply.bulk(ServerCommands.redisVersion)
        call.reply.bulk("proto")
        call.reply.integer(call.session.protocolVersion)
        call.reply.bulk("id")
        call.reply.integer(Int64(clamping: call.session.id))
        call.reply.bulk("mode")
        call.reply.bulk("standalone")
        call.reply.bulk("role")
        call.reply.bulk("master")
        call.reply.bulk("modules")
        call.reply.array(0)
    }

    private static func setVersion(_ version: Int, _ call: Invocation) {
        call.session.protocolVersion = version
        call.reply.version = version
    }

    /// AUTH [user] password. There is no password in this release: as with Redis then, the one user is `default`, with
    /// whatever password.
    @Sendable static func auth(_ input: RawSpan, _ call: Invocation) {
        switch call.count {
        case 2: call.reply.refuse(Refusal.noPassword)
        case 3 where isUser(input.extracting(call[1])): call.reply.ok()
        case 3: call.reply.refuse(Refusal.wrongPassword)
        default: call.reply.refuse(Refusal.syntax)
        }
    }

    private static func isUser(_ name: RawSpan) -> Bool { withBytes(of: "default") { name.equals($0) } }

    /// SELECT number, or the keyspace's name.
    @Sendable static func select(_ input: RawSpan, _ call: Invocation) {
        let names = call.session.server.keyspaceNames
        let word = input.extracting(call[1])
        if word.decimal == nil, let named = names.firstIndex(of: word.text) {
            call.session.keyspace = named
            return call.reply.ok()
        }
        guard let number = call.int32(input, 1) else { return }
        guard names.indices.contains(number) else { return call.reply.refuse(Refusal.database) }
        call.session.keyspace = number
        call.reply.ok()
    }

    @Sendable static func quit(_ input: RawSpan, _ call: Invocation) {
        call.reply.ok()
        call.session.closesAfterReply = true
    }

    @Sendable static func reset(_ input: RawSpan, _ call: Invocation) {
        call.session.keyspace = 0
        call.session.name = ""
        call.session.replyMode = .on
        (call.session.readLevel, call.session.writeLevel) = (nil, nil)
        setVersion(2, call)
        call.reply.simple("RESET")
    }
}

extension Invocation {
    /// CLIENT SETNAME and HELLO SETNAME; false if the name was refused, and the error is appended. None unsets it.
    func setName(_ input: RawSpan, _ index: Int) -> Bool {
        let name = input.extracting(self[index])
        guard name.isVisible else {
            reply.refuse(Refusal.clientName)
            return false
        }
        session.name = name.text
        return true
    }
}

extension RawSpan {
    /// Only ASCII from `!` to `~`: what can stand in a line of CLIENT LIST.
    var isVisible: Bool {
        for offset in 0..<byteCount where byte(offset) < 0x21 || byte(offset) > 0x7e { return false }
        return true
    }
}
