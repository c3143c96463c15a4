import MartletCore

/// Commands over a whole keyspace. Their handlers are never called: what drives a walk runs them, over many turns.
enum KeyspaceCommands {
    static let rows: [Command] = [
        row("scan", -2, Flags.slowRead, "Incrementally iterate the keys space", "generic", since: "2.8.0"),
        row("keys", 2, Flags.slowRead, "Find all keys matching the given pattern", "generic"),
        row("dbsize", 1, Flags.read, "Return the number of keys in the selected database", "server"),
        row("randomkey", 1, Flags.slowRead, "Return a random key from the keyspace", "generic"),
        row("flushdb", -1, Flags.remove, "Remove all keys from the current database", "server"),
        row("flushall", -1, Flags.remove, "Remove all keys from all databases", "server"),
    ]

    private static func row(
        _ name: String, _ arity: Int, _ flags: [String], _ summary: String, _ group: String, since: String = "1.0.0"
    ) -> Command {
        Command(name, arity: arity, shape: .keyspace, flags: flags, summary: summary, group: group, since: since) {
            _, _ in
        }
    }
}

/// What SCAN was asked: `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`.
public struct ScanOptions: Sendable {
    public var cursor: UInt64
    /// About how many keys to look at, at least 1.
    public var count: Int64 = 10
    /// Nil if all names match.
    public var pattern: GlobPattern?
    /// False if keys of another type than string are asked for: there are none.
    public var takesStrings = true

    /// Nil if it is not well formed; Redis' error has been appended.
    public static func parse(_ input: RawSpan, _ call: Invocation) -> ScanOptions? {
        guard let cursor = cursor(input.extracting(call[1])) else {
            call.reply.refuse("ERR invalid cursor")
            return nil
        }
        var options = ScanOptions(cursor: cursor)
        var index = 2
        while index < call.count {
            let word = input.extracting(call[index])
            guard index + 1 < call.count, word.isWord("count") || word.isWord("match") || word.isWord("type") else {
                call.reply.refuse(Refusal.syntax)
                return nil
            }
            let value = input.extracting(call[index + 1])
            if word.isWord("count") {
                guard let count = call.integer(input, index + 1) else { return nil }
                guard count >= 1 else {
                    call.reply.refuse(Refusal.syntax)
                    return nil
                }
                options.count = count
            } else if word.isWord("match") {
                let pattern = GlobPattern(value)
                options.pattern = pattern.isEverything ? nil : pattern
            } else {
                options.takesStrings = value.isWord("string")
            }
            index += 2
        }
        return options
    }

    /// As C's `strtoul` over the whole text: a sign is allowed, and no digit at all is 0 if there is nothing else.
    private static func cursor(_ text: RawSpan) -> UInt64? {
        var end = 0
        while end < text.byteCount, text.byte(end) != 0 { end += 1 }
        guard end > 0 else { return 0 }
        let isNegative = text.byte(0) == UInt8(ascii: "-")
        var at = isNegative || text.byte(0) == UInt8(ascii: "+") ? 1 : 0
        guard at < end else { return nil }
        var value: UInt64 = 0
        while at < end {
            let digit = text.byte(at) &- 48
            guard digit < 10 else { return nil }
            let (tenfold, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, carries) = tenfold.addingReportingOverflow(UInt64(digit))
            if overflows || carries { return nil }
            value = sum
            at += 1
        }
        return isNegative ? 0 &- value : value
    }
}

/// What the other commands over a keyspace were asked.
public enum KeyspaceOptions {
    /// FLUSHDB and FLUSHALL [ASYNC|SYNC], which are alike here. False if it is neither; Redis' error has been appended.
    public static func parseFlush(_ input: RawSpan, _ call: Invocation) -> Bool {
        if call.count == 1 { return true }
        let word = input.extracting(call[1])
        if call.count == 2, word.isWord("sync") || word.isWord("async") { return true }
        call.reply.refuse(Refusal.syntax)
        return false
    }

    /// The slot of CLUSTER COUNTKEYSINSLOT; nil if it is none, and Redis' error has been appended.
    public static func parseSlot(_ input: RawSpan, _ call: Invocation) -> UInt16? {
        guard let number = call.integer(input, 2) else { return nil }
        guard number >= 0, number < Int64(Slot.count) else {
            call.reply.refuse("ERR Invalid slot")
            return nil
        }
        return UInt16(number)
    }

    /// The slot of CLUSTER GETKEYSINSLOT and how many keys; nil if they are none, and Redis' error has been appended.
    public static func parseSlotAndCount(_ input: RawSpan, _ call: Invocation) -> (slot: UInt16, limit: Int)? {
        guard let slot = call.integer(input, 2), let limit = call.integer(input, 3) else { return nil }
        guard slot >= 0, slot < Int64(Slot.count), limit >= 0 else {
            call.reply.refuse("ERR Invalid slot or number of keys")
            return nil
        }
        return (UInt16(slot), Int(limit))
    }

    /// What a command answers whose pattern used up ``GlobPattern/usualSteps``.
    public static func refusePattern(_ call: Invocation) { call.reply.refuse(GlobPattern.refusal) }
}
