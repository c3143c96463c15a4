internal import MartletCore
internal import MartletRuntime

/// Writes of a round that go to one node in the place of one owner.
final class HintMessage {
    let id: UInt64
    /// Who is to keep the hints.
    let holder: UInt32
    let owner: UInt32
    let round: WriteRound
    let begun: MonotonicTime
    /// Of the round.
    var entries: [Int] = []

    init(id: UInt64, holder: UInt32, owner: UInt32, round: WriteRound, begun: MonotonicTime) {
        self.id = id
        self.holder = holder
        self.owner = owner
        self.round = round
        self.begun = begun
    }
}

/// Standing in for owners that a write does not reach.
extension Replication {
    /// How long an owner may be silent until another node stands in for it, unless the failure detector knows better.
    static let hintDelay = Duration.milliseconds(250)

    /// What the planted bug makes of a quorum.
    @inline(__always)
    func withoutSuspects(_ quorum: Quorum, _ places: ReplicaPlaces) -> Quorum {
        guard !avoidedNodes.isEmpty, store.settings.plantedBugs.contains(.removesSuspects) else { return quorum }
        let suspects = places.nodes.prefix(places.owners).count { avoidedNodes.contains($0) }
        return Quorum(needed: max(1, quorum.needed - suspects))
    }

    /// Has the node at a position of the walk keep a write for the owner that it stands in for.
    func standIn(_ position: Int, _ round: WriteRound, _ index: Int) {
        let entry = round.entries[index]
        guard let place = entry.operation.owner(ofHintAt: position) else { return }
        let (holder, owner) = (entry.places.nodes[position], entry.places.nodes[place])
        guard position != entry.places.ownPlace else { return keepHere(for: owner, position, round, index) }
        if let open = openHints.first(where: { $0.holder == holder && $0.owner == owner && $0.round === round }) {
            return open.entries.append(index)
        }
        let message = HintMessage(id: newRequest(), holder: holder, owner: owner, round: round, begun: loop.now)
        message.entries.append(index)
        openHints.append(message)
        needTurnEnd()
    }

    /// This node stands in for an owner itself.
    private func keepHere(for owner: UInt32, _ position: Int, _ round: WriteRound, _ index: Int) {
        guard let hints else { return tell(round, index, .notSent(position)) }
        hints.take([round.hintedWrite(index)], for: owner, durability: round.durability) { [self] outcomes in
            tell(round, index, outcomes[0].event(at: position))
        }
    }

    /// Nobody is left to stand in: this node keeps the write for owners, which counts for nothing.
    func keepHints(for positions: PositionSet, _ round: WriteRound, _ index: Int) {
        let entry = round.entries[index]
        for position in positions where position != entry.places.own {
            let owner = entry.places.nodes[position]
            guard let hints, entry.operation.isSloppy else {
                compareSoon(keyspace: entry.keyspace, slot: entry.slot, missingAt: owner)
                continue
            }
            hints.take([round.hintedWrite(index)], for: owner, durability: .none) { [self] outcomes in
                if case .acknowledged = outcomes[0] { return }
                compareSoon(keyspace: entry.keyspace, slot: entry.slot, missingAt: owner)
            }
        }
    }

    /// Sends the hints that this turn has gathered.
    func sendHints() {
        while !openHints.isEmpty {
            let messages = openHints
            openHints = []
            for message in messages { send(message) }
        }
    }

    private func send(_ message: HintMessage) {
        let round = message.round
        let isSent = transport.send(to: message.holder, header(.replicaWrite, message.id)) { buffer in
            ReplicaWrite.begin(
                .hint(node: message.owner), durability: round.durability.asReplicaDurability,
                count: message.entries.count, in: &buffer)
            round.bytes.withBytes { bytes in
                for index in message.entries { buffer.append(bytes.extracting(round.entries[index].place)) }
            }
        }
        if isSent {
            hintMessages.add(message, as: message.id)
            startSweeping()
        } else {
            tell(message) { .notSent($0) }
        }
    }

    func tell(_ message: HintMessage, _ event: (Int) -> WriteEvent) {
        for index in message.entries {
            if let position = message.round.entries[index].places.position(of: message.holder) {
                tell(message.round, index, event(position))
            }
        }
    }

    /// What was sent to a node may be kept there or not.
    func loseHints(sentTo node: UInt32) {
        hintMessages.forEach { id, message in
            guard message.holder == node else { return }
            _ = hintMessages.remove(id)
            tell(message) { .lost($0) }
        }
    }

    /// Owners that are silent get a stand-in; where nobody could be one, it is left to the comparison of replicas.
    func endHintDelay(_ round: WriteRound) {
        round.isHintDelayOver = true
        for index in round.entries.indices {
            let operation = round.entries[index].operation
            if operation.isSloppy, operation.count > operation.owners { tell(round, index, .hintDelay) }
        }
    }
}

extension WriteRound {
    /// An entry's key and record.
    fileprivate func hintedWrite(_ index: Int) -> HintedWrite {
        bytes.withBytes(entries[index].place) { bytes in
            var cursor = ByteCursor()
            func field() -> [UInt8] {
                guard let length = try? cursor.varint(of: bytes),
                    let place = try? cursor.take(Int(length), of: bytes)
                else { preconditionFailure("a write of ours cannot be read") }
                return bytes.extracting(place).array
            }
            return HintedWrite(key: field(), record: field())
        }
    }
}
