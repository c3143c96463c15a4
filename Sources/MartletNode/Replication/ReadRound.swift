internal import MartletCore
internal import MartletRuntime

/// Hears whether other owners hold what this node's replica answered with.
public protocol ReadWaiter: AnyObject {
    /// As many owners as the level needs hold the same.
    func confirmed(ticket: UInt64)
    /// They do not, or do not say: the command has to be run anew, over what all of them hold.
    func unconfirmed(_ command: ForwardedCommand, ticket: UInt64)
}

/// The reads of one turn that this node's replica has answered, and for which other owners are asked for a digest.
final class ReadRound {
    struct Entry {
        let places: ReplicaPlaces
        /// Of the record here; nil if there is none.
        let digest: UInt64?
        /// Owners whose word is still needed.
        var missing: Int
        /// Where the stored key lies in ``ReadRound/bytes``, as messages carry it, and the command, encoded.
        let key: Range<Int>
        let command: Range<Int>
        /// Nil once it was told.
        var waiter: (any ReadWaiter)?
        let ticket: UInt64
    }

    let id: UInt64
    let begun: MonotonicTime
    var entries: [Entry] = []
    var targets: [RoundTarget] = []
    var bytes = ByteBuffer()
    var open = 0

    init(id: UInt64, begun: MonotonicTime) {
        self.id = id
        self.begun = begun
    }
}

/// A read that this node's replica answers and others confirm.
public struct PlannedRead {
    let places: ReplicaPlaces
    let keyspace: Int
    /// Positions that are asked for a digest; none where this replica's word is enough.
    let asked: PositionSet

    public var isAnsweredHere: Bool { asked.isEmpty }
}

extension Replication {
    private static let roundEntries = 1024

    /// How a read is answered by this node's replica; nil if it has to go the general way.
    func plan(readOf slot: UInt16, keyspace: Int, level: ConsistencyLevel?) -> PlannedRead? {
        let settings = membership.keyspaces[keyspace]
        let places = ReplicaPlaces(of: slot, in: settings, node: membership.node)
        guard let own = places.own, catchUp?.machine.isCaughtUp(slot: slot, keyspace: keyspace) != false,
            let whole = try? settings.quorum(level ?? settings.read, ofSlot: slot), whole.others == nil
        else { return nil }
        let quorum = withoutSuspects(whole, places)
        var asked = PositionSet()
        var left = quorum.needed - 1
        guard left > 0 else { return PlannedRead(places: places, keyspace: keyspace, asked: asked) }
        let reachable = reachable(places).intersection(quorum.first.scope).intersection(places.ownerSet)
        // Those that answer first, and of them the near ones; the others if they are needed.
        let answering = avoidedNodes.isEmpty ? reachable : answering(reachable, places)
        let near = settings.hasCenters ? answering.intersection(settings.near(ofSlot: slot)) : answering
        func ask(_ candidates: PositionSet) {
            for step in 1..<max(2, places.owners) where left > 0 {
                let position = (own + step) % places.owners
                guard candidates.contains(position), position != own, !asked.contains(position) else { continue }
                asked.insert(position)
                left -= 1
            }
        }
        // Of equals one that this turn asks anyway: it is no message more, to send or to wake up for.
        let gathered = gatheredReaders(places)
        for candidates in [near, answering.subtracting(near)] {
            ask(candidates.intersection(gathered))
            ask(candidates)
        }
        ask(reachable.subtracting(answering))
        return left > 0 ? nil : PlannedRead(places: places, keyspace: keyspace, asked: asked)
    }

    /// Positions whose nodes this turn's reads ask already.
    private func gatheredReaders(_ places: ReplicaPlaces) -> PositionSet {
        var gathered = PositionSet()
        guard let round = openConfirmations else { return gathered }
        for position in 0..<places.owners where round.targets.contains(where: { $0.node == places.nodes[position] }) {
            gathered.insert(position)
        }
        return gathered
    }

    /// Asks other owners whether they hold what this node's replica does under a key.
    ///
    /// - Parameter encode: appends the command, to be run anew if they do not.
    func confirm(
        _ plan: PlannedRead, storedKey: RawSpan, digest: UInt64?, waiter: any ReadWaiter, ticket: UInt64,
        _ encode: (inout ByteBuffer) -> Void
    ) {
        let round = openConfirmations ?? ReadRound(id: newRequest(), begun: loop.now)
        if openConfirmations == nil {
            openConfirmations = round
            needTurnEnd()
        }
        let start = round.bytes.count
        ReplicaRead.append(key: storedKey, to: &round.bytes)
        let middle = round.bytes.count
        encode(&round.bytes)
        let index = round.entries.count
        round.entries.append(
            ReadRound.Entry(
                places: plan.places, digest: digest, missing: plan.asked.count, key: start..<middle,
                command: middle..<round.bytes.count, waiter: waiter, ticket: ticket))
        round.open += 1
        confirmationsUnderWay += 1
        for position in plan.asked {
            round.targets.add(index, for: plan.places.nodes[position])
        }
        if round.entries.count >= Self.roundEntries { sendConfirmations() }
    }

    func sendConfirmations() {
        guard let round = openConfirmations else { return }
        // Peers see this turn's writes first, as this node's replica did.
        sendRound()
        openConfirmations = nil
        confirmations.add(round, as: round.id)
        startSweeping()
        for target in round.targets {
            let isSent = transport.send(to: target.node, header(.replicaRead, round.id)) { buffer in
                ReplicaRead.begin(isDigestOnly: true, count: target.entries.count, in: &buffer)
                round.bytes.withBytes { bytes in
                    for index in target.entries { buffer.append(bytes.extracting(round.entries[index].key)) }
                }
            }
            if !isSent { giveUp(round, target.entries) }
        }
    }

    func receiveConfirmation(
        _ round: ReadRound, _ reply: ReplicaReadReply, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        guard let target = round.targets.first(of: peer.node), target.entries.count == reply.count else {
            throw ByteCursor.Malformed()
        }
        noteReads(reply.count, of: peer, since: round.begun)
        var entries = reply.entries()
        for index in target.entries {
            guard let entry = try entries.next(of: payload) else { return }
            let isSame =
                switch entry.reply {
                case .version(.notFound): round.entries[index].digest == nil
                case .version(.found(let digest)): round.entries[index].digest == digest
                default: false
                }
            guard isSame else {
                giveUp(round, [index])
                continue
            }
            round.entries[index].missing -= 1
            if round.entries[index].missing == 0, let waiter = end(round, index) {
                counters.countRead()
                waiter.confirmed(ticket: round.entries[index].ticket)
            }
        }
    }

    /// Takes an entry out of its round; who waits for it, if nobody told them yet.
    private func end(_ round: ReadRound, _ index: Int) -> (any ReadWaiter)? {
        guard let waiter = round.entries[index].waiter else { return nil }
        round.entries[index].waiter = nil
        round.open -= 1
        confirmationsUnderWay -= 1
        if round.open == 0 { _ = confirmations.remove(round.id) }
        return waiter
    }

    func giveUp(_ round: ReadRound, _ entries: some Sequence<Int>) {
        for index in entries {
            guard let waiter = end(round, index) else { continue }
            let command = round.bytes.withBytes(round.entries[index].command) { try? ForwardedCommand($0) }
            guard let command else { preconditionFailure("a command of ours cannot be read") }
            waiter.unconfirmed(command, ticket: round.entries[index].ticket)
        }
    }

    /// Gives up what a node was asked and has not answered, or whose answer is not to be trusted any more.
    func giveUpReads(askedOf node: UInt32) {
        confirmations.forEach { _, round in
            if let target = round.targets.first(of: node) { giveUp(round, target.entries) }
        }
    }

    func noteReads(_ count: Int, of peer: PeerSession, since begun: MonotonicTime) {
        let now = loop.now
        latencies.noteReads(count, of: peer.node, took: now.since(begun))
        speculation.note(now.since(begun), at: now)
        hints?.noteForeground(now.since(begun), at: now)
    }

    /// Reads that an owner leaves unanswered for too long ask the others as well.
    func sweepReads(_ now: MonotonicTime) {
        confirmations.forEach { _, round in
            guard now.since(round.begun) >= speculation.delay else { return }
            giveUp(round, round.entries.indices)
        }
    }
}
