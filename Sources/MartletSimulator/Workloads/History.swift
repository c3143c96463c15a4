public import MartletRuntime

/// What clients asked and heard, each operation with its virtual times: what checkers judge.
public struct History: Sendable {
    public var operations: [Operation] = []

    public init(_ operations: [Operation] = []) { self.operations = operations }

    /// A key of a workload. Each family of keys is used in one way, so that its checkers can be sharp.
    public struct Key: Hashable, Comparable, Sendable, CustomStringConvertible {
        public enum Family: String, Sendable, CaseIterable {
            /// GET, SET, DEL.
            case plain
            /// SET with an expiry, GET.
            case expiring
            /// INCR, GET.
            case counter
            /// Set together and read together: MSET, MGET.
            case group
            /// MARTLET.GET, and MARTLET.PUT with a context that somebody read before.
            case sibling
        }
        public var family: Family
        public var index: Int

        public init(_ family: Family, _ index: Int) {
            self.family = family
            self.index = index
        }

        /// Nil if the bytes are no workload's key.
        init?(wire bytes: [UInt8]) {
            let words = String(decoding: bytes, as: UTF8.self).split(separator: "-")
            guard words.count == 2, let family = Family(rawValue: String(words[0])), let index = Int(words[1]) else {
                return nil
            }
            self.init(family, index)
        }

        /// As on the wire.
        public var description: String { "\(family.rawValue)-\(index)" }

        public static func < (a: Self, b: Self) -> Bool { (a.family.rawValue, a.index) < (b.family.rawValue, b.index) }
    }

    /// What a key holds.
    public enum Content: Hashable, Sendable, CustomStringConvertible {
        case absent
        /// The value of the write of this number; no two writes have one.
        case value(UInt64)
        /// Bytes that no client ever wrote to this key.
        case foreign(String)

        public var description: String {
            switch self {
            case .absent: "nothing"
            case .value(let number): "value \(number)"
            case .foreign(let text): "foreign bytes '\(text)'"
            }
        }
    }

    public enum Action: Sendable, Equatable {
        case get
        /// The expiry is relative to the write.
        case set(UInt64, expiry: Duration?)
        case delete
        case increment
        /// All keys to one value.
        case setTogether(UInt64)
        case getTogether
        case getSiblings
        /// With a context that covers the values named.
        case putSibling(UInt64, context: [UInt8], replaces: Set<UInt64>)
        /// With a token, by which it may be sent again.
        case put(UInt64)

        /// The retry token of a write that has one: no two writes have the same.
        var token: String? {
            switch self {
            case .putSibling(let value, _, _), .put(let value):
                let digits = String(value, radix: 16)
                return String(repeating: "0", count: 32 - digits.count) + digits
            default: return nil
            }
        }
    }

    public enum Outcome: Sendable, Equatable {
        /// Acknowledged; a read with what it read of each key, in order.
        case ok([Content])
        /// Acknowledged with a number, as INCR is.
        case number(Int64)
        /// Refused in words that say that nothing was done.
        case notApplied(String)
        /// It may have been done, or may still be done.
        case unknown(String)
    }

    public struct Operation: Sendable {
        public var client: Int
        /// Which connection of the client: counted.
        public var session: Int
        public var action: Action
        public var keys: [Key]
        public var invoked: MonotonicTime
        /// When the answer came, or the client gave up.
        public var returned: MonotonicTime
        public var outcome: Outcome
        /// The stamp of an acknowledged write, where its receipt told it.
        public var stamp: UInt64?
        /// The place of the node that was asked among the addresses; nil if it is not known.
        public var node: Int?
        /// How often it was sent, with its token.
        public var sent = 1
        /// The stamps that were told when it was sent again after it was acknowledged.
        public var repeated: [UInt64] = []

        public init(
            client: Int = 0, session: Int = 0, _ action: Action, _ keys: [Key], from invoked: MonotonicTime,
            to returned: MonotonicTime, _ outcome: Outcome, stamp: UInt64? = nil
        ) {
            self.client = client
            self.session = session
            self.action = action
            self.keys = keys
            self.invoked = invoked
            self.returned = returned
            self.outcome = outcome
            self.stamp = stamp
        }

        public var isAcknowledged: Bool {
            switch outcome {
            case .ok, .number: true
            case .notApplied, .unknown: false
            }
        }
    }
}

extension History.Operation: CustomStringConvertible {
    public var description: String {
        let what =
            switch action {
            case .get: "GET"
            case .set(let value, let expiry): "SET to value \(value)" + (expiry.map { " for \($0.shown)" } ?? "")
            case .delete: "DEL"
            case .increment: "INCR"
            case .setTogether(let value): "MSET to value \(value)"
            case .getTogether: "MGET"
            case .getSiblings: "GET siblings"
            case .putSibling(let value, _, let replaces): "PUT value \(value) over \(replaces.sorted())"
            case .put(let value): "PUT value \(value)"
            }
        let result =
            switch outcome {
            case .ok(let contents): contents.isEmpty ? "ok" : contents.map(\.description).joined(separator: ", ")
            case .number(let number): "\(number)"
            case .notApplied(let text): "not applied: \(text)"
            case .unknown(let text): "unknown: \(text)"
            }
        let names = keys.map(\.description).joined(separator: " ")
        let times = sent > 1 ? " (sent \(sent) times)" : ""
        return "\(invoked.shown)-\(returned.shown) client \(client).\(session) \(what) \(names): \(result)\(times)"
    }
}

extension MonotonicTime {
    /// Since the simulation began: `12.345s`.
    var shown: String { since(MonotonicTime(nanoseconds: 1_000_000_000)).shown }
}
