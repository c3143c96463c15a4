import MartletCore
import MartletNode
import MartletRuntime

/// Martlet's own commands: values with their context, and writes with a wanted durability.
enum MartletCommands {
    static let rows: [Command] = [
        Command(
            "martlet.get", arity: 2, shape: .key, flags: Flags.read,
            summary: "Get a value with its causal context, stamp and expiry", group: "martlet", handler: get),
        Command(
            "martlet.put", arity: -3, shape: .key, flags: Flags.fastWrite,
            summary: "Set a value, with a context, durability, token or expiry", group: "martlet", handler: put),
        Command(
            "martlet.del", arity: -2, shape: .key, flags: Flags.fastRemove,
            summary: "Delete a key, with a context, durability or token", group: "martlet", handler: del),
        Command(
            "martlet.consistency", arity: -2, shape: .connection, flags: Flags.handshake,
            summary: "Choose how many replicas the connection's reads and writes need", group: "martlet",
            handler: consistency),
    ]

    /// MARTLET.CONSISTENCY level [level of writes]: one, quorum, all, local_quorum, each_quorum, a number, or default.
    ///
    /// One level is for reads and writes. It holds for this connection until RESET.
    @Sendable static func consistency(_ input: RawSpan, _ call: Invocation) {
        guard call.count <= 3 else { return call.reply.refuseArity("martlet.consistency") }
        do throws(ConsistencyFault) {
            let read = try level(input.extracting(call[1]))
            call.session.writeLevel = call.count == 3 ? try level(input.extracting(call[2])) : read
            call.session.readLevel = read
            call.reply.ok()
        } catch {
            call.reply.error("ERR \(error.message)")
        }
    }

    private static func level(_ word: RawSpan) throws(ConsistencyFault) -> ConsistencyLevel? {
        word.isWord("default") ? nil : try ConsistencyLevel(parsing: word.text)
    }

    /// MARTLET.GET key: a map of value, context, stamp and expires (milliseconds since 1970, or null), or null.
    @Sendable static func get(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        var facts: ValueFacts?
        let found = call.transaction.read(key) { value, read in
            facts = read
            call.reply.map(4)
            call.reply.bulk("value")
            call.reply.bulk(value)
        }
        guard found, let facts else { return call.reply.null() }
        call.reply.bulk("context")
        withBytes(of: call.transaction.context(key)) { call.reply.bulk($0) }
        call.reply.bulk("stamp")
        call.reply.integer(Int64(clamping: facts.stamp))
        call.reply.bulk("expires")
        if facts.expiry.isNever { call.reply.null() } else { call.reply.integer(facts.expiry.milliseconds) }
    }

    /// MARTLET.PUT key value [CONTEXT context] [DURABILITY none|interval|always] [TOKEN token]
    /// [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds]
    @Sendable static func put(_ input: RawSpan, _ call: Invocation) {
        guard let options = MartletOptions.parse(input, call, from: 3, takesExpiry: true) else { return }
        write(input, call, options) { token, context throws(WriteRefusal) in
            try call.transaction.putWithReceipt(
                input.extracting(call[1]), input.extracting(call[2]), expiry: options.expiry ?? .never, token: token,
                context: context)
        }
    }

    /// MARTLET.DEL key [CONTEXT context] [DURABILITY none|interval|always] [TOKEN token]
    @Sendable static func del(_ input: RawSpan, _ call: Invocation) {
        guard let options = MartletOptions.parse(input, call, from: 2, takesExpiry: false) else { return }
        write(input, call, options) { token, context throws(WriteRefusal) in
            try call.transaction.deleteWithReceipt(input.extracting(call[1]), token: token, context: context)
        }
    }

    /// Does a write, unless its durability cannot be met or it was done before, and appends its receipt.
    private static func write(
        _ input: RawSpan, _ call: Invocation, _ options: MartletOptions,
        _ body: (_ token: RetryToken?, _ context: RawSpan?) throws(WriteRefusal) -> Receipt
    ) {
        let transaction = call.transaction
        if let durability = options.durability {
            guard transaction.canMeet(durability) else {
                return call.reply.error(
                    "NOQUORUM durability \(durability.name) cannot be met by this node's backend; not applied")
            }
            transaction.durability = durability
        }
        let token = options.token.flatMap { RetryToken(input.extracting($0)) }
        if let token, let receipt = transaction.earlierOutcome(input.extracting(call[1]), of: token) {
            return append(receipt, call)
        }
        do throws(WriteRefusal) {
            if let context = options.context {
                append(try body(token, input.extracting(context)), call)
            } else {
                append(try body(token, nil), call)
            }
        } catch {
            call.reply.error(error.reply)
        }
    }

    /// Who acknowledged, how many of them were hints, the weakest durability counted, the epoch.
    private static func append(_ receipt: Receipt, _ call: Invocation) {
        call.reply.map(7)
        call.reply.bulk("stamp")
        call.reply.integer(Int64(clamping: receipt.stamp))
        call.reply.bulk("context")
        withBytes(of: receipt.context) { call.reply.bulk($0) }
        call.reply.bulk("existed")
        call.reply.boolean(receipt.existed)
        call.reply.bulk("acknowledged")
        call.reply.array(1)
        call.reply.bulk(call.session.server.nodeName)
        call.reply.bulk("hints")
        call.reply.integer(0)
        call.reply.bulk("durability")
        call.reply.bulk(call.transaction.durability.name)
        call.reply.bulk("epoch")
        call.reply.integer(1)
    }
}

/// What MARTLET.PUT and MARTLET.DEL were asked beside key and value.
struct MartletOptions {
    /// Where the context lies in the input: what MARTLET.GET gave.
    var context: Range<Int>?
    /// Nil for the keyspace's.
    var durability: Durability?
    /// Where the 16 bytes lie by which a repeated request is known.
    var token: Range<Int>?
    var expiry: Expiry?

    static let tokenLength = 16

    /// Nil if they are not well formed; the error has been appended. No option comes twice.
    static func parse(_ input: RawSpan, _ call: Invocation, from start: Int, takesExpiry: Bool) -> MartletOptions? {
        var options = MartletOptions()
        var index = start
        while index < call.count {
            guard index + 1 < call.count else {
                call.reply.refuse(Refusal.syntax)
                return nil
            }
            guard options.take(input, call, index, takesExpiry) else { return nil }
            index += 2
        }
        return options
    }

    private mutating func take(_ input: RawSpan, _ call: Invocation, _ index: Int, _ takesExpiry: Bool) -> Bool {
        let word = input.extracting(call[index])
        let value = input.extracting(call[index + 1])
        if word.isWord("context"), context == nil {
            context = call[index + 1]
        } else if word.isWord("token"), token == nil {
            guard value.byteCount == Self.tokenLength else {
                call.reply.refuse("ERR TOKEN must be 16 bytes")
                return false
            }
            token = call[index + 1]
        } else if word.isWord("durability"), durability == nil {
            guard let level = Durability(name: value.text) else {
                call.reply.refuse("ERR DURABILITY must be none, interval or always")
                return false
            }
            durability = level
        } else if takesExpiry, expiry == nil, let kind = SetOptions.deadline(word) {
            guard let instant = call.expiry(input, index + 1, kind, command: "martlet.put") else { return false }
            expiry = instant
        } else {
            call.reply.refuse(Refusal.syntax)
            return false
        }
        return true
    }
}
