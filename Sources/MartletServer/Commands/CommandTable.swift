import MartletCore

/// All commands of the front door. Made once for the process and shared; lookups are O(1) and allocate nothing.
///
/// Commands and subcommands lie in one array, `rows`, so that a command is a small number: read what is needed in place
/// (`table.rows[index].handler`), since a copy of a `Command` counts references.
public struct CommandTable: Sendable {
    /// Commands first, by name, then the subcommands of all containers.
    public let rows: [Command]
    /// Of each row, how it uses replicas.
    let uses: [ReplicaUse]
    /// Of each row, whether it may store more than there was.
    let mayGrow: [Bool]
    /// Of each row, whether it may write at all.
    let mayWrite: [Bool]
    /// How many of `rows` are commands rather than subcommands.
    public let count: Int
    /// Of each command, where its subcommands lie in `rows`.
    private let subcommands: [Range<Int>]
    /// The subcommands' own names, as `subcommands` counts.
    private let subcommandNames: [CommandName]
    /// Open addressing over the names of commands; `row` is -1 in an empty slot.
    private let slots: [Slot]

    private struct Slot: Sendable {
        var name: CommandName
        var row: Int
    }

    /// The commands of this release.
    public static let standard: CommandTable = CommandTable(
        StringCommands.rows + RangeCommands.rows + CounterCommands.rows + ExpiryCommands.rows + GenericCommands.rows
            + ObjectCommands.rows + ConnectionCommands.rows + ClientCommands.rows + ServerCommands.rows
            + ConfigCommands.rows + IntrospectionCommands.rows + ClusterCommands.rows + KeyspaceCommands.rows
            + MartletCommands.rows + MartletClusterCommands.rows)

    /// Names are unique, at most 24 bytes and lower case; a subcommand's is `container|name`.
    public init(_ commands: [Command]) {
        let sorted = commands.sorted { $0.name < $1.name }
        var rows = sorted
        var ranges: [Range<Int>] = []
        var names: [CommandName] = []
        for command in sorted {
            ranges.append(rows.count..<rows.count + command.subcommands.count)
            for subcommand in command.subcommands {
                rows.append(subcommand)
                names.append(CommandName(subcommand.name.dropFirst(command.name.utf8.count + 1))!)
            }
        }
        self.rows = rows
        uses = rows.map { ReplicaUse($0) }
        mayGrow = rows.map { $0.flags.contains("denyoom") }
        mayWrite = rows.map { $0.flags.contains("write") }
        count = sorted.count
        subcommands = ranges
        subcommandNames = names
        let size = 1024  // sparse: a lookup of a known name nearly always hits at once
        var slots = Array(repeating: Slot(name: CommandName("-")!, row: -1), count: size)
        for (row, command) in sorted.enumerated() {
            let name = CommandName(command.name)!
            var at = name.slot(mask: size - 1)
            while slots[at].row >= 0 {
                precondition(slots[at].name != name, "two commands are named \(command.name)")
                at = (at + 1) & (size - 1)
            }
            slots[at] = Slot(name: name, row: row)
        }
        self.slots = slots
    }

    /// The row of a command by its name, in any case; nil if there is none.
    public func row(named bytes: RawSpan) -> Int? {
        guard let name = CommandName(bytes) else { return nil }
        let mask = slots.count - 1
        var at = name.slot(mask: mask)
        while slots[at].row >= 0 {
            if slots[at].name == name { return slots[at].row }
            at = (at + 1) & mask
        }
        return nil
    }

    /// The row of the command or subcommand that arguments name, whether or not their number is right; nil if none.
    public func row(_ input: RawSpan, _ arguments: [Range<Int>]) -> Int? {
        guard let first = arguments.first, let row = row(named: input.extracting(first)) else { return nil }
        guard !subcommands[row].isEmpty, arguments.count > 1 else { return row }
        return subcommandRow(input.extracting(arguments[1]), in: subcommands[row])
    }

    /// The row of the command or subcommand that `call` asks for, with its number of arguments checked.
    ///
    /// Nil if it cannot run: Redis' error for an unknown command or subcommand or a wrong number of arguments has been
    /// appended to the reply, or, if an HTTP request came in, `session.aborts` is set and nothing was appended.
    /// `call` has at least one argument.
    public func find(_ input: RawSpan, _ call: Invocation) -> Int? {
        let name = input.extracting(call[0])
        guard var row = row(named: name) else {
            if name.isWord("post") || name.isWord("host:") {
                call.session.aborts = true
            } else {
                call.reply.refuseUnknown(input, call.arguments)
            }
            return nil
        }
        let range = subcommands[row]
        if !range.isEmpty, call.count > 1 {
            guard let subcommand = subcommandRow(input.extracting(call[1]), in: range) else {
                call.reply.refuseSubcommand(of: rows[row].name, input.extracting(call[1]))
                return nil
            }
            row = subcommand
        }
        let arity = rows[row].arity
        if arity >= 0 ? call.count == arity : call.count >= -arity { return row }
        call.reply.refuseArity(rows[row].name)
        return nil
    }

    /// As ``row(named:)`` for `container|subcommand`.
    func row(fullName bytes: RawSpan) -> Int? {
        for offset in 0..<bytes.byteCount where bytes.byte(offset) == UInt8(ascii: "|") {
            guard let container = row(named: bytes.extracting(0..<offset)) else { return nil }
            return subcommandRow(bytes.extracting(offset + 1..<bytes.byteCount), in: subcommands[container])
        }
        return row(named: bytes)
    }

    /// Where the subcommands of the command in `row` lie.
    func subcommandRows(of row: Int) -> Range<Int> { row < count ? subcommands[row] : 0..<0 }

    /// The row of a subcommand of the command in `row`.
    func subcommandRow(_ bytes: RawSpan, of row: Int) -> Int? { subcommandRow(bytes, in: subcommandRows(of: row)) }

    private func subcommandRow(_ bytes: RawSpan, in range: Range<Int>) -> Int? {
        guard let name = CommandName(bytes) else { return nil }
        for row in range where subcommandNames[row - count] == name { return row }
        return nil
    }
}
