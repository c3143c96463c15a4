internal import MartletCore
public import MartletRuntime

/// Judges one invariant over what a simulation left.
public protocol Checker {
    /// The invariant in a few words, with its number in the test regime: `I4 regular reads`.
    static var name: String { get }
    /// What broke it, each in a sentence; none if it held.
    static func violations(in evidence: Evidence) -> [String]
}

/// What a simulation left: all that checkers look at.
public struct Evidence: Sendable {
    public var history: History
    /// Where crashes may have taken acknowledged writes, because the durability asked for allows it.
    public var losses: [Loss] = []
    /// How far two readings of a calendar at one moment may have been apart, over all nodes and the whole run.
    public var clockSpread = Duration.zero
    /// Keys whose stored records were damaged: they may be unreadable where no other replica holds them.
    public var damagedKeys: Set<History.Key> = []
    /// Keys of which an owner did not write what it said it wrote: until it is found out that owner tells an older
    /// state of them for its last, as no client's read can know.
    public var phantomKeys: Set<History.Key> = []
    /// What each key held when all was well again; a key that could not be read has no entry here.
    public var finals: [History.Key: Final] = [:]
    /// Whether nothing went wrong on purpose.
    public var isFaultFree = false
    /// Whether several nodes hold replicas: counters are exact only in runs without faults then, and each request's
    /// coordinator decides by its own clock what has expired.
    public var isReplicated = false
    /// Whether every R owners have one among any W.
    public var readsAreRegular = true
    /// Whether what a read wrote back is seen by every later read.
    public var readsGoForward = true
    /// How much earlier a write may have been made than one that it outweighs, where they need not see each other.
    public var orderTolerance = Duration.zero
    /// Whether keys that are set together are so at once: where one node holds them all.
    public var setsAreAtomic = true
    /// What servers answered that no server may answer.
    public var complaints: [String] = []
    /// Writes with their causal contexts, in keyspaces that keep siblings.
    public var siblings: [SiblingWrite] = []
    /// By key the siblings that were left.
    public var finalSiblings: [History.Key: Set<UInt64>] = [:]
    /// Digests of the partitions that each replica holds.
    public var digests: [ReplicaDigest] = []
    /// When a minority of every key's owners was gone and nothing else was wrong.
    public var absences: [Absence] = []
    /// Sizes that must not exceed a bound.
    public var sizes: [SizeSample] = []

    /// The keys' timelines, where they were made once for all checkers.
    var timelines: [KeyTimeline]?

    public init(_ history: History = History()) { self.history = history }

    /// What a key held at last.
    public enum Final: Sendable, Equatable {
        case content(History.Content)
        case number(Int64)
        case unreadable(String)
    }

    /// A crash that took what was acknowledged at a durability that it does not survive.
    public struct Loss: Sendable, Equatable {
        /// Everything written from here on may be gone...
        public var from: MonotonicTime
        /// ...since this moment.
        public var at: MonotonicTime
        /// The slots of the keys concerned, ascending; nil for all.
        public var slots: [Range<Int>]?

        /// - Parameter from: by default the beginning.
        public init(
            from: MonotonicTime = MonotonicTime(nanoseconds: 0), at: MonotonicTime, slots: [Range<Int>]? = nil
        ) {
            self.from = from
            self.at = at
            self.slots = slots
        }

        func concerns(_ slot: Int) -> Bool { slots?.contains { $0.contains(slot) } ?? true }
    }

    /// The losses that concern a key.
    func losses(of key: History.Key) -> [Loss] {
        guard losses.contains(where: { $0.slots != nil }) else { return losses }
        let slot = key.slot
        return losses.filter { $0.concerns(slot) }
    }

    /// A write in a keyspace that keeps siblings.
    public struct SiblingWrite: Sendable, Equatable {
        public var key: History.Key
        public var value: UInt64
        /// The values that its context held: those it replaces, and all that they replaced.
        public var replaces: Set<UInt64>
        public var isAcknowledged: Bool
        public var invoked: MonotonicTime

        public init(
            key: History.Key, value: UInt64, replaces: Set<UInt64>, isAcknowledged: Bool,
            invoked: MonotonicTime = MonotonicTime(nanoseconds: 0)
        ) {
            self.key = key
            self.value = value
            self.replaces = replaces
            self.isAcknowledged = isAcknowledged
            self.invoked = invoked
        }
    }

    /// What one owner holds of a partition.
    public struct ReplicaDigest: Sendable, Equatable {
        public var partition: Int
        public var node: Int
        public var digest: UInt64

        public init(partition: Int, node: Int, digest: UInt64) {
            self.partition = partition
            self.node = node
            self.digest = digest
        }
    }

    /// Nodes that were gone, as many as quorums can spare.
    public struct Absence: Sendable, Equatable {
        /// Places among the addresses of clients.
        public var nodes: Set<Int>
        public var from: MonotonicTime
        /// When all others knew of it; nil if not all did before its end.
        public var known: MonotonicTime?
        public var to: MonotonicTime
        /// Whether a key may have no owner left: what others have no hint of they cannot answer for, but they take
        /// writes that do not depend on what is stored.
        public var takesWritesOnly = false

        public init(nodes: Set<Int>, from: MonotonicTime, known: MonotonicTime? = nil, to: MonotonicTime? = nil) {
            self.nodes = nodes
            self.from = from
            self.known = known
            self.to = to ?? from
        }
    }

    /// A size and what it may be at most.
    public struct SizeSample: Sendable, Equatable {
        public var name: String
        public var size: Int
        public var limit: Int

        public init(name: String, size: Int, limit: Int) {
            self.name = name
            self.size = size
            self.limit = limit
        }
    }
}

/// The checkers of every simulation.
public enum Checkers {
    public static var all: [any Checker.Type] {
        [
            AcknowledgedWrites.self, GreatestStamps.self, MaximalSiblings.self, RegularReads.self, ForwardReads.self,
            OwnWrites.self, EqualDigests.self, NoResurrection.self, NoLateValues.self, RefusedWrites.self,
            DoneOnce.self, MinorityGone.self, Bounds.self,
            NoForeignBytes.self, NoComplaints.self, CountedOnce.self, SetTogether.self,
        ]
    }

    /// What all of them found, each under its invariant's name.
    public static func violations(in evidence: Evidence) -> [String] {
        var evidence = evidence
        evidence.timelines = KeyTimeline.all(evidence, Set(History.Key.Family.allCases))
        return all.flatMap { checker in checker.violations(in: evidence).map { "\(checker.name): \($0)" } }
    }
}

extension History.Key {
    var slot: Int { withBytes(of: Array(description.utf8)) { Int(Slot.of($0)) } }
}
