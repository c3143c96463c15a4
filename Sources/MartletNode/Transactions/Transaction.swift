/// When a value expires: milliseconds since 1970, or never.
public struct Expiry: Hashable, Sendable {
    /// `Int64.max` stands for never.
    public var milliseconds: Int64

    @inlinable public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    public static let never = Expiry(milliseconds: .max)
    @inlinable public var isNever: Bool { milliseconds == .max }
}

/// What a read tells of a value beside its bytes.
public struct ValueFacts: Sendable {
    public var expiry: Expiry
    /// The hybrid logical clock stamp of the write.
    public var stamp: UInt64

    @inlinable
    public init(expiry: Expiry, stamp: UInt64) {
        self.expiry = expiry
        self.stamp = stamp
    }
}

/// Why a write in a transaction was refused; nothing was stored.
public struct WriteRefusal: Error, Sendable, Equatable {
    /// The whole error reply with its prefix: `TOOLARGE ...`.
    public var reply: String
    public init(reply: String) { self.reply = reply }
}

/// One request's view of the keys it declared.
public final class Transaction {
    /// The wall clock of this request, read once: milliseconds since 1970. Expiry is decided by it.
    public internal(set) var nowMilliseconds: Int64 = 0
    public init() {}
}
