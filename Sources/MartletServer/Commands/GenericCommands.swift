import MartletCore
import MartletNode

/// Keys whatever their values: EXISTS, DEL, RENAME, COPY and their kin.
enum GenericCommands {
    static let rows: [Command] = [
        row("type", 2, .key, Flags.read, "Determine the type stored at key", handler: type),
        row("exists", -2, .allKeys, Flags.read, "Determine if a key exists", handler: exists),
        row("del", -2, .allKeys, Flags.remove, "Delete a key", handler: del),
        row(
            "unlink", -2, .allKeys, Flags.fastRemove,
            "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
            since: "4.0.0", handler: del),
        row(
            "touch", -2, .allKeys, Flags.read,
            "Alters the last access time of a key(s). Returns the number of existing keys specified.",
            since: "3.2.1", handler: exists),
        row("rename", 3, .twoKeys, Flags.remove, "Rename a key", handler: rename),
        row(
            "renamenx", 3, .twoKeys, Flags.fastRemove, "Rename a key, only if the new key does not exist",
            handler: renamenx),
        row("copy", -3, .twoKeys, Flags.write, "Copy a key", since: "6.2.0", handler: copy),
    ]

    private static func row(
        _ name: String, _ arity: Int, _ shape: CommandShape, _ flags: [String], _ summary: String,
        since: String = "1.0.0", handler: @escaping Command.Handler
    ) -> Command {
        Command(
            name, arity: arity, shape: shape, flags: flags, summary: summary, group: "generic", since: since,
            handler: handler)
    }

    /// All values are strings.
    @Sendable static func type(_ input: RawSpan, _ call: Invocation) {
        call.reply.simple(call.transaction.exists(input.extracting(call[1])) ? "string" : "none")
    }

    /// EXISTS and TOUCH: a key named twice counts twice.
    @Sendable static func exists(_ input: RawSpan, _ call: Invocation) {
        var found = 0
        for index in 1..<call.count where call.transaction.exists(input.extracting(call[index])) { found += 1 }
        call.reply.integer(found)
    }

    @Sendable static func del(_ input: RawSpan, _ call: Invocation) {
        var deleted = 0
        for index in 1..<call.count {
            guard let existed = call.remove(input.extracting(call[index])) else { return }
            if existed { deleted += 1 }
        }
        call.reply.integer(deleted)
    }

    @Sendable static func rename(_ input: RawSpan, _ call: Invocation) {
        if move(input, call, onlyIfAbsent: false) != nil { call.reply.ok() }
    }

    @Sendable static func renamenx(_ input: RawSpan, _ call: Invocation) {
        if let moved = move(input, call, onlyIfAbsent: true) { call.reply.integer(moved ? 1 : 0) }
    }

    /// Whether the key now has its new name; nil if that was refused, and the error is appended.
    private static func move(_ input: RawSpan, _ call: Invocation, onlyIfAbsent: Bool) -> Bool? {
        let source = input.extracting(call[1])
        let target = input.extracting(call[2])
        var value = ByteBuffer()
        guard let facts = call.load(source, into: &value) else {
            call.reply.refuse(Refusal.noSuchKey)
            return nil
        }
        if source.equals(target) { return false }
        if onlyIfAbsent, call.transaction.exists(target) { return false }
        guard value.withBytes({ call.store(target, $0, expiry: facts.expiry) }), call.remove(source) != nil else {
            return nil
        }
        return true
    }

    /// COPY source target [DB keyspace] [REPLACE]
    @Sendable static func copy(_ input: RawSpan, _ call: Invocation) {
        var replaces = false
        var keyspace = call.session.keyspace
        var index = 3
        while index < call.count {
            let word = input.extracting(call[index])
            if word.isWord("replace") {
                replaces = true
            } else if word.isWord("db"), index + 1 < call.count {
                index += 1
                guard let number = call.int32(input, index) else { return }
                guard call.session.server.keyspaceNames.indices.contains(number) else {
                    return call.reply.refuse(Refusal.database)
                }
                keyspace = number
            } else {
                return call.reply.refuse(Refusal.syntax)
            }
            index += 1
        }
        let source = input.extracting(call[1])
        let target = input.extracting(call[2])
        if keyspace == call.session.keyspace, source.equals(target) { return call.reply.refuse(Refusal.sameObject) }
        var value = ByteBuffer()
        guard let facts = call.load(source, into: &value) else { return call.reply.integer(0) }
        if keyspace == call.session.keyspace {
            finishCopy(value, facts, to: target, replaces: replaces, call)
        } else {
            let ran: Void? = call.transaction.inKeyspace(keyspace) {
                finishCopy(value, facts, to: target, replaces: replaces, call)
            }
            if ran == nil { call.reply.refuse(Refusal.database) }
        }
    }

    private static func finishCopy(
        _ value: borrowing ByteBuffer, _ facts: ValueFacts, to target: RawSpan, replaces: Bool, _ call: Invocation
    ) {
        if !replaces, call.transaction.exists(target) { return call.reply.integer(0) }
        if value.withBytes({ call.store(target, $0, expiry: facts.expiry) }) { call.reply.integer(1) }
    }
}
