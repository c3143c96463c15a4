internal import MartletCore
internal import MartletRuntime

/// A read on its way to the owners of its key.
final class ReadInFlight {
    var operation: ReadOperation
    let places: ReplicaPlaces
    let storedKey: [UInt8]
    let policy: ConflictPolicy
    let begun: MonotonicTime
    /// By position, the records that came.
    var records: [[UInt8]?]
    /// Of several that differed.
    var merged: [UInt8]?
    var deadline: (any LoopTimer)?
    var speculation: (any LoopTimer)?
    /// Hears the answer, once; ``source`` is the record if there is one.
    var answered: ((ReadAnswer, ReadInFlight) -> Void)?

    init(
        _ operation: ReadOperation, _ places: ReplicaPlaces, storedKey: [UInt8], policy: ConflictPolicy,
        begun: MonotonicTime, answered: @escaping (ReadAnswer, ReadInFlight) -> Void
    ) {
        self.operation = operation
        self.places = places
        self.storedKey = storedKey
        self.policy = policy
        self.begun = begun
        self.answered = answered
        records = Array(repeating: nil, count: places.nodes.count)
    }

    /// Whether this node's own record is damaged.
    var isOwnDamaged: Bool { places.own.map { operation.damaged.contains($0) } ?? false }

    /// The record that is answered, written back and repaired with.
    var source: [UInt8]? {
        switch operation.source {
        case .notFound: nil
        case .replica(let position): records[position]
        case .merged: merged
        }
    }
}

extension Replication {
    /// Asks the owners of a key what they hold; `answered` hears it once enough agree or have been brought to.
    func read(
        storedKey: [UInt8], in keyspace: Int, level: ConsistencyLevel?,
        answered: @escaping (ReadAnswer, ReadInFlight) -> Void
    ) throws(ConsistencyFault) {
        let settings = membership.keyspaces[keyspace]
        let slot = withBytes(of: storedKey) { $0.bigEndian(9, as: UInt16.self) }
        var quorum = try settings.quorum(level ?? settings.read, ofSlot: slot)
        if !avoidedNodes.isEmpty {
            let places = ReplicaPlaces(of: slot, in: settings, node: membership.node)
            quorum = withoutSuspects(quorum, places)
        }
        read(storedKey: storedKey, in: keyspace, quorum: quorum, answered: answered)
    }

    /// As ``read(storedKey:in:level:answered:)``.
    ///
    /// - Parameter positions: the owners that are asked; nil for all, and in sloppy keyspaces those that stand in.
    func read(
        storedKey: [UInt8], in keyspace: Int, quorum: Quorum, among positions: PositionSet? = nil,
        answered: @escaping (ReadAnswer, ReadInFlight) -> Void
    ) {
        let settings = membership.keyspaces[keyspace]
        let places = ReplicaPlaces(ofStored: storedKey, in: settings, node: membership.node)
        var operation = ReadOperation(
            owners: places.owners, count: places.nodes.count, quorum: quorum,
            isSloppy: settings.isSloppy && positions == nil,
            writesBack: !store.settings.plantedBugs.contains(.skipsWriteBack))
        let slot = withBytes(of: storedKey) { $0.bigEndian(9, as: UInt16.self) }
        let isOwnFit = catchUp?.machine.isCaughtUp(slot: slot, keyspace: keyspace) != false
        var reachable = reachable(places)
        if let positions {
            reachable = reachable.intersection(positions)
        } else if settings.isSloppy, !avoidedNodes.isEmpty {
            // Too few owners answer: others fill in at once.
            let answering = answering(reachable, places)
            if !quorum.isMet(by: answering.intersection(places.ownerSet)) { reachable = answering }
        }
        var preferred = avoidedNodes.isEmpty ? PositionSet() : answering(reachable, places)
        if settings.hasCenters {
            let near = settings.near(ofSlot: slot)
            preferred = avoidedNodes.isEmpty ? near : preferred.intersection(near)
        }
        if let own = places.own { if isOwnFit { preferred.insert(own) } else { preferred.remove(own) } }
        let step = operation.start(reachable: reachable, preferring: preferred)
        let read = ReadInFlight(
            operation, places, storedKey: storedKey, policy: settings.policy, begun: loop.now, answered: answered)
        let id = newRequest()
        reads.add(read, as: id)
        if !step.isFinished {
            read.deadline = loop.schedule(after: Self.patience) { [self] in tell(read: id, .deadline) }
            read.speculation = loop.schedule(after: speculation.delay) { [self] in speculate(id) }
        }
        perform(step, read, id)
    }

    private func speculate(_ id: UInt64) {
        tell(read: id, .speculate)
        guard let read = reads[id], read.answered != nil, read.operation.isSloppy,
            read.operation.count > read.operation.owners
        else { return }
        read.speculation = loop.schedule(after: Self.hintDelay) { [self] in tell(read: id, .fallbackDelay) }
    }

    func tell(read id: UInt64, _ event: ReadEvent) {
        guard let read = reads[id] else { return }
        perform(read.operation.receive(event), read, id)
    }

    private func perform(_ step: ReadStep, _ read: ReadInFlight, _ id: UInt64) {
        if step.isAnswered, let answer = read.operation.answer, let answered = read.answered {
            read.answered = nil
            counters.count(answer)
            answered(answer, read)
        }
        if step.isFinished {
            read.deadline?.cancel()
            read.speculation?.cancel()
            _ = reads.remove(id)
        }
        for position in step.readData { ask(read, position, isDigestOnly: false, id) }
        for position in step.readDigest { ask(read, position, isDigestOnly: true, id) }
        switch step.action {
        case .none: break
        case .merge: merge(read, step.positions, id)
        case .writeBack: for position in step.positions { bringUp(read, position, id) }
        case .repair where store.settings.plantedBugs.contains(.skipsWriteBack): break
        case .repair: for position in step.positions { bringUp(read, position, 0) }
        }
    }

    private func ask(_ read: ReadInFlight, _ position: Int, isDigestOnly: Bool, _ id: UInt64) {
        guard position != read.places.ownPlace else {
            return answerWhenSafe(read.storedKey) { [self] reply, record in
                read.records[position] = record
                tell(read: id, .reply(position, reply, isFull: true))
            }
        }
        let isSent = transport.send(to: read.places.nodes[position], header(.replicaRead, id)) { buffer in
            ReplicaRead.begin(isDigestOnly: isDigestOnly, count: 1, in: &buffer)
            withBytes(of: read.storedKey) { ReplicaRead.append(key: $0, to: &buffer) }
        }
        if !isSent { tell(read: id, .notSent(position)) }
    }

    func receiveReadReply(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let reply = try ReplicaReadReply(payload)
        if let round = confirmations[header.request] { return try receiveConfirmation(round, reply, payload, peer) }
        var entries = reply.entries()
        guard let entry = try entries.next(of: payload), let read = reads[header.request],
            let position = read.places.position(of: peer.node)
        else { return }
        noteReads(1, of: peer, since: read.begun)
        var isFull = true
        if case .version(.found) = entry.reply {
            isFull = entry.record != nil
            if let place = entry.record {
                let record = payload.extracting(place)
                let isSound = withBytes(of: read.storedKey) {
                    (try? RecordValidator.validate(record, storedKey: $0)) != nil
                }
                guard isSound else { return tell(read: header.request, .reply(position, .damaged, isFull: true)) }
                read.records[position] = record.array
            }
        }
        tell(read: header.request, .reply(position, entry.reply, isFull: isFull))
    }

    /// Merges the records of positions, which differ.
    private func merge(_ read: ReadInFlight, _ positions: PositionSet, _ id: UInt64) {
        var merged: [UInt8]?
        var isSound = true
        withBytes(of: read.storedKey) { key in
            for position in positions {
                guard let record = read.records[position] else { continue }
                guard let former = merged else {
                    merged = record
                    continue
                }
                var buffer = ByteBuffer()
                let outcome = withBytes(of: former) { former in
                    withBytes(of: record) { record in
                        try? RecordMerge.merge(
                            local: former, remote: record, storedKey: key, policy: read.policy, into: &buffer)
                    }
                }
                switch outcome {
                case .local: break
                case .remote: merged = record
                case .merged: merged = buffer.copy()
                case nil: isSound = false
                }
            }
        }
        read.merged = merged
        guard isSound, let merged, let digest = digest(of: merged, read.storedKey) else {
            return tell(read: id, .deadline)  // validated records merge: this is no answer at all
        }
        tell(read: id, .merged(digest: digest))
    }

    private func digest(of record: [UInt8], _ storedKey: [UInt8]) -> UInt64? {
        withBytes(of: storedKey) { key in withBytes(of: record) { try? store.digest(of: $0, storedKey: key) } }
    }

    /// Has an owner merge what is answered; its acknowledgement is waited for if `id` is not 0.
    private func bringUp(_ read: ReadInFlight, _ position: Int, _ id: UInt64) {
        guard let record = read.source else { return }
        if store.settings.plantedBugs.contains(.repairsFallbacks) { repairFallback(read, record) }
        counters.countUpdate(isRepair: id == 0)
        if position == read.places.own {
            return whenResident([read.storedKey]) { [self] in
                var commit: UInt64 = 0
                let outcome = withBytes(of: read.storedKey) { key in
                    withBytes(of: record) { merge($0, key, ownDurability, commit: &commit) }
                }
                store.whenDone(commit) { [self] error in
                    let isDone = if case .acknowledged = outcome { error == nil } else { false }
                    tell(read: id, isDone ? .wroteBack(position) : .notWrittenBack(position))
                }
            }
        }
        let isSent = transport.send(to: read.places.nodes[position], header(.replicaWrite, id)) { buffer in
            ReplicaWrite.begin(.repair, durability: .none, count: 1, in: &buffer)
            withBytes(of: read.storedKey) { key in
                withBytes(of: record) { ReplicaWrite.append(key: key, record: $0, to: &buffer) }
            }
        }
        if !isSent { tell(read: id, .notWrittenBack(position)) }
    }

    /// The planted bug: a node that does not own the key is given what owners are brought up to date with.
    private func repairFallback(_ read: ReadInFlight, _ record: [UInt8]) {
        guard let keyspace = withBytes(of: read.storedKey, { store.keyspace(ofStored: $0) }) else { return }
        let ring = membership.keyspaces[keyspace].ring
        let slot = withBytes(of: read.storedKey) { $0.bigEndian(9, as: UInt16.self) }
        guard let fallback = ring.fallbacks(ofPartition: ring.partition(ofSlot: slot)).first else { return }
        _ = transport.send(to: ring.members[fallback].id, header(.replicaWrite, 0)) { buffer in
            ReplicaWrite.begin(.repair, durability: .none, count: 1, in: &buffer)
            withBytes(of: read.storedKey) { key in
                withBytes(of: record) { ReplicaWrite.append(key: key, record: $0, to: &buffer) }
            }
        }
    }
}
