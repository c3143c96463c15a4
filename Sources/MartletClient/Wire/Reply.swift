/// One reply of a server, in the terms of RESP3.
///
/// RESP2's forms of null and of flat arrays are read into the same cases, attributes are dropped.
package enum Reply: Sendable, Equatable {
    /// A short text such as `OK`.
    case simple(String)
    /// A refusal: its prefix and all, as in `ERR syntax error`.
    case error(String)
    case integer(Int64)
    case double(Double)
    case boolean(Bool)
    /// A number that may not fit 64 bits, in decimal digits.
    case bigNumber(String)
    case bytes([UInt8])
    case null
    case array([Reply])
    case set([Reply])
    case map([Entry])
    /// Out of band: belongs to no request.
    case push([Reply])

    package struct Entry: Sendable, Equatable {
        package var key: Reply
        package var value: Reply
    }

    /// The bytes of a bulk or simple string.
    package var bytes: [UInt8]? {
        switch self {
        case .bytes(let bytes): bytes
        case .simple(let text): Array(text.utf8)
        default: nil
        }
    }

    /// A bulk or simple string as text; ill-formed UTF-8 is repaired.
    package var text: String? {
        switch self {
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        case .simple(let text), .bigNumber(let text): text
        default: nil
        }
    }

    /// An integer, also one that came as text.
    package var number: Int64? {
        if case .integer(let value) = self { return value }
        return text.flatMap { Int64($0) }
    }

    /// The elements of an array or set.
    package var elements: [Reply]? {
        switch self {
        case .array(let elements), .set(let elements): elements
        default: nil
        }
    }

    /// The value under `name` in a map; nil too if this is no map. O(entries).
    package subscript(name: String) -> Reply? {
        guard case .map(let entries) = self else { return nil }
        return entries.first { $0.key.text == name }?.value
    }

    /// What it is, for messages: never its content.
    package var kind: String {
        switch self {
        case .simple: "a simple string"
        case .error: "an error"
        case .integer: "an integer"
        case .double: "a double"
        case .boolean: "a boolean"
        case .bigNumber: "a big number"
        case .bytes: "a bulk string"
        case .null: "null"
        case .array: "an array"
        case .set: "a set"
        case .map: "a map"
        case .push: "a push"
        }
    }
}

/// The kinds of reply that a command may be given. An error may answer any command.
///
/// Another kind means that requests and replies no longer belong together, so that no later reply can be trusted.
enum ReplyShape: Sendable {
    case any
    /// `OK` and the like.
    case simple
    case integer
    case mapOrNull
    /// A map of how a write was applied; from a server that keeps no receipts its plain answer.
    case receipt
    case bytesOrNull
    /// A cursor and an array of keys.
    case page

    func accepts(_ reply: Reply) -> Bool {
        switch (self, reply) {
        case (.any, _), (_, .error): true
        case (.simple, .simple), (.integer, .integer), (.mapOrNull, .map), (.mapOrNull, .null): true
        case (.receipt, .map), (.receipt, .simple), (.receipt, .integer): true
        case (.bytesOrNull, .bytes), (.bytesOrNull, .null): true
        case (.page, .array(let parts)): parts.count == 2 && parts[0].text != nil && parts[1].elements != nil
        default: false
        }
    }
}
