import MartletCore
import MartletNode

/// Values that are numbers: INCR, DECR and their kin.
enum CounterCommands {
    static let rows: [Command] = [
        Command(
            "incr", arity: 2, shape: .key, flags: Flags.fastWrite,
            summary: "Increment the integer value of a key by one", handler: incr),
        Command(
            "decr", arity: 2, shape: .key, flags: Flags.fastWrite,
            summary: "Decrement the integer value of a key by one", handler: decr),
        Command(
            "incrby", arity: 3, shape: .key, flags: Flags.fastWrite,
            summary: "Increment the integer value of a key by the given amount", handler: incrby),
        Command(
            "decrby", arity: 3, shape: .key, flags: Flags.fastWrite,
            summary: "Decrement the integer value of a key by the given number", handler: decrby),
        Command(
            "incrbyfloat", arity: 3, shape: .key, flags: Flags.fastWrite,
            summary: "Increment the float value of a key by the given amount", since: "2.6.0", handler: incrbyfloat),
    ]

    @Sendable static func incr(_ input: RawSpan, _ call: Invocation) { add(1, input, call) }

    @Sendable static func decr(_ input: RawSpan, _ call: Invocation) { add(-1, input, call) }

    @Sendable static func incrby(_ input: RawSpan, _ call: Invocation) {
        guard let amount = call.integer(input, 2) else { return }
        add(amount, input, call)
    }

    @Sendable static func decrby(_ input: RawSpan, _ call: Invocation) {
        guard let amount = call.integer(input, 2) else { return }
        guard amount != .min else { return call.reply.refuse("ERR decrement would overflow") }
        add(-amount, input, call)
    }

    private static func add(_ amount: Int64, _ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        var former: Int64? = 0
        var expiry = Expiry.never
        _ = call.transaction.read(key) { value, facts in
            former = value.decimal
            expiry = facts.expiry
        }
        guard let former else { return call.reply.refuse(Refusal.notAnInteger) }
        let (sum, overflows) = former.addingReportingOverflow(amount)
        if overflows { return call.reply.refuse("ERR increment or decrement would overflow") }
        var text = ByteBuffer(capacity: 32)
        text.append(decimal: sum)
        if text.withBytes({ call.store(key, $0, expiry: expiry) }) { call.reply.integer(sum) }
    }

    @Sendable static func incrbyfloat(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        var former: LongDouble? = LongDouble(0)
        var expiry = Expiry.never
        _ = call.transaction.read(key) { value, facts in
            former = LongDouble(parsing: value)
            expiry = facts.expiry
        }
        guard let former, let amount = LongDouble(parsing: input.extracting(call[2])) else {
            return call.reply.refuse(Refusal.notAFloat)
        }
        let sum = former + amount
        guard sum.isFinite else { return call.reply.refuse("ERR increment would produce NaN or Infinity") }
        var text = ByteBuffer(capacity: 64)
        sum.append(to: &text)
        if text.withBytes({ call.store(key, $0, expiry: expiry) }) { text.withBytes { call.reply.bulk($0) } }
    }
}
