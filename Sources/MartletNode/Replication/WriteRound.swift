public import MartletCore
internal import MartletRuntime

/// Hears what became of a replicated write, once.
public protocol WriteWaiter: AnyObject {
    /// - Parameter ticket: what the waiter gave with the write.
    func answered(_ answer: WriteAnswer, ticket: UInt64)
}

/// The writes that one turn of the loop hands to other owners: one message for each of these, and one for its answer.
final class WriteRound {
    struct Entry {
        var operation: WriteOperation
        let places: ReplicaPlaces
        let keyspace: Int
        let slot: UInt16
        /// Where its key and record lie in ``WriteRound/bytes``, as messages carry them.
        let place: Range<Int>
        /// Nil once it was told.
        var waiter: (any WriteWaiter)?
        let ticket: UInt64
        /// This node's replica has taken it, with the round's commit.
        var isTakenHere: Bool
    }

    let id: UInt64
    let durability: Durability
    let begun: MonotonicTime
    var entries: [Entry] = []
    var targets: [RoundTarget] = []
    var bytes = ByteBuffer()
    /// Of what this node's replica took.
    var commit: UInt64 = 0
    var unfinished = 0
    /// Owners that are silent have had their time.
    var isHintDelayOver = false

    init(id: UInt64, durability: Durability, begun: MonotonicTime) {
        self.id = id
        self.durability = durability
        self.begun = begun
    }
}

/// An owner that is sent a round's message, and which of the round's entries that carries.
struct RoundTarget {
    let node: UInt32
    var entries: [Int] = []
}

extension [RoundTarget] {
    /// Has a node's message carry one entry more.
    mutating func add(_ entry: Int, for node: UInt32) {
        if let at = firstIndex(where: { $0.node == node }) {
            self[at].entries.append(entry)
        } else {
            append(RoundTarget(node: node, entries: [entry]))
        }
    }

    /// What a node was sent; nil if that is nothing.
    func first(of node: UInt32) -> RoundTarget? { first { $0.node == node } }
}

/// A write on its way to the owners of its key, before it is known whether enough can be reached.
public struct PlannedWrite {
    let places: ReplicaPlaces
    let keyspace: Int
    let slot: UInt16
    var operation: WriteOperation
    let step: WriteStep
}

extension Replication {
    /// Entries and bytes of a round; more go into the next, within the same turn.
    private static let roundEntries = 1024
    private static let roundBytes = 256 << 10

    /// Finds out whom a write goes to, and whether enough of them can be reached.
    func plan(
        slot: UInt16, keyspace: Int, level: ConsistencyLevel?, durability: Durability
    ) throws(ConsistencyFault) -> PlannedWrite {
        let settings = membership.keyspaces[keyspace]
        let places = ReplicaPlaces(of: slot, in: settings, node: membership.node)
        let (owners, count) = (places.owners, places.nodes.count)
        var quorum = try settings.quorum(level ?? settings.write, ofSlot: slot)
        if store.settings.plantedBugs.contains(.acknowledgesOneEarly) {
            quorum = Quorum(needed: max(1, quorum.needed - 1))
        }
        quorum = withoutSuspects(quorum, places)
        var operation = WriteOperation(
            owners: owners, count: count, quorum: quorum, durability: durability.asReplicaDurability,
            isSloppy: settings.isSloppy)
        let doubted = avoidedNodes.isEmpty ? PositionSet() : avoided(places)
        let step = operation.start(
            reachable: reachable(places), able: able(places, durability), doubted: doubted)
        return PlannedWrite(places: places, keyspace: keyspace, slot: slot, operation: operation, step: step)
    }

    /// Has the other owners merge a record that this node's replica has taken, or is about to.
    ///
    /// - Parameter commit: of this node's replica, if it has taken the record; nil if it is to merge it as well.
    func hand(
        _ record: RawSpan, storedKey: RawSpan, _ plan: PlannedWrite, durability: Durability, takenWith commit: UInt64?,
        waiter: any WriteWaiter, ticket: UInt64
    ) {
        if plan.step.isAnswered, let answer = plan.operation.answer {
            counters.count(answer)
            return waiter.answered(answer, ticket: ticket)
        }
        let round = openRound(durability)
        let start = round.bytes.count
        ReplicaWrite.append(key: storedKey, record: record, to: &round.bytes)
        let index = round.entries.count
        round.entries.append(
            WriteRound.Entry(
                operation: plan.operation, places: plan.places, keyspace: plan.keyspace, slot: plan.slot,
                place: start..<round.bytes.count, waiter: waiter, ticket: ticket, isTakenHere: commit != nil))
        round.unfinished += 1
        writesUnderWay += 1
        for position in plan.step.send where position != plan.places.own {
            if position < plan.places.owners {
                round.targets.add(index, for: plan.places.nodes[position])
            } else {
                standIn(position, round, index)
            }
        }
        if let commit {
            round.commit = max(round.commit, commit)
            catchUp?.willWrite()
        } else if let own = plan.places.own, plan.step.send.contains(own) {
            mergeHere(record.array, storedKey.array, round, index, own)
        }
        if round.entries.count >= Self.roundEntries || round.bytes.count >= Self.roundBytes { sendRound() }
    }

    /// Positions of nodes that are said not to answer.
    private func avoided(_ places: ReplicaPlaces) -> PositionSet {
        var avoided = PositionSet()
        for (position, node) in places.nodes.enumerated() where avoidedNodes.contains(node) { avoided.insert(position) }
        return avoided
    }

    private func openRound(_ durability: Durability) -> WriteRound {
        if let openWrites, openWrites.durability == durability { return openWrites }
        sendRound()
        let round = WriteRound(id: newRequest(), durability: durability, begun: loop.now)
        openWrites = round
        needTurnEnd()
        return round
    }

    private func mergeHere(_ record: [UInt8], _ storedKey: [UInt8], _ round: WriteRound, _ index: Int, _ own: Int) {
        whenResident([storedKey]) { [self] in
            var commit: UInt64 = 0
            let durability = max(round.durability, ownDurability)
            let outcome = withBytes(of: storedKey) { key in
                withBytes(of: record) { merge($0, key, durability, commit: &commit) }
            }
            // Others may hold what was not taken here: were its dot minted once more, one of the two would be lost.
            if case .acknowledged = outcome {} else { store.minting.giveUpBirths() }
            store.whenDone(commit) { [self] error in
                let outcome = error.map { ReplicaWriteReply.Outcome($0) } ?? outcome
                tell(round, index, outcome.event(at: own))
            }
        }
    }

    /// Sends what this turn has gathered.
    func sendRound() {
        guard let round = openWrites else { return }
        openWrites = nil
        if round.unfinished > 0 {
            writes.add(round, as: round.id)
            bytesUnderWay += round.bytes.count
            startSweeping()
        }
        for target in round.targets { send(round, target) }
        store.whenDone(round.commit) { [self] error in
            for index in round.entries.indices where round.entries[index].isTakenHere {
                guard let own = round.entries[index].places.own else { continue }
                let durability = round.durability.asReplicaDurability
                let failure = error.map { ReplicaWriteReply.Outcome($0).event(at: own) }
                tell(round, index, failure ?? .acknowledged(own, durability))
            }
        }
    }

    private func send(_ round: WriteRound, _ target: RoundTarget) {
        let isSent = transport.send(to: target.node, header(.replicaWrite, round.id)) { buffer in
            ReplicaWrite.begin(
                .owner, durability: round.durability.asReplicaDurability, count: target.entries.count, in: &buffer)
            round.bytes.withBytes { bytes in
                // Owners of all that the round has need no picking.
                if target.entries.count == round.entries.count { return buffer.append(bytes) }
                for index in target.entries { buffer.append(bytes.extracting(round.entries[index].place)) }
            }
        }
        guard !isSent else { return }
        for index in target.entries {
            if let position = round.entries[index].places.position(of: target.node) {
                tell(round, index, .notSent(position))
            }
        }
    }

    // MARK: What comes back

    func tell(_ round: WriteRound, _ index: Int, _ event: WriteEvent) {
        perform(round.entries[index].operation.receive(event), round, index)
    }

    private func perform(_ step: WriteStep, _ round: WriteRound, _ index: Int) {
        if step.isAnswered, let answer = round.entries[index].operation.answer {
            let (waiter, ticket) = (round.entries[index].waiter, round.entries[index].ticket)
            round.entries[index].waiter = nil
            writesUnderWay -= 1
            if waiter != nil { counters.count(answer) }
            waiter?.answered(answer, ticket: ticket)
        }
        for position in step.send { standIn(position, round, index) }
        if !step.keepHints.isEmpty { keepHints(for: step.keepHints, round, index) }
        guard step.isFinished else { return }
        if !step.owed.isEmpty { noteOwed(round, index, step.owed) }
        round.unfinished -= 1
        if round.unfinished == 0, openWrites !== round { forget(round) }
    }

    private func forget(_ round: WriteRound) {
        if writes.remove(round.id) != nil { bytesUnderWay -= round.bytes.count }
    }

    private func noteOwed(_ round: WriteRound, _ index: Int, _ positions: PositionSet) {
        let entry = round.entries[index]
        // Who owns no replica has nothing that could be compared.
        guard entry.places.own != nil else { return keepHints(for: positions, round, index) }
        for position in positions where position != entry.places.own {
            antiEntropy?.mark(entry.places.nodes[position], keyspace: entry.keyspace, slot: entry.slot)
        }
    }

    /// Tells the entries that a node was sent.
    func tell(_ round: WriteRound, sentTo node: UInt32, _ event: (Int) -> WriteEvent) {
        guard let target = round.targets.first(of: node) else { return }
        for index in target.entries {
            if let position = round.entries[index].places.position(of: node) { tell(round, index, event(position)) }
        }
    }

    func receiveWriteReply(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let reply = try ReplicaWriteReply(payload)
        if !lateHints.isEmpty, lateHints.removeValue(forKey: header.request) != nil { return }
        var outcomes = reply.outcomes()
        if let round = writes[header.request] {
            guard let target = round.targets.first(of: peer.node), target.entries.count == reply.count else {
                throw ByteCursor.Malformed()
            }
            let now = loop.now
            let took = now.since(round.begun)
            latencies.noteWrites(reply.count, of: peer.node, took: took)
            hints?.noteForeground(took, at: now)
            for index in target.entries {
                guard let outcome = try outcomes.next(of: payload) else { return }
                if let position = round.entries[index].places.position(of: peer.node) {
                    tell(round, index, outcome.event(at: position))
                }
            }
        } else if let message = hintMessages.remove(header.request) {
            guard message.holder == peer.node, message.entries.count == reply.count else {
                throw ByteCursor.Malformed()
            }
            for index in message.entries {
                guard let outcome = try outcomes.next(of: payload) else { return }
                if let position = message.round.entries[index].places.position(of: peer.node) {
                    tell(message.round, index, outcome.event(at: position))
                }
            }
        } else if let read = reads[header.request], let position = read.places.position(of: peer.node) {
            guard let outcome = try outcomes.next(of: payload) else { return }
            let isDone = if case .acknowledged = outcome { true } else { false }
            tell(read: header.request, isDone ? .wroteBack(position) : .notWrittenBack(position))
        }
    }

    // MARK: Time

    /// Looks now and then for rounds whose time is up: a timer for each would cost more than they do.
    func startSweeping() {
        guard sweeper == nil else { return }
        sweeper = loop.schedule(after: speculation.delay) { [weak self] in self?.sweep() }
    }

    private func sweep() {
        sweeper = nil
        let now = loop.now
        writes.forEach { _, round in
            let age = now.since(round.begun)
            if age >= Self.hintDelay, !round.isHintDelayOver { endHintDelay(round) }
            guard age >= Self.patience else { return }
            for index in round.entries.indices { tell(round, index, .deadline) }
        }
        hintMessages.forEach { id, message in
            guard now.since(message.begun) >= Self.patience else { return }
            _ = hintMessages.remove(id)
            lateHints[id] = message.holder
        }
        sweepReads(now)
        if writes.count > 0 || confirmations.count > 0 || hintMessages.count > 0 { startSweeping() }
    }
}

/// Waits for one write by a closure.
final class WriteClosure: WriteWaiter {
    private let body: (WriteAnswer) -> Void

    init(_ body: @escaping (WriteAnswer) -> Void) { self.body = body }

    func answered(_ answer: WriteAnswer, ticket: UInt64) { body(answer) }
}
