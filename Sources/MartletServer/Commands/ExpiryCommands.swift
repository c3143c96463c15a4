import MartletCore
import MartletNode

/// When values end: EXPIRE, TTL and their kin.
enum ExpiryCommands {
    static let rows: [Command] =
        [
            setter("expire", "1.0.0", "Set a key's time to live in seconds", expire),
            setter("pexpire", "2.6.0", "Set a key's time to live in milliseconds", pexpire),
            setter("expireat", "1.2.0", "Set the expiration for a key as a UNIX timestamp", expireat),
            setter(
                "pexpireat", "2.6.0", "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
                pexpireat),
            getter("ttl", "1.0.0", "Get the time to live for a key in seconds", ttl),
            getter("pttl", "2.6.0", "Get the time to live for a key in milliseconds", pttl),
            getter("expiretime", "7.0.0", "Get the expiration Unix timestamp for a key", expiretime),
            getter(
                "pexpiretime", "7.0.0", "Get the expiration Unix timestamp for a key in milliseconds", pexpiretime),
            Command(
                "persist", arity: 2, shape: .key, flags: Flags.fastRemove, summary: "Remove the expiration from a key",
                group: "generic", since: "2.2.0", handler: persist),
        ]

    private static func setter(
        _ name: String, _ since: String, _ summary: String, _ handler: @escaping Command.Handler
    ) -> Command {
        Command(
            name, arity: -3, shape: .key, flags: Flags.fastRemove, summary: summary, group: "generic", since: since,
            handler: handler)
    }

    private static func getter(
        _ name: String, _ since: String, _ summary: String, _ handler: @escaping Command.Handler
    ) -> Command {
        Command(
            name, arity: 2, shape: .key, flags: Flags.read, summary: summary, group: "generic", since: since,
            handler: handler)
    }

    @Sendable static func expire(_ input: RawSpan, _ call: Invocation) {
        expire(input, call, unit: 1000, base: call.transaction.nowMilliseconds, "expire")
    }

    @Sendable static func pexpire(_ input: RawSpan, _ call: Invocation) {
        expire(input, call, unit: 1, base: call.transaction.nowMilliseconds, "pexpire")
    }

    @Sendable static func expireat(_ input: RawSpan, _ call: Invocation) {
        expire(input, call, unit: 1000, base: 0, "expireat")
    }

    @Sendable static func pexpireat(_ input: RawSpan, _ call: Invocation) {
        expire(input, call, unit: 1, base: 0, "pexpireat")
    }

    private struct Conditions {
        var ifNone = false
        var ifSome = false
        var ifLater = false
        var ifEarlier = false

        /// Whether a value that ends at `former` may end at `instant` instead.
        func allow(_ instant: Int64, after former: Expiry) -> Bool {
            if ifNone, !former.isNever { return false }
            if ifSome, former.isNever { return false }
            if ifLater, former.isNever || instant <= former.milliseconds { return false }
            if ifEarlier, !former.isNever, instant >= former.milliseconds { return false }
            return true
        }
    }

    /// Nil if they do not stand together; the refusal has been appended.
    private static func conditions(_ input: RawSpan, _ call: Invocation) -> Conditions? {
        var found = Conditions()
        for index in 3..<max(3, call.count) {
            let word = input.extracting(call[index])
            if word.isWord("nx") {
                found.ifNone = true
            } else if word.isWord("xx") {
                found.ifSome = true
            } else if word.isWord("gt") {
                found.ifLater = true
            } else if word.isWord("lt") {
                found.ifEarlier = true
            } else {
                call.reply.refuse("ERR Unsupported option ", quoting: word, limit: word.trimmedCount, "")
                return nil
            }
        }
        if found.ifNone, found.ifSome || found.ifLater || found.ifEarlier {
            call.reply.refuse("ERR NX and XX, GT or LT options at the same time are not compatible")
            return nil
        }
        if found.ifLater, found.ifEarlier {
            call.reply.refuse("ERR GT and LT options at the same time are not compatible")
            return nil
        }
        return found
    }

    private static func expire(
        _ input: RawSpan, _ call: Invocation, unit: Int64, base: Int64, _ command: StaticString
    ) {
        guard let conditions = conditions(input, call), let number = call.integer(input, 2) else { return }
        let (scaled, overflows) = number.multipliedReportingOverflow(by: unit)
        guard !overflows, scaled <= .max - base else { return call.refuseExpireTime(command) }
        let expiry = Expiry(instant: scaled + base)
        let key = input.extracting(call[1])
        var value = ByteBuffer()
        guard let facts = call.load(key, into: &value), conditions.allow(expiry.milliseconds, after: facts.expiry)
        else { return call.reply.integer(0) }
        if expiry.milliseconds <= call.transaction.nowMilliseconds {
            guard call.remove(key) != nil else { return }
        } else {
            guard value.withBytes({ call.store(key, $0, expiry: expiry) }) else { return }
        }
        call.reply.integer(1)
    }

    @Sendable static func ttl(_ input: RawSpan, _ call: Invocation) { tell(input, call, unit: 1000, isRelative: true) }

    @Sendable static func pttl(_ input: RawSpan, _ call: Invocation) { tell(input, call, unit: 1, isRelative: true) }

    @Sendable static func expiretime(_ input: RawSpan, _ call: Invocation) {
        tell(input, call, unit: 1000, isRelative: false)
    }

    @Sendable static func pexpiretime(_ input: RawSpan, _ call: Invocation) {
        tell(input, call, unit: 1, isRelative: false)
    }

    /// -2 without a value, -1 without an end; seconds are rounded to the nearest.
    private static func tell(_ input: RawSpan, _ call: Invocation, unit: Int64, isRelative: Bool) {
        guard let facts = call.transaction.facts(input.extracting(call[1])) else { return call.reply.integer(-2) }
        guard !facts.expiry.isNever else { return call.reply.integer(-1) }
        let base = isRelative ? call.transaction.nowMilliseconds : 0
        let left = max(0, facts.expiry.milliseconds - base)
        call.reply.integer(unit == 1 ? left : left / 1000 + (left % 1000 >= 500 ? 1 : 0))
    }

    @Sendable static func persist(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        var value = ByteBuffer()
        guard let facts = call.load(key, into: &value), !facts.expiry.isNever else { return call.reply.integer(0) }
        if value.withBytes({ call.store(key, $0, expiry: .never) }) { call.reply.integer(1) }
    }
}
