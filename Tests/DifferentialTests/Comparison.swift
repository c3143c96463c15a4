/// How two servers' replies to one command are compared. Where not `exact`, both are right although their bytes differ.
enum Comparison {
    case exact
    /// The same elements in any order: KEYS walks a hash table in Redis, keys in slot order here.
    case unordered
    /// Integers that differ by the time between the two commands: what is left of an expiry, or an instant reckoned
    /// from each server's own clock. Negative ones (no key, no expiry) are exact.
    case near(Int64)
    /// Only the kind of reply: identifiers, times, texts about the server itself.
    case kind
    /// HELLO: all but the connection's identifier.
    case exceptIdentifier

    func accepts(_ a: Reply, _ b: Reply) -> Bool {
        switch self {
        case .exact:
            return a.bytes == b.bytes
        case .unordered:
            guard case .list(let type, let left) = a.content, case .list(type, let right) = b.content else {
                return a.bytes == b.bytes
            }
            return left.map(Self.order).sorted() == right.map(Self.order).sorted()
        case .near(let tolerance):
            guard let left = a.content.integer, let right = b.content.integer, left >= 0, right >= 0 else {
                return a.bytes == b.bytes
            }
            return abs(left - right) <= tolerance
        case .kind:
            return a.content.type == b.content.type
        case .exceptIdentifier:
            return Self.withoutIdentifier(a.content) == Self.withoutIdentifier(b.content)
        }
    }

    private static func order(_ content: Reply.Content) -> String { "\(content)" }

    private static func withoutIdentifier(_ content: Reply.Content) -> Reply.Content {
        guard case .list(let type, var elements) = content else { return content }
        for index in elements.indices.dropLast() {
            if case .bulk(_, let name) = elements[index], name == Array("id".utf8) {
                elements[index + 1] = .line(type: UInt8(ascii: ":"), text: [])
            }
        }
        return .list(type: type, elements)
    }
}
