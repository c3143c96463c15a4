public import MartletCore
public import MartletRuntime
internal import Synchronization

/// A worker's part in the cluster: serves what peers ask of its replicas, and carries its coordinator's reads and
/// writes to the replicas of their keys. Used on the worker's loop only.
///
/// This node's own replica is one of the positions like any other, but for the message: what comes back from it is fed
/// to the same operations (``WriteOperation``, ``ReadOperation``).
public final class Replication: TransportReceiver {
    public let membership: ClusterMembership
    let store: RecordStore
    let transport: any Transport
    let loop: any EventLoop
    var writes = OperationTable<WriteRound>()
    /// What this turn has gathered so far.
    var openWrites: WriteRound?
    var confirmations = OperationTable<ReadRound>()
    var openConfirmations: ReadRound?
    var sweeper: (any LoopTimer)?
    private var hasTurnEnd = false
    var reads = OperationTable<ReadInFlight>()
    var forwards = OperationTable<ForwardInFlight>()
    var keyPages = OperationTable<KeyPageInFlight>()
    /// What waits for records on their way from a disk.
    var loads = PendingLoads()
    var generationAsks = OperationTable<GenerationsInFlight>()
    private var lastRequest: UInt64 = 0
    /// Keys that a command which reads before it writes is under way for, since when, and who waits for them in turn.
    var busyKeys: [[UInt8]: (since: UInt64, waiting: [CheckedContinuation<Void, Never>])] = [:]
    /// Runs a command that another node handed over, and hands back its encoded reply.
    public var runForwarded: ((ForwardedCommand, @escaping ([UInt8]) -> Void) -> Void)?
    /// Has all workers of the node enter generations, durably; hands back those that it is in then.
    var raiseEverywhere: ((KeyspaceGenerations, @escaping (KeyspaceGenerations) -> Void) -> Void)?
    /// Hears of a keyspace whose records of former generations can be erased.
    var generationRaised: ((_ keyspace: Int) -> Void)?
    private(set) var catchUp: CatchUp?
    private(set) var antiEntropy: AntiEntropy?
    private(set) var hints: HintedHandoff?
    /// What the entries of a message have brought near.
    let ahead = Residency()
    private(set) var tombstones: TombstoneCollection?
    /// Hints under way to those that hold them, and those that this turn has gathered.
    var hintMessages = OperationTable<HintMessage>()
    var openHints: [HintMessage] = []
    /// By request, who was sent hints, and has not answered in time: they may be kept yet.
    var lateHints: [UInt64: UInt32] = [:]
    /// The node's, on its first worker.
    var detector: FailureDetector?
    /// Nodes that do not answer: others are asked first.
    var avoidedNodes: Set<UInt32> = []
    /// What the cluster's clocks say: milliseconds of the wall clock less those of this node's steady one.
    var clockReference: Int64?
    /// Of each node, the data set that the last link was to.
    private(set) var incarnations: [UInt32: UInt64] = [:]
    /// Nodes to which a link is open, of all others that there are.
    private var openNodes: Set<UInt32> = []
    private let peerCount: Int
    private let otherMembers: Set<UInt32>
    /// When the link to each node last opened or closed.
    private(set) var linkChanges: [UInt32: MonotonicTime] = [:]
    let startedAt: MonotonicTime
    let counters: ClusterCounters
    /// How long other nodes' replicas took to answer.
    var latencies = ReplicaLatencies()
    var speculation = Speculation()
    /// Messages that could not be understood.
    public private(set) var malformed: UInt64 = 0

    /// How long an operation may take unless the client says otherwise.
    static let patience = Duration.seconds(2)

    init(
        _ membership: ClusterMembership, store: RecordStore, transport: any Transport, _ opening: CatchUpOpening
    ) {
        self.membership = membership
        let others = Set(membership.keyspaces.flatMap { $0.ring.members.map(\.id) }).subtracting([membership.node])
        (peerCount, otherMembers) = (others.count, others)
        self.store = store
        self.transport = transport
        loop = store.loop
        startedAt = loop.now
        counters = opening.counters
        let catchUp = CatchUp(self, opening)
        self.catchUp = catchUp
        let trees = Trees(catchUp.machine.units, of: store)
        store.trees = trees
        let antiEntropy = AntiEntropy(self, catchUp, trees, seed: opening.seed ^ 0x7472_6565)
        self.antiEntropy = antiEntropy
        store.onReplaced = { [weak self] in self?.catchUp?.oweToAll($0) }
        hints = HintedHandoff(self, opening.hints, log: opening.log)
        let tombstones = TombstoneCollection(self, catchUp.machine.units)
        self.tombstones = tombstones
        trees.onDead = { [weak tombstones] unit, since in tombstones?.note(unit, deadSince: since) }
        transport.receiver = self
        catchUp.start()
        antiEntropy.start()
        hints?.start()
        tombstones.start()
        for node in otherNodes where transport.isOpen(to: node) { tellGenerations(node) }
    }

    /// All other nodes of the cluster, ascending.
    var otherNodes: [UInt32] {
        Set(membership.keyspaces.flatMap { $0.ring.members.map(\.id) } + membership.members.map(\.member.id))
            .subtracting([membership.node]).sorted()
    }

    /// The durability that this replica's acknowledgement stands for where no more is asked.
    var ownDurability: Durability { min(store.settings.durability, store.backend.properties.maximumDurability) }

    /// Writes and confirmations of reads that this coordinator has begun and not answered.
    var writesUnderWay = 0
    var confirmationsUnderWay = 0
    /// Of the rounds of writes that some owner has not acknowledged: with a slow owner more than are unanswered.
    var bytesUnderWay = 0

    /// Operations under way at once; beyond it clients are told to come again (`-BUSY`) before anything is begun.
    static let underWayLimit = 32_768
    static let bytesUnderWayLimit = 256 << 20

    /// Whether as much is under way as may be.
    @inline(__always)
    public var isOverloaded: Bool {
        writesUnderWay + confirmationsUnderWay + reads.count + forwards.count >= Self.underWayLimit
            || bytesUnderWay > Self.bytesUnderWayLimit
    }

    /// A number for an operation of any kind. 0 is never used: what answers it is not waited for.
    func newRequest() -> UInt64 {
        lastRequest += 1
        return lastRequest
    }

    /// Has what this turn gathers sent at its end.
    func needTurnEnd() {
        guard !hasTurnEnd else { return }
        hasTurnEnd = true
        loop.atTurnEnd { [self] in
            hasTurnEnd = false
            sendRound()
            sendConfirmations()
            sendHints()
        }
    }

    /// A header with this node's clock, so that no node mints below what it has heard of.
    func header(_ kind: MessageKind, _ request: UInt64) -> MessageHeader {
        MessageHeader(
            kind: kind, request: request, deadline: UInt32(Self.patience.inNanoseconds / 1_000_000),
            epoch: membership.epoch, stamp: store.minting.lastStamp)
    }

    /// The links to nodes that own something here, as positions.
    func reachable(_ places: ReplicaPlaces) -> PositionSet {
        if openNodes.count == peerCount { return PositionSet(0..<places.nodes.count) }
        var reachable = PositionSet()
        for (position, node) in places.nodes.enumerated()
        where position == places.ownPlace || transport.isOpen(to: node) {
            reachable.insert(position)
        }
        return reachable
    }

    /// Whether there is a link to a node, and it is not known not to answer.
    func answers(_ node: UInt32) -> Bool { transport.isOpen(to: node) && !avoidedNodes.contains(node) }

    func isMember(_ node: UInt32) -> Bool { node == membership.node || otherMembers.contains(node) }

    /// Of the reachable positions those whose replicas are caught up, as far as is known here; those whose nodes do not
    /// answer only if there are no others.
    ///
    /// - Parameter withStandIns: whether those that stand in for owners are among them, after all owners.
    func fit(_ places: ReplicaPlaces, slot: UInt16, keyspace: Int, withStandIns: Bool = false) -> PositionSet {
        var fit = reachable(places)
        if !withStandIns { fit = fit.intersection(places.ownerSet) }
        guard let catchUp else { return fit }
        for position in 0..<places.owners {
            let node = places.nodes[position]
            let isFit =
                position == places.own
                ? catchUp.machine.isCaughtUp(slot: slot, keyspace: keyspace)
                : catchUp.machine.isCaughtUp(node: node, slot: slot, keyspace: keyspace) ?? true
            if !isFit { fit.remove(position) }
        }
        return answering(fit, places)
    }

    /// Ends the work that nobody asked for, and all links.
    func leave() {
        sweeper?.cancel()
        (raiseEverywhere, generationRaised) = (nil, nil)
        catchUp?.stop()
        antiEntropy?.stop()
        hints?.stop()
        tombstones?.stop()
        if let detector { detector.assumeIsolated { $0.stop() } }
        detector = nil
        transport.close()
    }

    // MARK: Transport

    public func received(_ header: MessageHeader, _ payload: RawSpan, from peer: PeerSession) {
        // A frame of another epoch is of nodes that may place keys elsewhere: nothing of it is taken.
        guard header.epoch == membership.epoch || store.settings.plantedBugs.contains(.acceptsForeignEpoch) else {
            return refuse(header, peer)
        }
        store.minting.receive(header.stamp, wallMilliseconds: store.clock.wallMicroseconds / 1000)
        do throws(ByteCursor.Malformed) {
            switch header.kind {
            case .replicaWrite: try serveWrite(header, payload, peer)
            case .replicaRead: try serveRead(header, payload, peer)
            case .replicaWriteReply: try receiveWriteReply(header, payload, peer)
            case .replicaReadReply: try receiveReadReply(header, payload, peer)
            case .command: try serveCommand(header, payload, peer)
            case .commandReply: receiveCommandReply(header, payload, peer)
            case .keyPage: try serveKeyPage(header, payload, peer)
            case .keyPageReply: try receiveKeyPageReply(header, payload, peer)
            case .generationsQuery, .generationsRaise: try serveGenerations(header, payload, peer)
            case .generationsReply: try receiveGenerations(header, payload, peer)
            case .failureProbe, .failureReply, .failureIndirectProbe, .failureView:
                tellDetector(.received(peer.node, try FailureMessage(header.kind, payload)))
            case .catchUpStates: try catchUp?.receiveStates(payload, peer)
            case .catchUpPage: try catchUp?.serve(header, payload, peer)
            case .catchUpPageReply: try catchUp?.receiveReply(header, payload, peer)
            case .catchUpRecords: try serveWrite(header, payload, peer)
            case .catchUpRecordsReply: catchUp?.receiveRecordsReply(header, peer)
            case .merkleRoots, .merkleNodes, .merkleRootsReply, .merkleNodesReply, .merkleMark:
                if header.kind == .merkleRootsReply, try catchUp?.receiveRoots(header, payload, peer) == true { return }
                try antiEntropy?.receive(header, payload, peer)
            case .hintReplay: try serveWrite(header, payload, peer)
            case .hintReplayReply: try hints?.receiveReply(header, payload, peer)
            case .hintsHeld:
                catchUp?.receive(.hintsHeld(peer.node, areHeld: try HintsHeld(payload).count > 0))
            case .tombstoneCollection:
                tombstones?.receive(.received(peer.node, try CollectionMessage(payload)))
            default: return  // of a later version
            }
        } catch {
            malformed += 1
            counters.malformed.add(1, ordering: .relaxed)
        }
    }

    /// Answers what a node of another epoch asks, and takes a refusal of this epoch from it: nobody waits for nothing.
    private func refuse(_ header: MessageHeader, _ peer: PeerSession) {
        if header.kind == .replicaWriteReply || header.kind == .replicaReadReply {
            return hearForeignEpoch(header.request, of: peer.node)
        }
        guard header.kind == .replicaWrite || header.kind == .replicaRead else { return }
        let isWrite = header.kind == .replicaWrite
        _ = transport.reply(
            to: peer, self.header(isWrite ? .replicaWriteReply : .replicaReadReply, header.request)
        ) { buffer in
            if isWrite {
                ReplicaWriteReply.begin(count: 1, in: &buffer)
                ReplicaWriteReply.append(.refused(.wrongEpoch), to: &buffer)
            } else {
                ReplicaReadReply.begin(count: 1, in: &buffer)
                ReplicaReadReply.append(.refused(.wrongEpoch), to: &buffer)
            }
        }
    }

    /// Who answers from another epoch has not done what was asked in this one: it takes no frame of it. What its answer
    /// says is not even looked at.
    private func hearForeignEpoch(_ request: UInt64, of node: UInt32) {
        if let round = writes[request] {
            tell(round, sentTo: node) { .refused($0, .wrongEpoch) }
        } else if let message = hintMessages.remove(request) {
            tell(message) { .refused($0, .wrongEpoch) }
        } else if let round = confirmations[request], let target = round.targets.first(of: node) {
            giveUp(round, target.entries)
        } else if let read = reads[request], let position = read.places.position(of: node) {
            tell(read: request, .reply(position, .refused(.wrongEpoch), isFull: true))
            tell(read: request, .notWrittenBack(position))
        }
    }

    public func linkOpened(_ peer: PeerSession) {
        linkChanges[peer.node] = loop.now
        counters.openLinks.add(1, ordering: .relaxed)
        let former = incarnations.updateValue(peer.incarnation, forKey: peer.node)
        if let former, former != peer.incarnation { distrust(peer.node) }
        openNodes.insert(peer.node)
        tellDetector(.linkOpened(peer.node, incarnation: peer.incarnation))
        tellGenerations(peer.node)
        antiEntropy?.linkOpened(peer.node)
        hints?.linkOpened(peer.node)
        tombstones?.receive(.linkOpened(peer.node))
        catchUp?.receive(.linkOpened(peer.node, incarnation: peer.incarnation))
    }

    /// A node came back with other data: what it said before is no word of a replica any more, and may not be added
    /// to what others say later, after it caught up from them.
    private func distrust(_ node: UInt32) {
        writes.forEach { _, round in
            for (index, entry) in round.entries.enumerated() where entry.waiter != nil {
                guard let position = entry.places.position(of: node),
                    entry.operation.allHolders.contains(position)
                else { continue }
                tell(round, index, .deadline)
            }
        }
        giveUpReads(askedOf: node)
        reads.forEach { id, read in
            if read.answered != nil, read.places.position(of: node) != nil { tell(read: id, .deadline) }
        }
    }

    /// What was sent to the peer may have arrived or not.
    public func linkClosed(_ peer: PeerSession, _ reason: StreamError?) {
        linkChanges[peer.node] = loop.now
        counters.openLinks.subtract(1, ordering: .relaxed)
        openNodes.remove(peer.node)
        tellDetector(.linkClosed(peer.node))
        hints?.linkClosed(peer.node)
        writes.forEach { _, round in tell(round, sentTo: peer.node) { .lost($0) } }
        loseHints(sentTo: peer.node)
        lateHints = lateHints.filter { $0.value != peer.node }
        tombstones?.receive(.linkClosed(peer.node))
        giveUpReads(askedOf: peer.node)
        reads.forEach { id, read in
            guard let position = read.places.position(of: peer.node) else { return }
            tell(read: id, .lost(position))
            tell(read: id, .notWrittenBack(position))
        }
        forwards.forEach { id, forward in
            if forward.node == peer.node { finish(id, nil) }
        }
        keyPages.forEach { id, page in if page.node == peer.node { finish(page: id, .lost) } }
        generationAsks.forEach { id, ask in if ask.node == peer.node { finish(generations: id, nil) } }
        catchUp?.receive(.linkClosed(peer.node))
    }
}

/// Operations under way, by the number that their messages carry.
struct OperationTable<Operation> {
    private var operations: [UInt64: Operation] = [:]

    var count: Int { operations.count }

    mutating func add(_ operation: Operation, as id: UInt64) { operations[id] = operation }

    mutating func remove(_ id: UInt64) -> Operation? { operations.removeValue(forKey: id) }
    subscript(id: UInt64) -> Operation? { operations[id] }

    /// The number of the one that began first. O(operations).
    var oldest: UInt64? { operations.keys.min() }

    /// In the order they began.
    func forEach(_ body: (UInt64, Operation) -> Void) {
        for id in operations.keys.sorted() {
            if let operation = operations[id] { body(id, operation) }
        }
    }
}
