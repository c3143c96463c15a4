internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// What a worker mints from: its replica's identity, its lease of births, its hybrid logical clock.
///
/// Births and clock stamps are leased ahead: the upper bound is put into the batch that first uses what lies below it,
/// so after a restart, minting begins above all that a recovered record can hold.
struct Minting {
    let node: UInt32
    let incarnation: UInt64
    private let leases: LeaseKeeper
    private let leaseKey: [UInt8]
    private var births: Range<UInt64> = 0..<0
    private var mintedSinceStart: UInt64 = 0
    private var clock: HybridLogicalClock
    private var stamps: StampLease
    private var leaseIsDue = false

    static let birthLease: UInt64 = 1 << 16

    init(node: UInt32, incarnation: UInt64, worker: Int, leases: LeaseKeeper) {
        self.node = node
        self.incarnation = incarnation
        self.leases = leases
        leaseKey = StoredKey.meta("lease/\(worker)")
        clock = HybridLogicalClock(last: leases.firstStamp)
        stamps = StampLease(limit: leases.firstStamp)
    }

    /// The first dot for a key of which no intact record is held.
    mutating func newDot() -> Dot {
        if births.isEmpty || births.lowerBound < leases.firstBirth {
            births = leases.takeBirths(Self.birthLease)
            leaseIsDue = true
        }
        let birth = births.lowerBound
        births = birth + 1..<births.upperBound
        return Dot(actor: ReplicaActor(node: node, incarnation: incarnation, birth: birth), counter: 1)
    }

    /// Whose dots this replica's are.
    var identity: ReplicaIdentity {
        ReplicaIdentity(node: node, incarnation: incarnation, firstBirth: leases.firstBirth)
    }

    /// What the planted bug mints: one actor's dots, counted from the process's start.
    mutating func resetDot() -> Dot {
        mintedSinceStart += 1
        return Dot(actor: ReplicaActor(node: node, incarnation: incarnation, birth: 1), counter: mintedSinceStart)
    }

    /// Gives up all births drawn so far, by whichever worker, since each mints for keys of others: a write was not
    /// stored here that other replicas may hold, and were its dot minted once more, one of the two writes would be
    /// taken for the other.
    func giveUpBirths() { leases.giveUpBirths() }

    mutating func stamp(wallMilliseconds: Int64) -> UInt64 {
        let stamp = clock.mint(wallMilliseconds: wallMilliseconds)
        if stamps.cover(stamp) != nil { leaseIsDue = true }
        return stamp
    }

    mutating func receive(_ stamp: UInt64) { clock.receive(stamp) }

    /// Takes note of a peer's stamp, unless the peer's clock runs too far ahead for its word to be taken.
    mutating func receive(_ stamp: UInt64, wallMilliseconds: Int64) {
        _ = clock.receive(stamp, wallMilliseconds: wallMilliseconds, bound: HybridLogicalClock.defaultBound)
    }

    /// The greatest stamp minted or heard of.
    var lastStamp: UInt64 { clock.last }

    /// Adds the lease to a batch that uses something above the former one.
    mutating func addLease(to batch: inout WriteBatch) {
        guard leaseIsDue else { return }
        leaseIsDue = false
        var value = ByteBuffer(capacity: 16)
        value.append(littleEndian: births.upperBound)
        value.append(littleEndian: stamps.limit)
        withBytes(of: leaseKey) { key in value.withBytes { batch.put(key, $0) } }
    }
}

/// The node's count of births, from which workers take leases, and the stamp above which clocks begin.
final class LeaseKeeper: Sendable {
    /// Above all stamps that a former run of this data set can have minted.
    let firstStamp: UInt64
    private let nextBirth: Lock<UInt64>
    private let givenUp = Atomic<UInt64>(0)

    /// Reads the leases that a former run left.
    init(reading snapshot: (any StorageSnapshot)?) throws(StorageError) {
        var births: UInt64 = 1
        var stamp: UInt64 = 0
        if let snapshot {
            try withBytes(of: StoredKey.meta("lease/")) { lower throws(StorageError) in
                try withBytes(of: StoredKey.meta("lease0")) { upper throws(StorageError) in
                    try snapshot.scan(from: lower, to: upper) { _, value in
                        guard value.byteCount == 16 else { return .continue }
                        births = max(births, value.littleEndian(0, as: UInt64.self))
                        stamp = max(stamp, value.littleEndian(8, as: UInt64.self))
                        return .continue
                    }
                }
            }
        }
        firstStamp = stamp
        nextBirth = Lock(births)
    }

    /// No dot is minted any more of births below this one.
    var firstBirth: UInt64 { givenUp.load(ordering: .acquiring) }

    /// Gives up all births that workers hold.
    func giveUpBirths() { nextBirth.withLock { next in givenUp.store(next, ordering: .releasing) } }

    func takeBirths(_ count: UInt64) -> Range<UInt64> {
        nextBirth.withLock { next in
            defer { next += count }
            return next..<next + count
        }
    }
}
