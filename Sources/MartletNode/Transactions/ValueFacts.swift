public import MartletRuntime

/// When a value expires: milliseconds since 1970, or never.
public struct Expiry: Hashable, Sendable {
    /// `Int64.max` stands for never.
    public var milliseconds: Int64

    @inlinable public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    @inlinable public static var never: Expiry { Expiry(milliseconds: .max) }
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

    static let tooManySiblings = WriteRefusal(
        reply: "ERR the key has too many siblings: read it and write with the context; nothing was stored")

    static func tooLarge(_ what: String, limit: Int) -> WriteRefusal {
        WriteRefusal(reply: "TOOLARGE \(what) is over the limit of \(limit) bytes; nothing was stored")
    }
}

/// Why a command that ran has no answer.
public struct TransactionFailure: Error, Sendable, Equatable {
    /// The whole error reply with its prefix.
    public var reply: String

    static let damaged = TransactionFailure(
        reply: "UNKNOWN the record of this key is damaged here and no other replica holds it; not served")

    public init(reply: String) { self.reply = reply }

    /// A backend's refusal. Nothing was applied if it was out of space or refused before it tried.
    public init(_ error: StorageError) {
        switch error.code {
        case .outOfSpace: reply = "OOM command not allowed: \(error.message)"
        case .tooLarge: reply = "TOOLARGE \(error.message)"
        case .closed, .poisoned: reply = "BUSY the storage backend takes no writes: \(error.message)"
        default: reply = "UNKNOWN storage failed: \(error.message)"
        }
    }
}
