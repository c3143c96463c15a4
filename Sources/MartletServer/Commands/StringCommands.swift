import MartletCore
import MartletNode

/// Whole values: GET, SET and their kin. GET and a plain SET are the hot path: no allocation, one lookup.
enum StringCommands {
    static let rows: [Command] = [
        Command(
            "get", arity: 2, shape: .key, flags: Flags.read, summary: "Get the value of a key", handler: get),
        Command(
            "set", arity: -3, shape: .key, flags: Flags.write, summary: "Set the string value of a key", handler: set),
        Command(
            "setnx", arity: 3, shape: .key, flags: Flags.fastWrite,
            summary: "Set the value of a key, only if the key does not exist", handler: setnx),
        Command(
            "setex", arity: 4, shape: .key, flags: Flags.write, summary: "Set the value and expiration of a key",
            since: "2.0.0", handler: setex),
        Command(
            "psetex", arity: 4, shape: .key, flags: Flags.write,
            summary: "Set the value and expiration in milliseconds of a key", since: "2.6.0", handler: psetex),
        Command(
            "getset", arity: 3, shape: .key, flags: Flags.fastWrite,
            summary: "Set the string value of a key and return its old value", handler: getset),
        Command(
            "getdel", arity: 2, shape: .key, flags: Flags.fastRemove,
            summary: "Get the value of a key and delete the key", since: "6.2.0", handler: getdel),
        Command(
            "getex", arity: -2, shape: .key, flags: Flags.fastRemove,
            summary: "Get the value of a key and optionally set its expiration", since: "6.2.0", handler: getex),
        Command(
            "mget", arity: -2, shape: .allKeys, flags: Flags.read, summary: "Get the values of all the given keys",
            handler: mget),
        Command(
            "mset", arity: -3, shape: .pairs, flags: Flags.write, summary: "Set multiple keys to multiple values",
            since: "1.0.1", handler: mset),
        Command(
            "msetnx", arity: -3, shape: .pairs, flags: Flags.write,
            summary: "Set multiple keys to multiple values, only if none of the keys exist", since: "1.0.1",
            handler: msetnx),
    ]

    @Sendable static func get(_ input: RawSpan, _ call: Invocation) {
        reply(with: input.extracting(call[1]), call)
    }

    /// The value or null.
    @inline(__always)
    private static func reply(with key: RawSpan, _ call: Invocation) {
        if !call.transaction.read(key, { value, _ in call.reply.bulk(value) }) { call.reply.null() }
    }

    @Sendable static func set(_ input: RawSpan, _ call: Invocation) {
        guard call.count == 3 else { return setWithOptions(input, call) }
        if call.store(input.extracting(call[1]), input.extracting(call[2]), expiry: .never) { call.reply.ok() }
    }

    private static func setWithOptions(_ input: RawSpan, _ call: Invocation) {
        guard let options = SetOptions.parse(input, call, .set) else { return }
        var expiry = Expiry.never
        if options.deadline != .none {
            guard let instant = call.expiry(input, options.deadlineArgument, options.deadline, command: "set") else {
                return
            }
            expiry = instant
        }
        let key = input.extracting(call[1])
        let start = call.reply.buffer.count
        let former = call.transaction.facts(key)
        if options.returnsOld { reply(with: key, call) }
        if former == nil ? options.onlyIfPresent : options.onlyIfAbsent {
            if !options.returnsOld { call.reply.null() }
            return
        }
        if options.keepsExpiry, let former { expiry = former.expiry }
        do throws(WriteRefusal) {
            try call.transaction.put(key, input.extracting(call[2]), expiry: expiry)
            if !options.returnsOld { call.reply.ok() }
        } catch {
            call.reply.buffer.truncate(to: start)  // the refusal stands in place of the old value
            call.reply.error(error.reply)
        }
    }

    @Sendable static func setnx(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        if call.transaction.exists(key) { return call.reply.integer(0) }
        if call.store(key, input.extracting(call[2]), expiry: .never) { call.reply.integer(1) }
    }

    @Sendable static func setex(_ input: RawSpan, _ call: Invocation) {
        guard let expiry = call.expiry(input, 2, .seconds, command: "setex") else { return }
        if call.store(input.extracting(call[1]), input.extracting(call[3]), expiry: expiry) { call.reply.ok() }
    }

    @Sendable static func psetex(_ input: RawSpan, _ call: Invocation) {
        guard let expiry = call.expiry(input, 2, .milliseconds, command: "psetex") else { return }
        if call.store(input.extracting(call[1]), input.extracting(call[3]), expiry: expiry) { call.reply.ok() }
    }

    @Sendable static func getset(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        let start = call.reply.buffer.count
        reply(with: key, call)
        do throws(WriteRefusal) {
            try call.transaction.put(key, input.extracting(call[2]), expiry: .never)
        } catch {
            call.reply.buffer.truncate(to: start)
            call.reply.error(error.reply)
        }
    }

    @Sendable static func getdel(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        let start = call.reply.buffer.count
        guard call.transaction.read(key, { value, _ in call.reply.bulk(value) }) else { return call.reply.null() }
        do throws(WriteRefusal) {
            _ = try call.transaction.delete(key)
        } catch {
            call.reply.buffer.truncate(to: start)
            call.reply.error(error.reply)
        }
    }

    @Sendable static func getex(_ input: RawSpan, _ call: Invocation) {
        guard let options = SetOptions.parse(input, call, .getex) else { return }
        let key = input.extracting(call[1])
        var value = ByteBuffer()
        guard let facts = call.load(key, into: &value) else { return call.reply.null() }
        var expiry = options.removesExpiry ? Expiry.never : facts.expiry
        if options.deadline != .none {
            // Redis looks at the number only if there is a value
            guard let instant = call.expiry(input, options.deadlineArgument, options.deadline, command: "getex")
            else { return }
            expiry = instant
        }
        if expiry.milliseconds <= call.transaction.nowMilliseconds {
            guard call.remove(key) != nil else { return }
        } else if expiry != facts.expiry {
            guard value.withBytes({ call.store(key, $0, expiry: expiry) }) else { return }
        }
        value.withBytes { call.reply.bulk($0) }
    }

    @Sendable static func mget(_ input: RawSpan, _ call: Invocation) {
        call.reply.array(call.count - 1)
        for index in 1..<call.count { reply(with: input.extracting(call[index]), call) }
    }

    @Sendable static func mset(_ input: RawSpan, _ call: Invocation) {
        guard call.count % 2 == 1 else { return call.reply.refuseArity("mset") }
        if storePairs(input, call) { call.reply.ok() }
    }

    @Sendable static func msetnx(_ input: RawSpan, _ call: Invocation) {
        guard call.count % 2 == 1 else { return call.reply.refuseArity("msetnx") }
        for index in stride(from: 1, to: call.count, by: 2)
        where call.transaction.exists(input.extracting(call[index])) {
            return call.reply.integer(0)
        }
        if storePairs(input, call) { call.reply.integer(1) }
    }

    private static func storePairs(_ input: RawSpan, _ call: Invocation) -> Bool {
        for index in stride(from: 1, to: call.count, by: 2) {
            let key = input.extracting(call[index])
            guard call.store(key, input.extracting(call[index + 1]), expiry: .never) else { return false }
        }
        return true
    }
}
