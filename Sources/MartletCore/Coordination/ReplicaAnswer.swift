/// How durable a replica's copy was when it acknowledged: the same levels, in the same order and under the same raw
/// values as a storage backend's durability.
public enum ReplicaDurability: UInt8, Sendable, Comparable, CaseIterable {
    /// Held, not synced.
    case none = 0
    /// Synced at a fixed interval.
    case interval = 1
    /// Synced before it was acknowledged.
    case always = 2

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Why a replica did not do what it was asked: certain not to have been applied there.
///
/// Ordered by how much it tells: of several, the one with the smallest raw value is reported.
public enum ReplicaRefusal: UInt8, Error, Sendable, Comparable, CaseIterable {
    /// The pair is above a limit; every replica will say so.
    case tooLarge = 1
    /// A full memory, disk or map.
    case outOfMemory = 2
    /// The write asks for a durability that this replica cannot meet.
    case durabilityUnmet = 3
    /// The request was made under another topology.
    case wrongEpoch = 4
    /// The keyspace or its generation is not known here.
    case unknownKeyspace = 5
    /// The replica does not own the key, and holds no hints for it.
    case notOwner = 6
    /// Its clock is off its peers': it mints nothing.
    case clockOff = 7
    /// It lost data and has not caught up: it coordinates nothing.
    case notCaughtUp = 8
    /// Above a queue's limit, or expired before it was begun.
    case busy = 9
    /// Its storage engine was closed or has failed.
    case closed = 10
    /// A reason that this version has no word for.
    case other = 11

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// Whether the owner is as good as unreachable, so that a stand-in may hold the write for it. The other reasons
    /// are the request's fault, or passing, or would only spread an overload.
    @inlinable public var isAsGoodAsUnreachable: Bool { self == .closed }
}
