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
    /// Siblings that stayed beside the new one.
    public var siblings = 0
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

    /// Reads 32 hexadecimal digits, or the 16 bytes themselves; nil for anything else.
    public init?(argument: RawSpan) {
        if argument.byteCount == 16 {
            self.init(argument)
        } else if argument.byteCount == 32, let bytes = [UInt8](hexadecimal: argument.text.lowercased()) {
            let token = withBytes(of: bytes) { RetryToken($0) }
            guard let token else { return nil }
            self = token
        } else {
            return nil
        }
    }
}
