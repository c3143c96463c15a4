/// What a message between nodes is about. A kind that a node does not know is skipped, so that two versions of Martlet
/// can run together.
///
/// Kinds from 0xFF00 on are the links' own (hello, ping) and never reach a receiver; all others are free for the
/// protocols, each of which declares its kinds in one place:
///
/// ```swift
/// extension MessageKind {
///     static let replicaWrite = MessageKind(rawValue: 0x0101)
/// }
/// ```
public struct MessageKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public var rawValue: UInt16

    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Whether the kind belongs to the links themselves.
    @inlinable public var isOfLink: Bool { rawValue >= 0xFF00 }

    public var description: String { "kind \(rawValue)" }
}

/// What every message between nodes says before its payload.
public struct MessageHeader: Hashable, Sendable {
    public var kind: MessageKind
    /// Joins an answer to its request; chosen by who asks, unique among its open requests. 0 where none is awaited.
    public var request: UInt64
    /// Milliseconds that are left for the work when the message is sent; 0 if it has no deadline.
    public var deadline: UInt32
    /// The sender's epoch of the topology.
    public var epoch: UInt64
    /// The sender's hybrid logical clock.
    public var stamp: UInt64

    @inlinable
    public init(kind: MessageKind, request: UInt64 = 0, deadline: UInt32 = 0, epoch: UInt64 = 0, stamp: UInt64 = 0) {
        self.kind = kind
        self.request = request
        self.deadline = deadline
        self.epoch = epoch
        self.stamp = stamp
    }
}
