internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// Commands whose replies wait for other nodes while the connection goes on.
extension ClientConnection: ReplyHolder {
    /// Runs a command of one key here, or hands it to an owner of the key; false if it has to go the general way, for
    /// which the connection waits.
    func runWithoutWaiting(
        _ row: Int, _ input: RawSpan, _ call: Invocation, _ now: Int64, _ coordinator: isolated ReplicaCoordinator
    ) -> Bool {
        let use = door.table.uses[row]
        guard session.replyMode == .on, use.holds(input, call) else { return false }
        let isWrite = if case .overwrites = use { true } else { false }
        let key = input.extracting(call[1])
        guard openKeys.isEmpty || !openKeys.holdsUp(XXH3.hash(key), isWrite: isWrite) else { return false }
        let start = call.reply.buffer.count
        switch door.runHere(row, input, call, now, self, coordinator) {
        case .no:
            let hash = XXH3.hash(key)
            guard !openKeys.holdsUpForward(hash) else { return false }
            return forward(key, hash, isWrite, input, call, coordinator)
        case .answered(let commit): finish(call, from: start, commit: commit)
        case .held: if !isWrite { openKeys.addRead(XXH3.hash(key)) }
        }
        return true
    }

    /// Hands a command to an owner of its key; false if this node is one, or nobody can be reached.
    private func forward(
        _ key: RawSpan, _ hash: UInt64, _ isWrite: Bool, _ input: RawSpan, _ call: Invocation,
        _ coordinator: isolated ReplicaCoordinator
    ) -> Bool {
        let level = isWrite ? session.writeLevel : session.readLevel
        let isLocal = coordinator.isLocal(level, keyspace: session.keyspace, isWrite: isWrite)
        guard !isLocal || coordinator.hasOwnerNear(key, keyspace: session.keyspace),
            door.node.coordinators.count == 1 || door.node.worker(of: key) == door.worker,
            case .node(let node) = coordinator.place(
                of: key, keyspace: session.keyspace, isWrite: true, isNear: true),
            !coordinator.owns(key, keyspace: session.keyspace), let replication = coordinator.replication
        else { return false }
        let command = ForwardedCommand(input, call, keyspace: session.keyspace)
        let ticket = hold(call, from: call.reply.buffer.count)
        let isSent = replication.forward(command, to: node) { [self] reply in
            if let reply, !reply.isEmpty { return settle(ticket, with: reply) }
            // Not run there, or a read that no answer came to: the general way finds another.
            if reply != nil || !isWrite { return unconfirmed(command, ticket: ticket) }
            let failure = TransactionFailure(reply: "UNKNOWN the owner that coordinated the command did not answer")
            settle(ticket, with: ReplyWriter.error(failure, version: command.version))
        }
        if !isSent { unconfirmed(command, ticket: ticket) }
        openKeys.addForwarded(hash)
        return true
    }

    // MARK: Replies

    func hold(_ call: Invocation, from start: Int) -> UInt64 {
        let ticket = call.reply.buffer.withBytes(start..<call.reply.buffer.count) { held.appendOpen($0) }
        call.reply.buffer.truncate(to: start)
        return ticket
    }

    func wait(_ ticket: UInt64, for commit: UInt64) { held.wait(ticket, for: commit) }

    func answered(_ answer: WriteAnswer, ticket: UInt64) {
        settle(ticket, with: TransactionFailure(answer).map { ReplyWriter.error($0, version: session.protocolVersion) })
    }

    func confirmed(ticket: UInt64) { settle(ticket, with: nil) }

    /// The owners do not agree, or not in time: the command is run anew over what they agree on.
    func unconfirmed(_ command: ForwardedCommand, ticket: UInt64) {
        guard !isClosed else { return }
        door.runApart(command, isForwarded: false) { [self] reply in settle(ticket, with: reply) }
    }

    func settle(_ ticket: UInt64, with replacement: [UInt8]?) {
        guard !isClosed else { return }
        held.settle(ticket, with: replacement)
        settleSoon()
    }
}
