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
    /// Hears whether coordinators go round a node from now on.
    private let avoid: @Sendable (UInt32, Bool) -> Void
    private var timer: (any LoopTimer)?
    private var timerIsFor: UInt64?
    private var isStopped = false

    init(
        _ machine: FailureDetectorMachine, over replication: Confined<Replication>, loop: any EventLoop, log: Log,
        avoid: @escaping @Sendable (UInt32, Bool) -> Void
    ) {
        self.machine = machine
        self.replication = replication
        self.loop = loop
        self.log = log
        self.avoid = avoid
    }

    /// What is held of the other members, ascending.
    var members: [FailureDetectorMember] { machine.members }

    func receive(_ event: FailureDetectorEvent) {
        guard !isStopped else { return }
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
        timer?.cancel()
    }

    /// - Returns: the node that a message could not be sent to.
    private func perform(_ action: FailureDetectorAction) -> UInt32? {
        switch action {
        case .send(let node, let message):
            let replication = replication.value
            let isSent = replication.transport.send(to: node, replication.header(message.kind, 0)) {
                message.append(to: &$0)
            }
            return isSent || !replication.transport.isOpen(to: node) ? nil : node
        case .avoid(let node, let isAvoided): avoid(node, isAvoided)
        case .changed(let node, let liveness):
            let name = replication.value.membership.member(node)?.member.name ?? "\(node)"
            log(liveness == .alive ? .info : .notice, "node \(name) is \(liveness)")
        case .refuted(let liveness, let accuser):
            log(.info, "node \(accuser) held this one for \(liveness); it answers")
        }
        return nil
    }

    private func schedule() {
        guard machine.wake != timerIsFor else { return }
        timer?.cancel()
        timerIsFor = machine.wake
        let now = loop.now.nanoseconds
        let wait = machine.wake > now ? Int64(clamping: machine.wake - now) : 0
        timer = loop.schedule(after: .nanoseconds(wait)) { [self] in
            assumeIsolated { detector in
                detector.timerIsFor = nil
                detector.receive(.time)
            }
        }
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
    func watch(incarnation: UInt64, seed: UInt64, log: Log, _ avoid: @escaping @Sendable (UInt32, Bool) -> Void) {
        guard let replication else { return }
        let machine = FailureDetectorMachine(
            node: replication.membership.node, incarnation: incarnation, members: replication.otherNodes, seed: seed,
            now: loop.now.nanoseconds)
        let detector = FailureDetector(
            machine, over: Confined(replication, on: loop), loop: loop, log: log, avoid: avoid)
        replication.detector = detector
        detector.assumeIsolated { $0.receive(.time) }
        for node in replication.otherNodes where replication.transport.isOpen(to: node) {
            replication.tellDetector(.linkOpened(node, incarnation: replication.incarnations[node] ?? 0))
        }
    }

    func avoid(_ node: UInt32, _ isAvoided: Bool) { replication?.avoid(node, isAvoided) }

    /// What this node's failure detector holds of the others, by id; empty on all workers but the first.
    public var watchedMembers: [FailureDetectorMember] {
        replication?.detector.map { $0.assumeIsolated { $0.members } } ?? []
    }
}
