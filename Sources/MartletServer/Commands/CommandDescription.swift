import MartletCore

extension Command {
    /// Redis' ACL categories, which follow from flags and group.
    var categories: [String] {
        var found: [String] = []
        let isContainer = !subcommands.isEmpty && name != "command"
        if group == "generic", name != "wait", !isContainer { found.append("@keyspace") }
        if ["dbsize", "flushdb", "flushall"].contains(name) { found.append("@keyspace") }
        if flags.contains("readonly") { found.append("@read") }
        if flags.contains("write") { found.append("@write") }
        if group == "string" || group == "martlet" { found.append("@string") }
        if flags.contains("admin") { found.append("@admin") }
        found.append(flags.contains("fast") ? "@fast" : "@slow")
        if flags.contains("admin") || ["keys", "flushdb", "flushall", "info"].contains(name) {
            found.append("@dangerous")
        }
        let isConnection =
            group == "connection" || name.hasPrefix("command")
            || ["wait", "readonly", "readwrite", "asking"].contains(name)
        if isConnection, !isContainer { found.append("@connection") }
        if group == "scripting", !isContainer { found.append("@scripting") }
        return found
    }
}

extension ReplyWriter {
    /// One element of COMMAND INFO. Key specifications have Redis' form; their flags are worked out from the command's.
    mutating func describe(_ row: Int, of table: CommandTable) {
        let command = table.rows[row]
        var keys = (first: 0, last: 0, step: 0)
        if case .keys(let first, let last, let step) = command.shape { keys = (first, last, step) }
        array(10)
        bulk(command.name)
        integer(command.arity)
        names(command.flags)
        integer(keys.first)
        integer(keys.last)
        integer(keys.step)
        names(command.categories)
        set(0)  // tips
        if keys.first == 0 {
            set(0)
        } else {
            set(1)
            keySpecification(keys, isWrite: command.flags.contains("write"))
        }
        let subcommands = table.subcommandRows(of: row)
        guard !subcommands.isEmpty else { return set(0) }
        array(subcommands.count)
        for subcommand in subcommands { describe(subcommand, of: table) }
    }

    private mutating func names(_ names: [String]) {
        set(names.count)
        for name in names {
            buffer.append("+")
            buffer.append(name)
            buffer.append("\r\n")
        }
    }

    private mutating func keySpecification(_ keys: (first: Int, last: Int, step: Int), isWrite: Bool) {
        map(3)
        bulk("flags")
        names(isWrite ? ["RW", "access", "update"] : ["RO", "access"])
        bulk("begin_search")
        map(2)
        bulk("type")
        bulk("index")
        bulk("spec")
        map(1)
        bulk("index")
        integer(keys.first)
        bulk("find_keys")
        map(2)
        bulk("type")
        bulk("range")
        bulk("spec")
        map(3)
        bulk("lastkey")
        integer(keys.last < 0 ? keys.last : keys.last - keys.first)
        bulk("keystep")
        integer(keys.step)
        bulk("limit")
        integer(0)
    }

    /// One value of COMMAND DOCS.
    mutating func document(_ row: Int, of table: CommandTable) {
        let command = table.rows[row]
        let subcommands = table.subcommandRows(of: row)
        map(subcommands.isEmpty ? 3 : 4)
        bulk("summary")
        bulk(command.summary)
        bulk("since")
        bulk(command.since)
        bulk("group")
        bulk(command.group)
        guard !subcommands.isEmpty else { return }
        bulk("subcommands")
        map(subcommands.count)
        for subcommand in subcommands {
            bulk(table.rows[subcommand].name)
            document(subcommand, of: table)
        }
    }
}
