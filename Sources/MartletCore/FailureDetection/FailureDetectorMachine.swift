/// Finds out which members are reachable: SWIM (Das, Gupta and Motivala 2002) with Lifeguard (Dadgar, Phillips and
/// Currey 2017), as a value driven by events.
///
/// In each protocol period one member, in a shuffled round, gets a *probe*. If no answer comes, a few others are asked
/// for an *indirect probe*; if that fails too, the member is a *suspect*, which is gossiped. A suspect that hears of it
/// *refutes*; one that does not in time is *dead*. Gossip rides on probes and answers, so a node's load does not grow
/// with the cluster, nor does the time to find a failure; that for all to hear of it grows with the logarithm.
///
/// Of Lifeguard: the ``LocalHealth``, suspicions that independent ones shorten (``Suspicion``), and the buddy system: a
/// probe or an answer always tells its receiver what is held of it. Beyond both papers:
/// - Links are evidence. One that closes, or takes no more, has coordinators go round the member at once
///   (``FailureDetectorAction/avoid(_:_:)``), and others are asked about it without waiting for its turn.
/// - Some of those who hear of a suspicion probe the suspect themselves, so that confirmations come soon.
/// - Who hears that somebody is dead whom nobody suspected, and with whom there is a link, suspects first: a node that
///   was cut off cannot bury the living when it returns.
/// - A detector that was not run in time (the process was stopped, the loop was busy) puts all its deadlines off by as
///   much and doubts itself.
/// - The dead are probed now and then, since they are members still; a node that starts asks for all that is known.
public struct FailureDetectorMachine: Sendable {
    public let node: UInt32
    public let incarnation: UInt64
    public let settings: FailureDetectorSettings
    /// What this node last said of itself.
    public internal(set) var refutation: UInt64 = 0
    public internal(set) var health: LocalHealth
    public internal(set) var counters = FailureDetectorCounters()
    /// The other members, ascending.
    public internal(set) var members: [FailureDetectorMember] = []
    /// When ``FailureDetectorEvent/time`` is due.
    public internal(set) var wake: UInt64

    var probes: [FailureProbe] = []
    var relays: [FailureRelay] = []
    /// Members to be probed before their turn, the first first.
    var urgent: [UInt32] = []
    /// How many more of them may be in this period.
    var urgentLeft = 0
    /// Nodes with a suspicion.
    var suspects: [UInt32] = []
    var gossip = GossipQueue()
    var round: [UInt32] = []
    var nextPeriod: UInt64
    var periods: UInt64 = 0
    var nextView: UInt64
    /// Whether all that others know was asked for, once, after the start.
    var hasAsked = false
    var lastSequence: UInt32
    var random: SplitMix64
    var actions: [FailureDetectorAction] = []

    /// - Parameters:
    ///   - incarnation: this node's data set.
    ///   - members: the epoch's; all are taken to be alive until they do not answer.
    ///   - seed: any random number, so that nodes do not move in step.
    public init(
        node: UInt32, incarnation: UInt64, members: [UInt32],
        settings: FailureDetectorSettings = FailureDetectorSettings(), seed: UInt64, now: UInt64
    ) {
        self.node = node
        self.incarnation = incarnation
        self.settings = settings
        health = LocalHealth(worst: settings.worstHealth)
        random = SplitMix64(seed: seed)
        lastSequence = UInt32(truncatingIfNeeded: random.next())
        nextPeriod = now + random.next() % max(1, settings.period)
        nextView = now + settings.viewPeriod / 2 + random.next() % max(1, settings.viewPeriod)
        wake = nextPeriod
        replaceMembers(members, now)
    }

    /// Takes in what happened at `now`, in nanoseconds of a clock that only moves forward. O(1) for most, O(members)
    /// for a view and at the start of a round.
    public mutating func receive(_ event: FailureDetectorEvent, now: UInt64) -> [FailureDetectorAction] {
        actions = []
        noticeStall(now)
        switch event {
        case .linkOpened(let node, let incarnation): opened(node, incarnation, now)
        case .linkClosed(let node): closed(node, now)
        case .unsent(let node): unsent(node, now)
        case .received(let node, let message): received(message, from: node, now)
        case .members(let nodes): replaceMembers(nodes, now)
        case .time: break
        }
        proceed(now)
        return actions
    }

    /// A member by its id; nil for this node and for strangers. O(log members).
    public func member(_ node: UInt32) -> FailureDetectorMember? { index(of: node).map { members[$0] } }

    func index(of node: UInt32) -> Int? {
        let at = members.partitionIndex { $0.node < node }
        return at < members.count && members[at].node == node ? at : nil
    }

    /// Members, this node included.
    var size: Int { members.count + 1 }

    private mutating func replaceMembers(_ nodes: [UInt32], _ now: UInt64) {
        let former = members
        members = Set(nodes).subtracting([node]).sorted().map { node in
            former.first { $0.node == node } ?? FailureDetectorMember(node: node, since: now)
        }
        let isGone = { [members] (node: UInt32) in
            let at = members.partitionIndex { $0.node < node }
            return at == members.count || members[at].node != node
        }
        let own = node
        gossip.remove { $0 != own && isGone($0) }
        probes.removeAll { isGone($0.node) }
        relays.removeAll { isGone($0.origin) || isGone($0.target) }
        urgent.removeAll(where: isGone)
        suspects.removeAll(where: isGone)
        round = []
    }

    /// A detector that is run late has not listened either: what seemed to be others' silence was its own.
    private mutating func noticeStall(_ now: UInt64) {
        guard now > wake, now - wake > settings.probeTimeout else { return }
        let late = now - wake
        counters.stalls += 1
        counters.stalled += late
        counters.longestStall = max(counters.longestStall, late)
        health.change(by: 1)
        for index in probes.indices {
            if probes[index].askAt != .max { probes[index].askAt += late }
            probes[index].deadline += late
        }
        for index in relays.indices {
            if relays[index].refuseAt != .max { relays[index].refuseAt += late }
            relays[index].deadline += late
        }
        for suspect in suspects {
            if let index = index(of: suspect) { members[index].suspicion?.postpone(by: late) }
        }
        nextPeriod += late
    }

    /// Changes what is known of a member, and says so where it matters to coordinators.
    mutating func change(_ index: Int, _ body: (inout FailureDetectorMember) -> Void) {
        let former = members[index].isAvoided
        body(&members[index])
        if members[index].isAvoided != former { actions.append(.avoid(members[index].node, !former)) }
    }

    // MARK: Links

    private mutating func opened(_ peer: UInt32, _ incarnation: UInt64, _ now: UInt64) {
        guard let index = index(of: peer) else { return }
        change(index) {
            $0.isLinked = true
            $0.isSilent = false
        }
        for probe in probes where probe.node == peer { send(.probe(sequence: probe.sequence), to: index) }
        // What is held of it may be of the time before: it is told, and answers for itself.
        members[index].hear(refutation: members[index].refutation, incarnation: incarnation)
        if members[index].needsToHear { makeUrgent(peer) }
        if !hasAsked {
            hasAsked = true
            sendView(to: peer, wantsAnswer: true)
        }
    }

    private mutating func closed(_ peer: UInt32, _ now: UInt64) {
        guard let index = index(of: peer), members[index].isLinked else { return }
        change(index) { $0.isLinked = false }
        for probe in probes.indices where probes[probe].node == peer && probes[probe].askAt != .max {
            probes[probe].askAt = now
        }
        for relay in relays.indices where relays[relay].target == peer && relays[relay].refuseAt != .max {
            relays[relay].refuseAt = now
        }
        if members[index].liveness == .alive { makeUrgent(peer) }
    }

    private mutating func unsent(_ peer: UInt32, _ now: UInt64) {
        guard let index = index(of: peer) else { return }
        change(index) { $0.isSilent = true }
        var isProbed = false
        for probe in probes.indices where probes[probe].node == peer {
            if probes[probe].askAt != .max { probes[probe].askAt = now }
            isProbed = true
        }
        if !isProbed, members[index].liveness == .alive { makeUrgent(peer) }
    }

    mutating func makeUrgent(_ node: UInt32) {
        guard !urgent.contains(node), !probes.contains(where: { $0.node == node }) else { return }
        urgent.append(node)
    }
}
