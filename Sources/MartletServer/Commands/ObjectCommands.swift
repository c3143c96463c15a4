import MartletCore
import MartletNode

/// OBJECT: how Redis would hold a value. Martlet holds all values alike; the answers are worked out from the bytes.
enum ObjectCommands {
    static let rows: [Command] = [
        Command(
            "object", arity: -2, shape: .connection, flags: [],
            summary: "A container for object introspection commands", group: "generic", since: "2.2.3",
            subcommands: [
                row("encoding", "Inspect the internal encoding of a Redis object", handler: encoding),
                row(
                    "freq", "Get the logarithmic access frequency counter of a Redis object", since: "4.0.0",
                    handler: freq),
                row("idletime", "Get the time since a Redis object was last accessed", handler: idletime),
                row("refcount", "Get the number of references to the value of the key", handler: refcount),
                Command(
                    "object|help", arity: 2, shape: .connection, flags: Flags.always,
                    summary: "Show helpful text about the different subcommands", group: "generic", since: "6.2.0"
                ) { _, call in call.reply.help("OBJECT", help) },
            ]
        ) { _, _ in }
    ]

    private static func row(
        _ name: String, _ summary: String, since: String = "2.2.3", handler: @escaping Command.Handler
    ) -> Command {
        Command(
            "object|" + name, arity: 3, shape: .keys(first: 2, last: 2, step: 1), flags: Flags.slowRead,
            summary: summary, group: "generic", since: since, handler: handler)
    }

    /// Redis' choice for a value that SET has stored. (APPEND and SETRANGE leave `raw` there: that history is not
    /// kept.)
    @Sendable static func encoding(_ input: RawSpan, _ call: Invocation) {
        var name: StaticString = "raw"
        let found = call.transaction.read(input.extracting(call[2])) { value, _ in
            if value.decimal != nil {
                name = "int"
            } else if value.byteCount <= 44 {
                name = "embstr"
            }
        }
        guard found else { return call.reply.null() }
        call.reply.header(UInt8(ascii: "$"), name.utf8CodeUnitCount)
        call.reply.buffer.append(name)
        call.reply.buffer.append("\r\n")
    }

    @Sendable static func freq(_ input: RawSpan, _ call: Invocation) {
        guard call.transaction.exists(input.extracting(call[2])) else { return call.reply.null() }
        call.reply.refuse(
            """
            ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
            between policies at runtime LRU and LFU data will take some time to adjust.
            """)
    }

    @Sendable static func idletime(_ input: RawSpan, _ call: Invocation) {
        if call.transaction.exists(input.extracting(call[2])) { call.reply.integer(0) } else { call.reply.null() }
    }

    /// Redis shares the integers below 10000.
    @Sendable static func refcount(_ input: RawSpan, _ call: Invocation) {
        var isShared = false
        let found = call.transaction.read(input.extracting(call[2])) { value, _ in
            isShared = value.decimal.map { 0..<10000 ~= $0 } ?? false
        }
        if found { call.reply.integer(isShared ? Int(Int32.max) : 1) } else { call.reply.null() }
    }

    private static let help: [StaticString] = [
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
    ]
}
