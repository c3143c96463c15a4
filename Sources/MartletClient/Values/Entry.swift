#if canImport(FoundationEssentials)
    public import struct FoundationEssentials.Date
#else
    public import struct Foundation.Date
#endif

/// What a reader saw of a key, to be handed back with a write that follows from it.
///
/// A write with the context of a read supersedes what was read, and nothing that was written meanwhile. Opaque: keep
/// its bytes as they are.
public struct CausalContext: Hashable, Sendable {
    /// What the server gave.
    public var bytes: [UInt8]

    /// A context whose bytes were kept elsewhere.
    public init(bytes: [UInt8]) { self.bytes = bytes }
}

/// A stored value with what is known of it.
public struct Entry<Value: MartletValue>: Sendable {
    /// The stored bytes, read as the type that was asked for.
    public var value: Value
    /// Hand it to the `put` or `delete` that follows from this read. Nil from a server that keeps none.
    public var context: CausalContext?
    /// When it expires by the servers' clocks; nil for never.
    public var expires: Date?
    /// The hybrid logical clock stamp of its write: greater is later. 0 from a server that keeps none.
    public var stamp: UInt64
    /// All values that were written without knowing of each other, the latest, which is ``value``, first. One in
    /// keyspaces that keep no siblings; empty from a server that tells of none.
    public var siblings: [Sibling<Value>] = []
    /// The names of the replicas that answered.
    public var answeredBy: [String] = []
    /// The epoch of the topology under which it was read.
    public var epoch: UInt64 = 0
}

extension Entry: Equatable where Value: Equatable {}

/// One of the values of a key that were written without knowing of each other.
public struct Sibling<Value: MartletValue>: Sendable {
    /// The stored bytes, read as the type that was asked for.
    public var value: Value
    /// When it expires by the servers' clocks; nil for never.
    public var expires: Date?
    /// The hybrid logical clock stamp of its write: greater is later.
    public var stamp: UInt64
}

extension Sibling: Equatable where Value: Equatable {}

/// How many of a key's replicas a call needs, instead of what the keyspace says.
public struct Level: Hashable, Sendable {
    let name: String

    /// Any one replica.
    public static let one = Level(name: "one")
    /// A majority of all.
    public static let quorum = Level(name: "quorum")
    /// Every one.
    public static let all = Level(name: "all")
    /// A majority of those in the data center of the node that takes the call.
    public static let localQuorum = Level(name: "local_quorum")
    /// A majority in each data center.
    public static let eachQuorum = Level(name: "each_quorum")

    /// So many, wherever they are.
    public static func replicas(_ count: Int) -> Level { Level(name: String(count)) }
}

/// When a value shall expire.
public struct Expiry: Hashable, Sendable {
    /// Whole milliseconds from the time the server takes the request; nil for never.
    let milliseconds: Int64?

    /// It stays until it is overwritten or deleted.
    public static let never = Expiry(milliseconds: nil)

    /// It expires once `duration` has passed, counted in milliseconds from when the server takes the request.
    ///
    /// A duration of less than a millisecond is refused by the call it is passed to.
    public static func after(_ duration: Duration) -> Expiry {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return Expiry(
            milliseconds: overflow ? (seconds < 0 ? .min : .max) : product + attoseconds / 1_000_000_000_000_000)
    }
}

/// What a write must have survived before it is acknowledged.
public enum WriteDurability: String, Hashable, Sendable, CaseIterable {
    /// Held by the storage engine, not synced.
    case none
    /// As `none`, and synced at a fixed interval.
    case interval
    /// Synced to stable storage.
    case always
}

/// How an acknowledged write was applied.
public struct Receipt: Hashable, Sendable {
    /// The context of the new version: a later write that hands it back supersedes this one, and what this one did.
    public var context: CausalContext?
    /// The hybrid logical clock stamp of the write; 0 from a server that keeps none.
    public var stamp: UInt64 = 0
    /// For a delete, whether there was a value; nil if the server does not tell.
    public var existed: Bool?
    /// The names of the replicas that acknowledged it.
    public var acknowledgedBy: [String] = []
    /// How many of the acknowledgements were hints, held for an owner that did not answer.
    public var hints = 0
    /// The weakest durability among the acknowledgements counted; nil if the server does not tell.
    public var durability: WriteDurability?
    /// The epoch of the topology under which it was written.
    public var epoch: UInt64 = 0
    /// Values that stayed beside the new one, since they were written without knowing of what the writer knew.
    public var siblingsLeft = 0
}
