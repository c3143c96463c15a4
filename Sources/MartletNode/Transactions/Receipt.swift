internal import MartletCore
internal import MartletRuntime

/// What a write is acknowledged with.
public struct Receipt: Sendable, Equatable {
    /// The stamp of the write; a client that returns its last one is never overtaken by an older write.
    public var stamp: UInt64
    /// The causal context that holds the write; empty after a delete that was collected at once.
    public var context: [UInt8]
    /// Whether there was a live value before.
    public var existed: Bool
}

/// A client's name for one write, by which a repetition is known: 16 random bytes.
public struct RetryToken: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    /// Nil if the bytes are not 16.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount == 16 else { return nil }
        high = bytes.littleEndian(0, as: UInt64.self)
        low = bytes.littleEndian(8, as: UInt64.self)
    }
}

/// The outcomes of writes that carried a token, kept for a while so that a repetition is answered and not done again.
///
/// In memory, by worker; the token of a key's present value is in its record besides, and survives a restart.
struct TokenMemory {
    private var outcomes: [RetryToken: Receipt] = [:]
    private var order: [(token: RetryToken, at: Int64)] = []
    private var first = 0

    /// How long an outcome is kept at least, unless there are more than ``limit``.
    static let milliseconds: Int64 = 60_000
    static let limit = 1 << 20

    func outcome(of token: RetryToken) -> Receipt? { outcomes[token] }

    /// Amortised O(1).
    mutating func remember(_ token: RetryToken, _ receipt: Receipt, nowMilliseconds now: Int64) {
        outcomes[token] = receipt
        order.append((token, now))
        while first < order.count, order[first].at < now - Self.milliseconds || order.count - first > Self.limit {
            outcomes[order[first].token] = nil
            first += 1
        }
        if first > 1024, first * 2 > order.count {
            order.removeFirst(first)
            first = 0
        }
    }
}
