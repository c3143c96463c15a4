import MartletCore
import MartletNode
import MartletRuntime

/// Martlet's own commands: values with their context, and writes with a wanted durability.
enum MartletCommands {
    static let rows: [Command] = [
        Command(
            "martlet.get", arity: -2, shape: .key, flags: Flags.read,
            summary: "Get all siblings of a value, the context and who answered", group: "martlet", handler: get),
        Command(
            "martlet.put", arity: -3, shape: .key, flags: Flags.fastWrite,
            summary: "Set a value, with a context, level, durability, token or expiry", group: "martlet", handler: put),
        Command(
            "martlet.del", arity: -2, shape: .key, flags: Flags.fastRemove,
            summary: "Delete a key, with a context, level, durability or token", group: "martlet", handler: del),
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

    /// MARTLET.GET key [LEVEL level]: null, or a map of value, context, stamp, expires (milliseconds since 1970, or
    /// null), siblings (each a map of value, stamp and expires, the latest first), answered (by whom), stand_ins (how
    /// many of these answered for owners that did not, by the hints they hold) and epoch.
    ///
    /// The value is what GET answers: that of the latest write, null if that was a delete. In a keyspace that keeps
    /// siblings, a key that was deleted still has a context.
    @Sendable static func get(_ input: RawSpan, _ call: Invocation) {
        guard MartletOptions.parse(input, call, from: 2, .read) != nil else { return }
        let key = input.extracting(call[1])
        let transaction = call.transaction
        var latest: ValueFacts?
        let context = transaction.context(key)
        let start = call.reply.buffer.count
        call.reply.map(8)
        call.reply.bulk("value")
        let found = transaction.read(key) { value, facts in
            latest = facts
            call.reply.bulk(value)
        }
        guard found || (transaction.keepsSiblings && !context.isEmpty) else {
            call.reply.buffer.truncate(to: start)
            return call.reply.null()
        }
        if !found { call.reply.null() }
        call.reply.bulk("context")
        withBytes(of: context) { call.reply.bulk($0) }
        append(latest, call)
        call.reply.bulk("siblings")
        var count = 0
        transaction.forEachSibling(key) { _, _ in count += 1 }
        call.reply.array(count)
        transaction.forEachSibling(key) { value, facts in
            call.reply.map(3)
            call.reply.bulk("value")
            call.reply.bulk(value)
            append(facts, call)
        }
        let answered = call.answered ?? [call.session.server.nodeName]
        call.reply.bulk("answered")
        call.reply.array(answered.count)
        for name in answered { call.reply.bulk(name) }
        call.reply.bulk("stand_ins")
        call.reply.integer(call.answered == nil ? 0 : call.standIns)
        call.reply.bulk("epoch")
        call.reply.integer(Int64(clamping: call.session.server.epoch))
    }

    /// Stamp and expiry.
    private static func append(_ facts: ValueFacts?, _ call: Invocation) {
        call.reply.bulk("stamp")
        call.reply.integer(Int64(clamping: facts?.stamp ?? 0))
        call.reply.bulk("expires")
        if let expiry = facts?.expiry, !expiry.isNever {
            call.reply.integer(expiry.milliseconds)
        } else {
            call.reply.null()
        }
    }

    /// MARTLET.PUT key value [CONTEXT context] [LEVEL level] [DURABILITY none|interval|always] [TOKEN token]
    /// [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds]
    @Sendable static func put(_ input: RawSpan, _ call: Invocation) {
        guard let options = MartletOptions.parse(input, call, from: 3, .put) else { return }
        write(input, call, options) { token, context throws(WriteRefusal) in
            try call.transaction.putWithReceipt(
                input.extracting(call[1]), input.extracting(call[2]), expiry: options.expiry ?? .never, token: token,
                context: context)
        }
    }

    /// MARTLET.DEL key [CONTEXT context] [LEVEL level] [DURABILITY none|interval|always] [TOKEN token]
    @Sendable static func del(_ input: RawSpan, _ call: Invocation) {
        guard let options = MartletOptions.parse(input, call, from: 2, .write) else { return }
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
        let token = options.token
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

    /// What is known of the write itself; then, on a node alone, that it acknowledged. Others do that later.
    private static func append(_ receipt: Receipt, _ call: Invocation) {
        call.reply.map(8)
        call.reply.bulk("stamp")
        call.reply.integer(Int64(clamping: receipt.stamp))
        call.reply.bulk("context")
        withBytes(of: receipt.context) { call.reply.bulk($0) }
        call.reply.bulk("existed")
        call.reply.boolean(receipt.existed)
        call.reply.bulk("siblings")
        call.reply.integer(receipt.siblings)
        if call.answered != nil {
            call.owesAcknowledgement = true
        } else {
            let server = call.session.server
            call.reply.append(
                Acknowledgement(
                    nodes: [server.nodeName], durability: call.transaction.durability, epoch: server.epoch))
        }
    }
}

extension ReplyWriter {
    /// The end of a receipt: who acknowledged, how many of them were hints, the weakest durability counted, the epoch.
    mutating func append(_ acknowledgement: Acknowledgement) {
        bulk("acknowledged")
        array(acknowledgement.nodes.count)
        for name in acknowledgement.nodes { bulk(name) }
        bulk("hints")
        integer(acknowledgement.hints)
        bulk("durability")
        if let durability = acknowledgement.durability { bulk(durability.name) } else { null() }
        bulk("epoch")
        integer(Int64(clamping: acknowledgement.epoch))
    }
}

/// What MARTLET.GET, MARTLET.PUT and MARTLET.DEL were asked beside key and value.
struct MartletOptions {
    /// Which options there are.
    enum Kind {
        /// LEVEL.
        case read
        /// Those of a delete: CONTEXT, LEVEL, DURABILITY, TOKEN.
        case write
        /// These and when the value expires.
        case put
    }

    /// Where the context lies in the input: what MARTLET.GET gave.
    var context: Range<Int>?
    /// Nil for the keyspace's.
    var durability: Durability?
    /// By which a repeated request is known.
    var token: RetryToken?
    var level: ConsistencyLevel?
    var expiry: Expiry?

    /// Nil if they are not well formed; the error has been appended. No option comes twice.
    static func parse(_ input: RawSpan, _ call: Invocation, from start: Int, _ kind: Kind) -> MartletOptions? {
        var options = MartletOptions()
        var index = start
        while index < call.count {
            guard index + 1 < call.count else {
                call.reply.refuse(Refusal.syntax)
                return nil
            }
            guard options.take(input, call, index, kind) else { return nil }
            index += 2
        }
        return options
    }

    private mutating func take(_ input: RawSpan, _ call: Invocation, _ index: Int, _ kind: Kind) -> Bool {
        let word = input.extracting(call[index])
        let value = input.extracting(call[index + 1])
        if word.isWord("level"), level == nil {
            do throws(ConsistencyFault) {
                level = try ConsistencyLevel(parsing: value.text)
                // A node alone is the one owner; others are asked before the command runs.
                if call.answered == nil, let level { _ = try Quorum(level, in: ReplicaPlacement(owners: 1, count: 1)) }
            } catch {
                call.reply.error("ERR \(error.message)")
                return false
            }
        } else if kind == .read {
            call.reply.refuse(Refusal.syntax)
            return false
        } else if word.isWord("context"), context == nil {
            context = call[index + 1]
        } else if word.isWord("token"), token == nil {
            token = RetryToken(argument: value)
            guard token != nil else {
                call.reply.refuse("ERR TOKEN must be 32 hexadecimal digits or 16 bytes")
                return false
            }
        } else if word.isWord("durability"), durability == nil {
            guard let level = Durability(name: value.text) else {
                call.reply.refuse("ERR DURABILITY must be none, interval or always")
                return false
            }
            durability = level
        } else if kind == .put, expiry == nil, let kind = SetOptions.deadline(word) {
            guard let instant = call.expiry(input, index + 1, kind, command: "martlet.put") else { return false }
            expiry = instant
        } else {
            call.reply.refuse(Refusal.syntax)
            return false
        }
        return true
    }

    /// The level that a command of ours names, and whether it is for a write; nil if it names none. What else is wrong
    /// with it is found out when it runs.
    static func level(
        of arguments: [[UInt8]]
    ) throws(ConsistencyFault) -> (level: ConsistencyLevel, isWrite: Bool)? {
        guard let name = arguments.first, name.count == "martlet.get".utf8.count else { return nil }
        let (isGet, isPut, isDelete) = withBytes(of: name) {
            ($0.isWord("martlet.get"), $0.isWord("martlet.put"), $0.isWord("martlet.del"))
        }
        guard isGet || isPut || isDelete else { return nil }
        for index in stride(from: isPut ? 3 : 2, to: arguments.count - 1, by: 2)
        where withBytes(of: arguments[index], { $0.isWord("level") }) {
            let text = String(decoding: arguments[index + 1], as: UTF8.self)
            return (try ConsistencyLevel(parsing: text), !isGet)
        }
        return nil
    }
}
