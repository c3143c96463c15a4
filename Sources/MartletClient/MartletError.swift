/// Why a call failed, and what is known of its effect.
///
/// Success means *applied*. A failed write is either ``Outcome/notApplied``, and may be sent again without a second
/// thought, or ``Outcome/unknown``. Send a write of unknown outcome again with its ``retryToken`` so that a server
/// which did apply it answers the first outcome. Failed reads are always not applied.
public struct MartletError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. New codes may be added: switch with a `default`.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as it is printed.
        public var rawValue: String
        /// A code by its name; other than those below for one's own errors.
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        /// None of the addresses answered, or what answered is no server of the protocol.
        public static let cannotConnect = Code(rawValue: "cannotConnect")
        /// The call's deadline passed.
        public static let deadlineExceeded = Code(rawValue: "deadlineExceeded")
        /// The task was cancelled.
        public static let cancelled = Code(rawValue: "cancelled")
        /// The client is closed, or about to be.
        public static let closed = Code(rawValue: "closed")
        /// The connection broke after the request was sent.
        public static let connectionLost = Code(rawValue: "connectionLost")
        /// The server sent what is no reply, or not one to this request; the connection was dropped.
        public static let protocolViolation = Code(rawValue: "protocolViolation")
        /// Too many calls wait, here or at the server: try later, or slower.
        public static let busy = Code(rawValue: "busy")
        /// Too few replicas could take part.
        public static let quorumNotMet = Code(rawValue: "quorumNotMet")
        /// The server has no memory left for writes.
        public static let outOfMemory = Code(rawValue: "outOfMemory")
        /// The key or the value is larger than the keyspace allows.
        public static let tooLarge = Code(rawValue: "tooLarge")
        /// The server does not know how the write ended, as when some replicas did not answer.
        public static let outcomeUnknown = Code(rawValue: "outcomeUnknown")
        /// The server refused the request; its reply is the message.
        public static let refused = Code(rawValue: "refused")
        /// A value could not be turned into bytes, or bytes not into a value of that type.
        public static let badValue = Code(rawValue: "badValue")
        /// An argument that no server would take: an address, a negative duration.
        public static let badArgument = Code(rawValue: "badArgument")
    }

    /// What is known of a failed call's effect.
    public enum Outcome: String, Sendable {
        /// It had no effect and will have none.
        case notApplied
        /// It may have been applied, or may yet be.
        case unknown
    }

    /// The kind of failure.
    public var code: Code
    /// What is known of its effect.
    public var outcome: Outcome
    /// One line for a person. It holds no value and no key.
    public var message: String
    /// For a write: the token under which to send it again.
    public var retryToken: RetryToken?

    /// An error of one's own making, as a test double throws it.
    public init(_ code: Code, _ outcome: Outcome, _ message: String, retryToken: RetryToken? = nil) {
        self.code = code
        self.outcome = outcome
        self.message = message
        self.retryToken = retryToken
    }

    public var description: String {
        "\(code) (\(outcome == .notApplied ? "not applied" : "outcome unknown")): \(message)"
    }
}

extension MartletError {
    /// What a server's error reply means: its first word decides.
    init(reply: String, isWrite: Bool) {
        let prefix = reply.prefix { $0 != " " }
        let known = Self.refusals[String(prefix)]
        let code: Code = prefix == "UNKNOWN" ? .outcomeUnknown : known ?? .refused
        // A refusal that we cannot read may follow a part of the work.
        self.init(code, isWrite && known == nil ? .unknown : .notApplied, reply)
    }

    /// The prefixes of refusals: the server did nothing.
    private static let refusals: [String: Code] = [
        "NOQUORUM": .quorumNotMet, "BUSY": .busy, "OOM": .outOfMemory, "TOOLARGE": .tooLarge,
        "ERR": .refused, "WRONGTYPE": .refused, "NOAUTH": .refused, "NOPERM": .refused, "NOPROTO": .refused,
        "READONLY": .refused, "LOADING": .busy, "MISCONF": .refused, "CROSSSLOT": .refused, "MOVED": .refused,
        "ASK": .refused, "TRYAGAIN": .busy, "CLUSTERDOWN": .quorumNotMet, "NOREPLICAS": .quorumNotMet,
    ]
}
