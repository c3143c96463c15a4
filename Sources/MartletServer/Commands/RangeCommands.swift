import MartletCore
import MartletNode

/// Parts of values: APPEND, STRLEN, GETRANGE, SETRANGE.
enum RangeCommands {
    static let rows: [Command] = [
        Command(
            "append", arity: 3, shape: .key, flags: Flags.fastWrite, summary: "Append a value to a key",
            since: "2.0.0", handler: append),
        Command(
            "strlen", arity: 2, shape: .key, flags: Flags.read,
            summary: "Get the length of the value stored in a key", since: "2.2.0", handler: strlen),
        Command(
            "getrange", arity: 4, shape: .key, flags: Flags.slowRead,
            summary: "Get a substring of the string stored at a key", since: "2.4.0", handler: getrange),
        Command(
            "substr", arity: 4, shape: .key, flags: Flags.slowRead,
            summary: "Get a substring of the string stored at a key", handler: getrange),
        Command(
            "setrange", arity: 4, shape: .key, flags: Flags.write,
            summary: "Overwrite part of a string at key starting at the specified offset", since: "2.2.0",
            handler: setrange),
    ]

    /// Redis' `proto-max-bulk-len`: no string grows beyond it.
    private static let longestString: Int64 = 512 << 20
    /// The highest limit that a keyspace can be given for a pair.
    private static let largestPair = 64 << 20

    @Sendable static func append(_ input: RawSpan, _ call: Invocation) {
        let key = input.extracting(call[1])
        var value = ByteBuffer(capacity: 256)
        let former = call.load(key, into: &value)
        value.append(input.extracting(call[2]))
        let length = value.count
        let stored = value.withBytes { call.store(key, $0, expiry: former?.expiry ?? .never) }
        if stored { call.reply.integer(length) }
    }

    @Sendable static func strlen(_ input: RawSpan, _ call: Invocation) {
        var length = 0
        _ = call.transaction.read(input.extracting(call[1])) { value, _ in length = value.byteCount }
        call.reply.integer(length)
    }

    @Sendable static func getrange(_ input: RawSpan, _ call: Invocation) {
        guard let first = call.integer(input, 2), let last = call.integer(input, 3) else { return }
        let found = call.transaction.read(input.extracting(call[1])) { value, _ in
            let range = clamp(first, last, length: value.byteCount)
            call.reply.bulk(value.extracting(range))
        }
        if !found { call.reply.bulk("") }
    }

    /// Redis' reading of two inclusive offsets, which count from the end if negative.
    static func clamp(_ first: Int64, _ last: Int64, length: Int) -> Range<Int> {
        if first < 0, last < 0, first > last { return 0..<0 }
        let length = Int64(length)
        let start = max(0, first < 0 ? first &+ length : first)
        let end = min(length - 1, max(0, last < 0 ? last &+ length : last))
        return start > end || length == 0 ? 0..<0 : Int(start)..<Int(end) + 1
    }

    @Sendable static func setrange(_ input: RawSpan, _ call: Invocation) {
        guard let offset = call.integer(input, 2) else { return }
        guard offset >= 0 else { return call.reply.refuse("ERR offset is out of range") }
        let key = input.extracting(call[1])
        let part = input.extracting(call[3])
        if part.byteCount == 0 { return strlen(input, call) }
        guard offset <= longestString - Int64(part.byteCount) else {
            return call.reply.refuse("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        }
        var former = ByteBuffer(capacity: 256)
        let facts = call.load(key, into: &former)
        let start = Int(offset)
        let end = start + part.byteCount
        // no more is built than what could be stored: the offset is a stranger's number
        guard end <= largestPair else {
            return call.reply.error("TOOLARGE value of \(end) bytes is over the limit of \(largestPair)")
        }
        var value = ByteBuffer(capacity: max(end, former.count))
        former.withBytes { bytes in
            value.append(bytes.extracting(0..<min(start, bytes.byteCount)))
            for _ in 0..<max(0, start - bytes.byteCount) { value.append(0) }
            value.append(part)
            if end < bytes.byteCount { value.append(bytes.extracting(end..<bytes.byteCount)) }
        }
        let length = value.count
        let stored = value.withBytes { call.store(key, $0, expiry: facts?.expiry ?? .never) }
        if stored { call.reply.integer(length) }
    }
}
