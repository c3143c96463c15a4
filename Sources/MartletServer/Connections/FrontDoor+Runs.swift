internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// Commands that connections of any worker have this worker run.
extension FrontDoor {
    /// Runs `run` as soon as this worker is not held and its records are resident; `done` hears on this loop.
    func execute(_ run: CommandRun, _ done: @escaping (CommandRun) -> Void) {
        if isHeld {
            heldRuns.append { [unowned self] in execute(run, done) }
            return
        }
        let me = Confined((self, run, done), on: coordinator.loop)
        coordinator.assumeIsolated { coordinator in
            let (door, run, done) = me.value
            guard run.makeResident(door, coordinator) else {
                return coordinator.whenLoaded { me.value.0.execute(me.value.1, me.value.2) }
            }
            let session = Session(
                id: 0, peer: door.address, local: door.address, connectedAt: 0, server: door)
            session.keyspace = run.keyspace
            session.protocolVersion = run.version
            run.perform(door, coordinator, session: session)
            door.settle(run, done)
        }
    }

    /// Hands the run back once no reply of it waits for a commit.
    private func settle(_ run: CommandRun, _ done: @escaping (CommandRun) -> Void) {
        let me = Confined((self, run, done), on: coordinator.loop)
        coordinator.assumeIsolated { coordinator in
            let (door, run, done) = me.value
            if run.isSettled(coordinator) { return done(run) }
            coordinator.whenCommitted { door.settle(me.value.1, me.value.2) }
        }
    }

    /// Runs a command over copies of its keys' records; what it wrote is for the caller to apply.
    ///
    /// - Parameters:
    ///   - answered: on a node that is one of several, the replicas that the records are agreed on by.
    ///   - standIns: how many of these stand in for owners.
    func run(
        _ input: [UInt8], _ arguments: [Range<Int>], keyspace: Int, version: Int, over records: [RecordCopy],
        answered: [String]? = nil, standIns: Int = 0
    ) -> RanCommand {
        let me = Confined(self, on: coordinator.loop)
        return coordinator.assumeIsolated { coordinator in
            let door = me.value
            let call = door.call
            let session = Session(id: 0, peer: door.address, local: door.address, connectedAt: 0, server: door)
            session.keyspace = keyspace
            session.protocolVersion = version
            call.session = session
            call.arguments = arguments
            call.reply.version = version
            (call.answered, call.standIns) = (answered, standIns)
            call.owesAcknowledgement = false
            defer { call.answered = nil }
            var buffer = ByteBuffer()
            swap(&buffer, &call.reply.buffer)
            let writes = withBytes(of: input) { input -> GatheredWrites? in
                guard let row = door.table.find(input, call) else { return nil }
                call.transaction.begin(
                    keyspace: keyspace, nowMilliseconds: coordinator.wallMilliseconds, over: records)
                door.table.rows[row].handler(input, call)
                let writes = call.transaction.endGathered()
                if let failure = call.transaction.failure {
                    call.reply.buffer.removeAll()
                    call.reply.error(failure.reply)
                    call.owesAcknowledgement = false
                }
                return writes
            }
            swap(&buffer, &call.reply.buffer)
            return RanCommand(
                reply: buffer.copy(), writes: writes, owesAcknowledgement: call.owesAcknowledgement)
        }
    }

    /// Has runs wait from now on: a command over the keys of several workers is about to read this worker's records.
    func hold() { isHeld = true }

    /// Lets the runs that waited go on.
    func letGo() {
        isHeld = false
        let waiting = heldRuns
        heldRuns = []
        for run in waiting { run() }
    }
}

/// What a command over copies of records answers and wants written.
struct RanCommand: Sendable {
    /// Encoded.
    var reply: [UInt8]
    /// Nil if it wrote nothing.
    var writes: GatheredWrites?
    /// The reply is a receipt that lacks who acknowledged.
    var owesAcknowledgement: Bool
}

/// A command over keys of several workers: holds them, copies the records, runs over the copies, commits what it wrote
/// as one batch, installs it and lets go. One at a time on a node (``MultiKeyGate``).
struct GatheredCommand: Sendable {
    var input: [UInt8]
    var arguments: [Range<Int>]
    var keyspace: Int
    var version: Int
    /// Its keys by worker.
    var keys: [(worker: Int, keys: [[UInt8]])]

    /// Runs it from the loop of the worker `home`; answers the encoded reply.
    func reply(node: Node, doors: [Confined<FrontDoor>], home: Int) async -> [UInt8] {
        await node.multiKeyGate.enter()
        var reply: [UInt8]
        do throws(StorageError) {
            reply = try await replyHolding(node, doors, home)
        } catch {
            reply = refusal(TransactionFailure(error))
        }
        for (worker, _) in keys { await doors[worker].call { $0.letGo() } }
        await node.multiKeyGate.leave()
        return reply
    }

    /// Reads, runs and commits it while no other command runs at the keys' workers, which are let go after it.
    private func replyHolding(
        _ node: Node, _ doors: [Confined<FrontDoor>], _ home: Int
    ) async throws(StorageError) -> [UInt8] {
        var records: [RecordCopy] = []
        for (worker, keys) in keys {
            await doors[worker].call { $0.hold() }
            records += try await node.coordinators[worker].copyRecords(of: keys, keyspace: keyspace)
        }
        let copies = records
        let ran = await doors[home].call {
            $0.run(input, arguments, keyspace: keyspace, version: version, over: copies)
        }
        guard let writes = ran.writes else { return ran.reply }
        if let failure = await node.coordinators[home].commit(writes) { return refusal(failure) }
        for (worker, _) in keys { await node.coordinators[worker].install(writes.records) }
        return ran.reply
    }

    private func refusal(_ failure: TransactionFailure) -> [UInt8] { ReplyWriter.error(failure, version: version) }
}

extension Confined {
    /// Runs `body` with the value on its loop and returns what it answers.
    func call<R: Sendable>(_ body: @escaping @Sendable (Value) -> R) async -> R {
        await withCheckedContinuation { continuation in
            post { continuation.resume(returning: body($0)) }
        }
    }
}

extension ReplyWriter {
    /// The encoded reply of a failure.
    static func error(_ failure: TransactionFailure, version: Int) -> [UInt8] {
        var writer = ReplyWriter(version: version)
        writer.error(failure.reply)
        return writer.buffer.copy()
    }
}
