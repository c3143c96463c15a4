@testable import MartletCore

/// A random history of one key on a few replicas, run both with encoded records and with sets of events.
///
/// An event is a write; its past is the set of events that its writer had seen. A replica's knowledge is a set of
/// events; what it has to keep are the events of it that are in no other's past.
struct History {
    struct Event {
        var past: Set<Int>
        var stamp: UInt64
        var dot: Dot
        var isTombstone: Bool
    }

    struct Replica {
        var identity: ReplicaIdentity
        var nextBirth: UInt64
        var record: [UInt8]?
        var known: Set<Int> = []
        var clock = HybridLogicalClock()
        /// Milliseconds by which its clock is off.
        var skew: Int64
    }

    /// What a client has read and may hand back.
    struct Client {
        var context = VersionVector()
        var known: Set<Int> = []
        var stamp: UInt64 = 0
    }

    let policy: ConflictPolicy
    var random: Seeded
    var events: [Event] = []
    var replicas: [Replica]
    var clients: [Client]
    /// Every record that was ever held.
    var states: [[UInt8]] = []
    var now: Int64 = 1000

    init(seed: UInt64, policy: ConflictPolicy) {
        self.policy = policy
        random = Seeded(seed)
        var random = random
        replicas = (0..<UInt32.random(in: 2...4, using: &random)).map {
            Replica(
                identity: ReplicaIdentity(node: $0, incarnation: random.next()), nextBirth: random.number() >> 8,
                skew: Int64.random(in: -400...400, using: &random))
        }
        clients = Array(repeating: Client(), count: 3)
        self.random = random
    }

    /// Does one thing at one replica, and says which.
    @discardableResult
    mutating func step() throws -> Int {
        now += Int64.random(in: 0...2, using: &random)
        let replica = Int.random(in: replicas.indices, using: &random)
        let client = Int.random(in: clients.indices, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<4: read(client, at: replica)
        case 4..<11: write(at: replica, by: client)
        case 11..<19: try merge(from: Int.random(in: replicas.indices, using: &random), to: replica)
        default: lose(replica)
        }
        return replica
    }

    mutating func read(_ client: Int, at replica: Int) {
        guard let record = replicas[replica].record, let logical = try? LogicalRecord(record) else { return }
        clients[client].context = logical.context
        clients[client].known = replicas[replica].known
        clients[client].stamp = max(clients[client].stamp, logical.siblings.map(\.stamp).max() ?? 0)
    }

    /// Writes with the client's context, or over all that is held.
    mutating func write(at index: Int, by client: Int) {
        let knowing = policy == .latest ? Bool.random(using: &random) : Int.random(in: 0..<4, using: &random) > 0
        let isTombstone = Int.random(in: 0..<5, using: &random) == 0
        let known = knowing ? clients[client].context : nil
        var replica = replicas[index]
        var update = RecordUpdate(knowing: known)
        if let record = replica.record {
            update = withBytes(of: record) { record in
                withBytes(of: storedKey) {
                    RecordUpdate(
                        record, storedKey: $0, identity: replica.identity, policy: policy, knowing: known)
                }
            }
        }
        let dot = update.nextDot ?? replica.identity.firstDot(birth: replica.nextBirth)
        if update.nextDot == nil { replica.nextBirth += 1 }
        replica.clock.receive(update.stamp)
        if knowing { replica.clock.receive(clients[client].stamp) }
        var value = NewValue(stamp: replica.clock.mint(wallMilliseconds: now + replica.skew), length: 8)
        if isTombstone { value = .tombstone(stamp: value.stamp) }
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: events.count >> (8 * $0)) }
        if !isTombstone { value.codec = RecordFormat.Codec.allCases.randomElement(using: &random) ?? .none }
        let stored = isTombstone ? [] : value.codec == .none ? bytes : toyPack(bytes, value.codec)
        var buffer = ByteBuffer()
        withBytes(of: storedKey) { key in
            withBytes(of: stored) { update.append(to: &buffer, storedKey: key, dot: dot, value: value, bytes: $0) }
        }
        let past = (knowing ? clients[client].known : []).union(
            policy == .latest || !knowing ? replica.known : [])
        events.append(
            Event(past: past, stamp: update.stamp(for: value.stamp), dot: dot, isTombstone: isTombstone))
        replica.known.formUnion(past)
        replica.known.insert(events.count - 1)
        replica.record = buffer.copy()
        replicas[index] = replica
        states.append(buffer.copy())
    }

    mutating func merge(from: Int, to: Int) throws {
        guard let remote = replicas[from].record, from != to, (try? RecordView(of: remote)) != nil else { return }
        if let local = replicas[to].record, (try? RecordView(of: local)) == nil { return try replace(to, from: from) }
        replicas[to].known.formUnion(replicas[from].known)
        if let local = replicas[to].record {
            replicas[to].record = try merged(local, remote, policy).record
        } else {
            replicas[to].record = remote
        }
        if let record = replicas[to].record { states.append(record) }
    }

    /// The replica's record is damaged, and it begins anew or is given a peer's; or the whole replica is wiped.
    mutating func lose(_ index: Int) {
        guard let record = replicas[index].record, (try? RecordView(of: record)) != nil else { return }
        replicas[index].known = []
        if Bool.random(using: &random) {
            replicas[index].record = nil
            replicas[index].identity.incarnation = random.next()
        } else {
            replicas[index].record?[5] ^= 1
        }
    }

    /// Stores a peer's record in the place of a damaged one.
    mutating func replace(_ index: Int, from peer: Int) throws {
        guard let remote = replicas[peer].record else { return }
        var buffer = ByteBuffer()
        let fresh = replicas[index].identity.firstDot(birth: replicas[index].nextBirth)
        replicas[index].nextBirth += 1
        try withBytes(of: storedKey) { key in
            try withBytes(of: remote) {
                try RecordMerge.replacement(remote: $0, storedKey: key, fresh: fresh, into: &buffer)
            }
        }
        replicas[index].record = buffer.copy()
        replicas[index].known = replicas[peer].known
    }

    /// The dots that a replica has to hold values of.
    func expected(_ replica: Int) -> [Dot] {
        let known = replicas[replica].known
        if policy == .latest {
            let newest = known.max { (events[$0].stamp, events[$0].dot) < (events[$1].stamp, events[$1].dot) }
            return newest.map { [events[$0].dot] } ?? []
        }
        return known.filter { event in !known.contains { events[$0].past.contains(event) } }.map { events[$0].dot }
            .sorted()
    }
}
