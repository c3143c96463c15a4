internal import MartletRuntime
internal import MartletSimulator

/// One request of a drill's load: what was asked, when, and what came of it. Times are monotonic nanoseconds.
struct DrillOperation: Sendable {
    enum Kind: UInt8, Sendable { case read, write, delete }
    enum Outcome: UInt8, Sendable {
        case ok
        case notApplied
        /// It may have been done, or may still be done.
        case unknown
        /// No node took it before its time was up.
        case unsent
    }
    var kind: Kind
    var outcome: Outcome
    /// The place of its key, and of the node that it was sent to; no node if it was never sent.
    var key: Int32
    var node: Int16
    var connection: Int32
    var session: Int32
    /// The number of the value written, or read: 0 if there was none; ``foreign`` if no write has it.
    var value: UInt64
    /// When it was due, sent, and answered or given up.
    var due: UInt64
    var invoked: UInt64
    var returned: UInt64

    static let foreign = UInt64.max

    /// Since it was due.
    var latency: UInt64 { returned > due ? returned - due : 0 }

    /// As the checkers of simulations have it; nil if it never reached a node, or is a read that failed.
    func inHistory(_ keys: [DrillKey]) -> History.Operation? {
        guard outcome != .unsent, kind != .read || outcome == .ok else { return nil }
        let action: History.Action =
            switch kind {
            case .read: .get
            case .write: .set(value, expiry: nil)
            case .delete: .delete
            }
        let result: History.Outcome =
            switch outcome {
            case .ok where kind == .read: .ok([Self.content(value)])
            case .ok where kind == .delete: .number(1)
            case .ok: .ok([])
            case .notApplied: .notApplied("refused")
            case .unknown, .unsent: .unknown("no answer")
            }
        return History.Operation(
            client: Int(connection), session: Int(session), action, [keys[Int(key)].inHistory],
            from: MonotonicTime(nanoseconds: invoked), to: MonotonicTime(nanoseconds: returned), result)
    }

    static func content(_ value: UInt64) -> History.Content {
        value == 0 ? .absent : value == foreign ? .foreign("bytes that nobody wrote there") : .value(value)
    }
}

/// What the load of a drill came to.
struct DrillRecord: Sendable {
    var keys: [DrillKey]
    /// When the first request was due.
    var start: UInt64
    var end: UInt64 = 0
    var operations: [DrillOperation] = []
    /// Refusals by their words, and how often.
    var refusals: [String: Int] = [:]
    /// Why connections were lost, and how often.
    var losses: [String: Int] = [:]
}
