internal import MartletCore
internal import MartletRuntime

/// A write on its way to the owners of its key.
final class WriteInFlight {
    var operation: WriteOperation
    let places: ReplicaPlaces
    let storedKey: [UInt8]
    let record: [UInt8]
    let durability: Durability
    var deadline: (any LoopTimer)?
    /// Hears the answer, once.
    var answered: ((WriteAnswer) -> Void)?

    init(
        _ operation: WriteOperation, _ places: ReplicaPlaces, storedKey: [UInt8], record: [UInt8],
        durability: Durability, answered: @escaping (WriteAnswer) -> Void
    ) {
        self.operation = operation
        self.places = places
        self.storedKey = storedKey
        self.record = record
        self.durability = durability
        self.answered = answered
    }
}

extension Replication {
    /// Has the owners of a key merge a record; `answered` hears what is known once that is enough, or too late.
    func write(
        _ record: [UInt8], storedKey: [UInt8], in keyspace: Int, level: ConsistencyLevel?, durability: Durability,
        answered: @escaping (WriteAnswer) -> Void
    ) throws(ConsistencyFault) {
        let settings = membership.keyspaces[keyspace]
        let places = ReplicaPlaces(ofStored: storedKey, in: settings, node: membership.node)
        let quorum = try Quorum(
            level ?? settings.write, in: ReplicaPlacement(owners: places.nodes.count, count: places.nodes.count))
        var operation = WriteOperation(
            owners: places.nodes.count, count: places.nodes.count, quorum: quorum,
            durability: durability.asReplicaDurability, isSloppy: false)
        let step = operation.start(reachable: reachable(places))
        let write = WriteInFlight(
            operation, places, storedKey: storedKey, record: record, durability: durability, answered: answered)
        let id = newRequest()
        writes.add(write, as: id)
        if !step.isFinished {
            write.deadline = loop.schedule(after: Self.patience) { [self] in tell(write: id, .deadline) }
        }
        perform(step, write, id)
    }

    func tell(write id: UInt64, _ event: WriteEvent) {
        guard let write = writes[id] else { return }
        perform(write.operation.receive(event), write, id)
    }

    private func perform(_ step: WriteStep, _ write: WriteInFlight, _ id: UInt64) {
        if step.isAnswered, let answer = write.operation.answer, let answered = write.answered {
            write.answered = nil
            answered(answer)
        }
        if step.isFinished {
            write.deadline?.cancel()
            _ = writes.remove(id)
            if !step.owed.isEmpty { noteOwed(write, step.owed) }
        }
        for position in step.send { send(write, to: position, id) }
    }

    private func noteOwed(_ write: WriteInFlight, _ positions: PositionSet) {
        let slot = withBytes(of: write.storedKey) { $0.bigEndian(9, as: UInt16.self) }
        guard let keyspace = withBytes(of: write.storedKey, { store.keyspace(ofStored: $0) }) else { return }
        for position in positions where position != write.places.own {
            catchUp?.receive(.owed(write.places.nodes[position], keyspace: keyspace, slot: slot))
        }
    }

    private func send(_ write: WriteInFlight, to position: Int, _ id: UInt64) {
        if position == write.places.own { return writeHere(write, position, id) }
        let isSent = transport.send(to: write.places.nodes[position], header(.replicaWrite, id)) { buffer in
            ReplicaWrite.begin(.owner, durability: write.durability.asReplicaDurability, count: 1, in: &buffer)
            withBytes(of: write.storedKey) { key in
                withBytes(of: write.record) { ReplicaWrite.append(key: key, record: $0, to: &buffer) }
            }
        }
        if !isSent { tell(write: id, .notSent(position)) }
    }

    private func writeHere(_ write: WriteInFlight, _ position: Int, _ id: UInt64) {
        whenResident([write.storedKey]) { [self] in
            var commit: UInt64 = 0
            let outcome = withBytes(of: write.storedKey) { key in
                withBytes(of: write.record) { merge($0, key, write.durability, commit: &commit) }
            }
            whenDone(commit) { [self] error in
                tell(write: id, error == nil ? outcome.event(at: position) : .refused(position, .closed))
            }
        }
    }

    func receiveWriteReply(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let reply = try ReplicaWriteReply(payload)
        var outcomes = reply.outcomes()
        guard let outcome = try outcomes.next(of: payload) else { return }
        if let write = writes[header.request], let position = write.places.position(of: peer.node) {
            tell(write: header.request, outcome.event(at: position))
        } else if let read = reads[header.request], let position = read.places.position(of: peer.node) {
            let isDone = if case .acknowledged = outcome { true } else { false }
            tell(read: header.request, isDone ? .wroteBack(position) : .notWrittenBack(position))
        }
    }
}
