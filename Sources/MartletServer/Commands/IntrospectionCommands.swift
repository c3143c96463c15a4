import MartletCore

/// COMMAND: what commands there are, for clients that route and complete by it.
enum IntrospectionCommands {
    static let rows: [Command] = [
        Command(
            "command", arity: -1, shape: .connection, flags: Flags.always,
            summary: "Get array of Redis command details", group: "server", since: "2.8.13",
            subcommands: [
                row("count", 2, "Get total number of Redis commands") { _, call in
                    call.reply.integer(CommandTable.standard.count)
                },
                row(
                    "info", -2, "Get array of specific Redis command details, or all when no argument is given.",
                    handler: info),
                row("docs", -2, "Get array of specific Redis command documentation", since: "7.0.0", handler: docs),
                row("list", -2, "Get an array of Redis command names", since: "7.0.0", handler: list),
                row("getkeys", -4, "Extract keys given a full Redis command", handler: getKeys),
                row("help", 2, "Show helpful text about the different subcommands", since: "5.0.0") { _, call in
                    call.reply.help("COMMAND", help)
                },
            ]
        ) { _, call in
            let table = CommandTable.standard
            call.reply.array(table.count)
            for row in 0..<table.count { call.reply.describe(row, of: table) }
        }
    ]

    private static func row(
        _ name: String, _ arity: Int, _ summary: String, since: String = "2.8.13", handler: @escaping Command.Handler
    ) -> Command {
        Command(
            "command|" + name, arity: arity, shape: .connection, flags: Flags.always, summary: summary,
            group: "server", since: since, handler: handler)
    }

    @Sendable static func info(_ input: RawSpan, _ call: Invocation) {
        let table = CommandTable.standard
        guard call.count > 2 else {
            call.reply.array(table.count)
            for row in 0..<table.count { call.reply.describe(row, of: table) }
            return
        }
        call.reply.array(call.count - 2)
        for index in 2..<call.count {
            if let row = table.row(fullName: input.extracting(call[index])) {
                call.reply.describe(row, of: table)
            } else {
                call.reply.null()
            }
        }
    }

    /// Names that are none are left out.
    @Sendable static func docs(_ input: RawSpan, _ call: Invocation) {
        let table = CommandTable.standard
        var rows = Array(0..<table.count)
        if call.count > 2 {
            rows.removeAll()
            for index in 2..<call.count {
                if let row = table.row(fullName: input.extracting(call[index])) { rows.append(row) }
            }
        }
        call.reply.map(rows.count)
        for row in rows {
            call.reply.bulk(table.rows[row].name)
            call.reply.document(row, of: table)
        }
    }

    /// COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]
    @Sendable static func list(_ input: RawSpan, _ call: Invocation) {
        let table = CommandTable.standard
        guard call.count > 2 else { return reply(with: table.rows[..<table.count].map(\.name), call) }
        guard call.count == 5, input.extracting(call[2]).isWord("filterby") else {
            return call.reply.refuse(Refusal.syntax)
        }
        let kind = input.extracting(call[3])
        let wanted = input.extracting(call[4])
        if kind.isWord("module") {
            reply(with: [], call)
        } else if kind.isWord("aclcat") {
            let category = "@" + wanted.text.lowercased()
            reply(with: table.rows.filter { $0.categories.contains(category) }.map(\.name), call)
        } else if kind.isWord("pattern") {
            let pattern = GlobPattern(wanted, ignoresCase: true)
            var steps = GlobPattern.usualSteps
            let names = table.rows.map(\.name).filter { name in
                withBytes(of: name) { pattern.matches($0, steps: &steps) }
            }
            reply(with: names, call)
        } else {
            call.reply.refuse(Refusal.syntax)
        }
    }

    private static func reply(with names: [String], _ call: Invocation) {
        call.reply.array(names.count)
        for name in names { call.reply.bulk(name) }
    }

    /// COMMAND GETKEYS command argument ...
    @Sendable static func getKeys(_ input: RawSpan, _ call: Invocation) {
        let table = CommandTable.standard
        guard var row = table.row(named: input.extracting(call[2])) else {
            return call.reply.refuse("ERR Invalid command specified")
        }
        if !table.subcommandRows(of: row).isEmpty {
            guard let subcommand = table.subcommandRow(input.extracting(call[3]), of: row) else {
                return call.reply.refuse("ERR Invalid command specified")
            }
            row = subcommand
        }
        guard case .keys(let first, let last, let step) = table.rows[row].shape else {
            return call.reply.refuse("ERR The command has no key arguments")
        }
        let count = call.count - 2
        let arity = table.rows[row].arity
        guard arity >= 0 ? count == arity : count >= -arity else {
            return call.reply.refuse("ERR Invalid number of arguments specified for command")
        }
        let end = last < 0 ? count + last : last
        let positions = Array(stride(from: first + 2, through: end + 2, by: step))
        call.reply.array(positions.count)
        for position in positions { call.reply.bulk(input.extracting(call[position])) }
    }

    private static let help: [StaticString] = [
        "(no subcommand)",
        "    Return details about all Redis commands.",
        "COUNT",
        "    Return the total number of commands in this Redis server.",
        "LIST",
        "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full Redis command.",
    ]
}
