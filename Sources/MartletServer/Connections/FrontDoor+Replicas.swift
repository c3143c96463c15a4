internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// Who keeps a command's reply until the owners of its key have given their word.
protocol ReplyHolder: WriteWaiter, ReadWaiter {
    /// Takes the reply that begins at `start` and keeps it; the ticket that it is settled by.
    func hold(_ call: Invocation, from start: Int) -> UInt64
    /// The reply is not given before the commit is done.
    func wait(_ ticket: UInt64, for commit: UInt64)
    /// The owners have given their word; `replacement` takes the reply's place.
    func settle(_ ticket: UInt64, with replacement: [UInt8]?)
}

/// Commands of one key that this node's replica runs at once, before other owners have given their word.
extension FrontDoor {
    enum RunHere {
        /// It has to go the general way.
        case no
        /// The reply is in the call's buffer and waits for this commit at most.
        case answered(commit: UInt64)
        /// The holder has the reply.
        case held
    }

    /// Runs a command here if that is possible. Its key's record is resident.
    func runHere(
        _ row: Int, _ input: RawSpan, _ call: Invocation, _ now: Int64, _ holder: any ReplyHolder,
        _ coordinator: isolated ReplicaCoordinator
    ) -> RunHere {
        let use = table.uses[row]
        guard use.holds(input, call) else { return .no }
        let key = input.extracting(call[1])
        guard node.coordinators.count == 1 || node.worker(of: key) == worker else { return .no }
        return if case .reads = use {
            readHere(row, key, input, call, now, holder, coordinator)
        } else {
            overwriteHere(row, key, input, call, now, holder, coordinator)
        }
    }

    private func overwriteHere(
        _ row: Int, _ key: RawSpan, _ input: RawSpan, _ call: Invocation, _ now: Int64, _ holder: any ReplyHolder,
        _ coordinator: isolated ReplicaCoordinator
    ) -> RunHere {
        let session = call.session
        guard let replication = coordinator.replication,
            let plan = coordinator.planOverwrite(of: key, keyspace: session.keyspace, level: session.writeLevel)
        else { return .no }
        let start = call.reply.buffer.count
        call.transaction.begin(keyspace: session.keyspace, nowMilliseconds: now)
        table.rows[row].handler(input, call)
        let ticket = holder.hold(call, from: start)
        if !call.transaction.end(plan, over: replication, waiter: holder, ticket: ticket) {
            let failure = call.transaction.failure.map { ReplyWriter.error($0, version: call.reply.version) }
            holder.settle(ticket, with: failure)
        }
        return .held
    }

    private func readHere(
        _ row: Int, _ key: RawSpan, _ input: RawSpan, _ call: Invocation, _ now: Int64, _ holder: any ReplyHolder,
        _ coordinator: isolated ReplicaCoordinator
    ) -> RunHere {
        let session = call.session
        guard let plan = coordinator.planRead(of: key, keyspace: session.keyspace, level: session.readLevel) else {
            return .no
        }
        let start = call.reply.buffer.count
        let commit = perform(row, input, call, now, keyspace: session.keyspace, from: start)
        guard call.transaction.failure == nil else {
            call.reply.buffer.truncate(to: start)
            return .no
        }
        if plan.isAnsweredHere { return .answered(commit: commit) }
        let ticket = holder.hold(call, from: start)
        if commit > 0 { holder.wait(ticket, for: commit) }
        let isAsked = coordinator.confirm(plan, of: key, waiter: holder, ticket: ticket) { buffer in
            ForwardedCommand.begin(
                keyspace: session.keyspace, version: session.protocolVersion,
                levels: (session.readLevel, session.writeLevel), count: call.count, in: &buffer)
            for argument in call.arguments {
                ForwardedCommand.append(argument: input.extracting(argument), to: &buffer)
            }
        }
        if !isAsked {
            holder.unconfirmed(ForwardedCommand(input, call, keyspace: session.keyspace), ticket: ticket)
        }
        return .held
    }

    // MARK: Commands of others

    /// Takes commands that other nodes hand over.
    func takeForwarded() {
        let me = Confined(self, on: coordinator.loop)
        coordinator.assumeIsolated { coordinator in
            coordinator.replication?.runForwarded = { me.value.take($0, $1) }
        }
    }

    private func take(_ command: ForwardedCommand, _ done: @escaping ([UInt8]) -> Void) {
        guard let request = ClusterRequest(command, keyspaces: keyspaceNames) else {
            return run(command, isForwarded: true, done)
        }
        let reply = Confined(done, on: coordinator.loop)
        let (node, facts) = (node, identity)
        node.environment.spawn("forwarded question", on: worker) {
            let bytes = await request.reply(
                by: node, keyspace: command.keyspace, version: command.version, facts: facts)
            reply.post { $0(bytes) }
        }
    }

    /// Runs a keyed command; `done` hears the encoded reply, on this loop.
    ///
    /// - Parameter isForwarded: another node handed it over: it is not handed on.
    func run(_ command: ForwardedCommand, isForwarded: Bool, _ done: @escaping ([UInt8]) -> Void) {
        let run = HeldReply(command, isForwarded: isForwarded, door: self, done)
        let me = Confined(run, on: coordinator.loop)
        coordinator.assumeIsolated { me.value.begin($0) }
    }

    /// Runs a command the general way, in a task of its own.
    func runApart(_ command: ForwardedCommand, isForwarded: Bool, _ done: @escaping ([UInt8]) -> Void) {
        let me = Confined((self, done), on: coordinator.loop)
        let (node, home) = (node, Confined(self, on: coordinator.loop))
        node.environment.spawn("replicated command", on: worker) {
            let reply = await ReplicatedCommand(command: command, isForwarded: isForwarded).reply(
                door: home, node: node)
            me.post { $0.1(reply) }
        }
    }
}

/// A command that came as a whole, from another node or as a part of one over many keys, and its reply on the way.
private final class HeldReply: ReplyHolder {
    private let command: ForwardedCommand
    private let isForwarded: Bool
    private let door: FrontDoor
    private let done: ([UInt8]) -> Void
    private let residency = Residency()
    private var reply: [UInt8] = []
    private var commit: UInt64 = 0

    init(_ command: ForwardedCommand, isForwarded: Bool, door: FrontDoor, _ done: @escaping ([UInt8]) -> Void) {
        self.command = command
        self.isForwarded = isForwarded
        self.door = door
        self.done = done
    }

    func begin(_ coordinator: isolated ReplicaCoordinator) {
        let (input, places) = (command.input, command.places)
        withBytes(of: input) { input in
            if residency.isEmpty, !coordinator.isInline {
                door.forEachKey(input, places) { coordinator.name($0, keyspace: command.keyspace, in: residency) }
                coordinator.requireNamed(in: residency)
            }
            guard residency.isReady else {
                let me = Confined(self, on: coordinator.loop)
                return coordinator.whenLoaded { me.value.door.coordinator.assumeIsolated { me.value.begin($0) } }
            }
            run(input, places, coordinator)
            residency.release()
        }
    }

    private func run(_ input: RawSpan, _ places: [Range<Int>], _ coordinator: isolated ReplicaCoordinator) {
        let call = door.call
        let outer = (call.session, call.reply.version)
        defer { (call.session, call.reply.version) = outer }
        let session = Session(id: 0, peer: door.address, local: door.address, connectedAt: 0, server: door)
        session.keyspace = command.keyspace
        session.protocolVersion = command.version
        (session.readLevel, session.writeLevel) = command.levels
        call.session = session
        call.reply.version = command.version
        call.arguments = places
        let start = call.reply.buffer.count
        guard let row = door.table.find(input, call) else {
            _ = hold(call, from: start)
            return done(reply)
        }
        let now = coordinator.wallMilliseconds
        if let refusal = door.refusal(row, coordinator) {
            guard !isForwarded else { return done([]) }  // another owner may have room
            call.reply.refuse(refusal)
            _ = hold(call, from: start)
            return done(reply)
        }
        switch door.runHere(row, input, call, now, self, coordinator) {
        case .no: door.runApart(command, isForwarded: isForwarded, done)
        case .held: break
        case .answered(let commit):
            self.commit = commit
            _ = hold(call, from: start)
            settle(0, with: nil)
        }
    }

    // MARK: The reply

    func hold(_ call: Invocation, from start: Int) -> UInt64 {
        reply = call.reply.buffer.withBytes(start..<call.reply.buffer.count) { $0.array }
        call.reply.buffer.truncate(to: start)
        return 0
    }

    func wait(_ ticket: UInt64, for commit: UInt64) { self.commit = commit }

    func answered(_ answer: WriteAnswer, ticket: UInt64) {
        settle(ticket, with: TransactionFailure(answer).map { ReplyWriter.error($0, version: command.version) })
    }

    func confirmed(ticket: UInt64) { settle(ticket, with: nil) }

    func unconfirmed(_ command: ForwardedCommand, ticket: UInt64) {
        door.runApart(command, isForwarded: isForwarded, done)
    }

    func settle(_ ticket: UInt64, with replacement: [UInt8]?) {
        if let replacement { return done(replacement) }
        let me = Confined(self, on: door.coordinator.loop)
        door.coordinator.assumeIsolated { me.value.finish($0) }
    }

    private func finish(_ coordinator: isolated ReplicaCoordinator) {
        switch commit == 0 ? .done : coordinator.state(of: commit) {
        case .done: done(reply)
        case .failed(let reason): done(ReplyWriter.error(TransactionFailure(reply: reason), version: command.version))
        case .pending:
            let me = Confined(self, on: coordinator.loop)
            coordinator.whenCommitted { me.value.settle(0, with: nil) }
        }
    }
}

extension ForwardedCommand {
    /// A command as a connection asks for it.
    init(_ input: RawSpan, _ call: Invocation, keyspace: Int) {
        self.init(
            keyspace: keyspace, version: call.session.protocolVersion,
            levels: (call.session.readLevel, call.session.writeLevel),
            arguments: call.arguments.map { input.extracting($0).array })
    }

    /// All arguments' bytes, one behind the other.
    var input: [UInt8] { Array(arguments.joined()) }

    /// Where each argument lies in ``input``.
    var places: [Range<Int>] {
        var start = 0
        return arguments.map { argument in
            defer { start += argument.count }
            return start..<start + argument.count
        }
    }
}
