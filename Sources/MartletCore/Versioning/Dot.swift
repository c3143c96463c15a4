/// Who mints dots: a replica's data set, and for each key the occasion on which that replica began to know it.
///
/// A dot never repeats: `incarnation` is drawn anew at every start not proved clean, and `birth` whenever the replica
/// mints for a key of which it holds no intact record, so counters may begin at 1 again.
public struct ReplicaActor: Hashable, Comparable, Sendable {
    public var node: UInt32
    public var incarnation: UInt64
    public var birth: UInt64

    @inlinable
    public init(node: UInt32, incarnation: UInt64, birth: UInt64) {
        self.node = node
        self.incarnation = incarnation
        self.birth = birth
    }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool {
        (a.node, a.incarnation, a.birth) < (b.node, b.incarnation, b.birth)
    }
}

/// The identity of one written value: the `counter`-th that `actor` minted.
public struct Dot: Hashable, Comparable, Sendable {
    public var actor: ReplicaActor
    public var counter: UInt64

    @inlinable
    public init(actor: ReplicaActor, counter: UInt64) {
        self.actor = actor
        self.counter = counter
    }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool {
        a.actor == b.actor ? a.counter < b.counter : a.actor < b.actor
    }
}

/// The part of a replica's identity that is the same for all keys: whose data set it is, and which run of it.
public struct ReplicaIdentity: Hashable, Sendable {
    public var node: UInt32
    public var incarnation: UInt64
    /// Births below this one were given up: what was minted under them others may hold and this replica not.
    public var firstBirth: UInt64

    @inlinable
    public init(node: UInt32, incarnation: UInt64, firstBirth: UInt64 = 0) {
        self.node = node
        self.incarnation = incarnation
        self.firstBirth = firstBirth
    }

    /// Whether this replica, in this incarnation, is the actor, and goes on counting from it.
    @inlinable
    public func owns(_ actor: ReplicaActor) -> Bool {
        actor.incarnation == incarnation && actor.node == node && actor.birth >= firstBirth
    }

    /// The first dot of a birth that was drawn for a key of which no intact record is held.
    @inlinable
    public func firstDot(birth: UInt64) -> Dot {
        Dot(actor: ReplicaActor(node: node, incarnation: incarnation, birth: birth), counter: 1)
    }
}

extension Dot {
    /// The greatest counter that is minted: a replica then goes on under a new birth. So a peer's or client's larger
    /// one is no write's, and nobody can use the numbers of an actor up.
    public static let maximumCounter: UInt64 = 1 << 32
}
