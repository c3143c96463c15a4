public import MartletCore
internal import MartletRuntime

/// Finds out which members of the cluster answer: the shell of ``FailureDetectorMachine``, one for a node, over the
/// links of its first worker.
actor FailureDetector {
    nonisolated let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private var machine: FailureDetectorMachine
    private let replication: Confined<Replication>
    private let log: Log
    private let noteLiveness: (@Sendable (UInt32, Liveness) -> Void)?
    /// Hears whether coordinators go round a node from now on.
    private let avoid: @Sendable (UInt32, Bool) -> Void
    /// Hears what the clocks of the cluster say: milliseconds of the wall clock less those of the steady one.
    private let setClock: @Sendable (Int64?) -> Void
    private let clock: any NodeClock
    private var clocks = PeerClocks()
    /// The last probe of each node, and when it was sent.
    private var asked: [UInt32: (sequence: UInt32, at: MonotonicTime)] = [:]
    private var reference: Int64?
    private var isClockOff = false
    private let timer: WakeTimer
    private var isStopped = false

    init(
        _ machine: FailureDetectorMachine, over replication: Confined<Replication>, loop: any EventLoop,
        clock: any NodeClock, log: Log, noteLiveness: (@Sendable (UInt32, Liveness) -> Void)?,
        avoid: @escaping @Sendable (UInt32, Bool) -> Void, setClock: @escaping @Sendable (Int64?) -> Void
    ) {
        self.machine = machine
        self.replication = replication
        self.loop = loop
        timer = WakeTimer(loop)
        self.clock = clock
        self.log = log
        self.noteLiveness = noteLiveness
        self.avoid = avoid
        self.setClock = setClock
    }

    /// What is held of the other members, ascending.
    var members: [FailureDetectorMember] { machine.members }

    func receive(_ event: FailureDetectorEvent) {
        guard !isStopped else { return }
        if case .received(let node, let message) = event { noteClock(of: node, message) }
        var unsent: [UInt32] = []
        for action in machine.receive(event, now: loop.now.nanoseconds) {
            if let node = perform(action) { unsent.append(node) }
        }
        // That a link takes nothing is news of its own.
        for node in unsent {
            for action in machine.receive(.unsent(node), now: loop.now.nanoseconds) { _ = perform(action) }
        }
        schedule()
    }

    func stop() {
        isStopped = true
        timer.cancel()
    }

    /// - Returns: the node that a message could not be sent to.
    private func perform(_ action: FailureDetectorAction) -> UInt32? {
        switch action {
        case .send(let node, var message):
            let replication = replication.value
            message.clock = UInt64(clamping: clock.wallMicroseconds / 1000)
            if case .probe(let sequence) = message.body { asked[node] = (sequence, loop.now) }
            let isSent = replication.transport.send(to: node, replication.header(message.kind, 0)) {
                message.append(to: &$0)
            }
            return isSent || !replication.transport.isOpen(to: node) ? nil : node
        case .avoid(let node, let isAvoided): avoid(node, isAvoided)
        case .changed(let node, let liveness):
            noteLiveness?(node, liveness)
            let name = replication.value.membership.member(node)?.member.name ?? "\(node)"
            log(liveness == .alive ? .info : .notice, "node \(name) is \(liveness)")
        case .refuted(let liveness, let accuser):
            log(.info, "node \(accuser) held this one for \(liveness); it answers")
        }
        return nil
    }

    // MARK: Clocks

    /// Answers to probes tell what time it is elsewhere.
    private func noteClock(of node: UInt32, _ message: FailureMessage) {
        guard case .reply(let sequence, _) = message.body, message.clock > 0, let probe = asked[node],
            probe.sequence == sequence
        else { return }
        asked[node] = nil
        let steady = loop.now.milliseconds
        clocks.note(
            node, wall: Int64(clamping: message.clock), now: steady,
            roundTrip: loop.now.since(probe.at).inNanoseconds / 1_000_000)
        let own = clock.wallMicroseconds / 1000 - steady
        let reference = clocks.reference(own: own)
        if reference != self.reference {
            self.reference = reference
            setClock(reference)
        }
        let off = reference.map { own - $0 } ?? 0
        let isOff = abs(off) > HybridLogicalClock.defaultBound
        guard isOff != isClockOff else { return }
        isClockOff = isOff
        log(
            isOff ? .error : .notice,
            isOff
                ? "this node's clock is \(abs(off)) ms \(off > 0 ? "ahead of" : "behind") the others': it coordinates no "
                    + "writes until it is set right"
                : "this node's clock is right again")
    }

    private func schedule() {
        timer.set(machine.wake) { [self] in assumeIsolated { $0.receive(.time) } }
    }
}

extension Replication {
    /// Hands what concerns the failure detector to it; only the first worker has one.
    func tellDetector(_ event: FailureDetectorEvent) {
        guard let detector else { return }
        detector.assumeIsolated { $0.receive(event) }
    }

    /// Has coordinators of this worker go round a node, or not any more.
    func avoid(_ node: UInt32, _ isAvoided: Bool) {
        if isAvoided { avoidedNodes.insert(node) } else { avoidedNodes.remove(node) }
        hints?.note(node, isReachable: answers(node))
    }

    /// Of some positions those whose nodes answer, as far as is known; all of them if none does.
    func answering(_ positions: PositionSet, _ places: ReplicaPlaces) -> PositionSet {
        guard !avoidedNodes.isEmpty else { return positions }
        var answering = positions
        for position in positions where avoidedNodes.contains(places.nodes[position]) { answering.remove(position) }
        return answering.isEmpty ? positions : answering
    }
}

extension ReplicaCoordinator {
    /// Begins to watch the other members.
    func watch(
        incarnation: UInt64, seed: UInt64, log: Log, noteLiveness: (@Sendable (UInt32, Liveness) -> Void)?,
        _ avoid: @escaping @Sendable (UInt32, Bool) -> Void, setClock: @escaping @Sendable (Int64?) -> Void
    ) {
        guard let replication else { return }
        let machine = FailureDetectorMachine(
            node: replication.membership.node, incarnation: incarnation, members: replication.otherNodes, seed: seed,
            now: loop.now.nanoseconds)
        let detector = FailureDetector(
            machine, over: Confined(replication, on: loop), loop: loop, clock: store.clock, log: log,
            noteLiveness: noteLiveness, avoid: avoid, setClock: setClock)
        replication.detector = detector
        detector.assumeIsolated { $0.receive(.time) }
        for node in replication.otherNodes where replication.transport.isOpen(to: node) {
            replication.tellDetector(.linkOpened(node, incarnation: replication.incarnations[node] ?? 0))
        }
    }

    func avoid(_ node: UInt32, _ isAvoided: Bool) { replication?.avoid(node, isAvoided) }

    func setClock(_ reference: Int64?) { replication?.clockReference = reference }

    /// By how many milliseconds this node's wall clock is ahead of the cluster's, as far as is known.
    public var clockOffset: Int64 {
        guard let reference = replication?.clockReference else { return 0 }
        return wallMilliseconds - loop.now.milliseconds - reference
    }

    /// Whether this node may not mint: with stamps ahead of all others its writes would win over later ones, with
    /// stamps behind they would lose to earlier ones.
    public var isClockOff: Bool {
        replication?.clockReference != nil && abs(clockOffset) > HybridLogicalClock.defaultBound
    }

    /// What this node's failure detector holds of the others, by id; empty on all workers but the first.
    public var watchedMembers: [FailureDetectorMember] {
        replication?.detector.map { $0.assumeIsolated { $0.members } } ?? []
    }
}
