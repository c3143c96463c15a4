/// Collects tombstones by proof, never by time: one is erased when every owner holds it, and nothing that any member
/// still has under way, or keeps as a hint, could bring back what it deleted.
///
/// A round, led by the lowest of a partition's owners, in one epoch, on some tombstones:
/// 1. every owner says which of them it holds just so, durably; the others drop out;
/// 2. every member says when all work of its on the partition that was under way has ended; once all have, when it
///    holds no hint there; once none does, that all work has ended again, and this it tells every owner, on the same
///    links and behind whatever it had sent: so nothing older is on its way to an owner that has heard from all. What
///    begins later reads owners that hold the tombstone, or brings writes of its own;
/// 3. every owner erases those that are still as they were.
///
/// A member that is down holds a round up, as its hints might outlive the tombstones. An owner that does not hear of
/// the last step, or exchanges records in the midst of it, has tombstones left, which spread again to where they were
/// erased, and are collected another time: a tombstone too many does no harm.
///
/// One value is leader, owner and member at once; it sends messages to its own node as to others.
public struct TombstoneCollectionMachine: Sendable {
    public let node: UInt32
    public let incarnation: UInt64
    public let settings: TombstoneCollectionSettings
    /// When ``TombstoneCollectionEvent/time`` is due; nil if nothing is waited for.
    public private(set) var wake: UInt64?
    public internal(set) var epoch: UInt64
    var members: [UInt32]
    var linked: Set<UInt32> = []
    /// By number, ascending.
    var led: [LedCollection] = []
    /// In the order in which they came.
    var joined: [JoinedCollection] = []
    var fences: [JoinedFence] = []
    var lastNumber: UInt64 = 0
    var actions: [TombstoneCollectionAction] = []

    public init(
        node: UInt32, incarnation: UInt64, epoch: UInt64, members: [UInt32],
        settings: TombstoneCollectionSettings = TombstoneCollectionSettings()
    ) {
        self.node = node
        self.incarnation = incarnation
        self.settings = settings
        self.epoch = epoch
        self.members = Set(members).sorted()
    }

    /// Takes in what happened at `now`, in nanoseconds of a clock that only moves forward.
    public mutating func receive(_ event: TombstoneCollectionEvent, now: UInt64) -> [TombstoneCollectionAction] {
        actions = []
        switch event {
        case .linkOpened(let peer): linked.insert(peer)
        case .linkClosed(let peer):
            linked.remove(peer)
            for round in led where members.contains(peer) { finish(round.round, .blocked(by: peer, round.phase)) }
            for round in joined where round.round.leader == peer { forget(round.round) }
            fences.removeAll { $0.round.leader == peer }
        case .epoch(let number, let nodes):
            for round in led { finish(round.round, .abandoned) }
            for round in joined { forget(round.round) }
            fences = []
            epoch = number
            members = Set(nodes).sorted()
        case .begin(let place, let owners, let entries): begin(place, owners, entries, now)
        case .received(let peer, let message): received(message, from: peer, now)
        case .checked(let round, let except): answer(round, .agree(except: except))
        case .fenced(let round, let stage):
            guard let at = fences.firstIndex(where: { $0.round == round && $0.stage == stage }) else { break }
            let fence = fences.remove(at: at)
            if stage == .links {
                for owner in fence.owners { actions.append(.clear(round, owner)) }
            } else {
                send(round.leader, round, .drained(stage))
            }
        case .erased(let round):
            answer(round, .erased)
            joined.removeAll { $0.round == round }
        case .time: break
        }
        expire(now)
        return actions
    }

    /// What rounds led here wait for, and for whom: why tombstones await their proof.
    public var waiting: [(place: CollectionPlace, phase: TombstoneCollectionPhase, nodes: [UInt32])] {
        led.map { ($0.place, $0.phase, $0.waiting.sorted()) }
    }

    private mutating func expire(_ now: UInt64) {
        for round in led where round.deadline <= now {
            finish(round.round, .blocked(by: round.waiting.min() ?? node, round.phase))
        }
        for round in joined where round.deadline <= now { forget(round.round) }
        fences.removeAll { $0.deadline <= now }
        wake = (led.map(\.deadline) + joined.map(\.deadline) + fences.map(\.deadline)).min()
    }

    mutating func send(_ peer: UInt32, _ round: CollectionRound, _ body: CollectionMessage.Body) {
        actions.append(.send(peer, CollectionMessage(round, epoch: epoch, body)))
    }

    mutating func answer(_ round: CollectionRound, _ body: CollectionMessage.Body) {
        if joined.contains(where: { $0.round == round }) { send(round.leader, round, body) }
    }

    private mutating func received(_ message: CollectionMessage, from peer: UInt32, _ now: UInt64) {
        let round = message.round
        guard message.epoch == epoch, members.contains(peer) else {
            guard case .abandon = message.body else { return send(peer, round, .abandon) }
            if round.leader == node, members.contains(peer) { finish(round, .abandoned) }
            return
        }
        let isLeaders = peer == round.leader
        switch message.body {
        case .propose(let place, let owners, let entries):
            if isLeaders { join(round, place, owners, entries, now) }
        case .fence(let place, let owners, let stage):
            guard isLeaders else { break }
            fences.removeAll { $0.round == round }
            fences.append(JoinedFence(round: round, owners: owners, stage: stage, deadline: now + settings.patience))
            actions.append(.fence(round, place, stage))
        case .drained(let stage): heard(round, peer, stage == .hints ? .hints : .work, [], now)
        case .clear(let lane, let lanes): clear(round, from: peer, lane, lanes)
        case .erase(let places): if isLeaders { erase(round, places, now) }
        case .abandon:
            if isLeaders { forget(round) }
            fences.removeAll { isLeaders && $0.round == round }
            if round.leader == node { finish(round, .abandoned) }
        case .agree(let except): heard(round, peer, .agreement, except, now)
        case .cleared: heard(round, peer, .clearance, [], now)
        case .erased: heard(round, peer, .erasure, [], now)
        }
    }
}

/// A round that this node leads.
struct LedCollection: Sendable {
    let round: CollectionRound
    let place: CollectionPlace
    let owners: [UInt32]
    let count: Int
    var phase = TombstoneCollectionPhase.agreement
    /// Owners, or members, whose answer is awaited.
    var waiting: Set<UInt32>
    /// Entries that are still in it.
    var places: [Int]
    var deadline: UInt64
}

/// A round that this node takes part in as an owner.
struct JoinedCollection: Sendable {
    let round: CollectionRound
    let place: CollectionPlace
    let entries: [CollectionEntry]
    /// Lanes that each member is still to be heard on; nil before the first.
    var lanes: [UInt32: Set<Int>] = [:]
    /// Members that are clear.
    var clear: Set<UInt32> = []
    var hasSaidCleared = false
    var deadline: UInt64
}

/// A fence that this node was asked for.
struct JoinedFence: Sendable {
    let round: CollectionRound
    let owners: [UInt32]
    let stage: CollectionStage
    let deadline: UInt64
}
