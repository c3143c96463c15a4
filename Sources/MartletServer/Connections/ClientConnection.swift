internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// One client's connection: takes commands off its bytes, runs them in order, sends the replies in order.
///
/// Used on its worker's loop only, isolated to the worker's ReplicaCoordinator while commands run: one entry for all
/// the commands that came together. It *stalls*, and keeps what comes meanwhile, while records are made resident,
/// while a command runs that takes many turns, and while the client does not read its replies.
final class ClientConnection: StreamHandler {
    let session: Session
    let door: FrontDoor
    let stream: any ByteStream
    let coordinator: ReplicaCoordinator
    private var input = ByteBuffer()
    var parser = RESPParser()
    var held = ReplyQueue()
    private let residency = Residency()
    /// Commands ahead whose records ``residency`` holds.
    private var resident = 0
    var stall: Stall?
    private var isWaitingForCommit = false
    private var isReadingPaused = false
    private(set) var isClosed = false
    /// What is under way elsewhere is not answered: CLIENT REPLY.
    var isMuted = false
    /// A command that takes many turns, which begins once all before it are answered.
    private var deferred: (() -> Void)?
    private var isSettling = false
    /// Keys of commands whose replies wait for other nodes.
    var openKeys = OpenKeys()

    enum Stall {
        /// Records are on their way; the commands up to this many bytes wait for them.
        case loading
        /// A command that takes many turns.
        case running
        /// Too many replies wait for other nodes.
        case waiting
        /// The client does not take its replies.
        case output
    }

    /// Input that is kept while stalled before reading pauses.
    private static let inputLimit = 1 << 20
    /// Unsent output that stalls the connection.
    private static let outputLimit = 1 << 20
    /// Replies that wait for other nodes before the connection stalls.
    private static let heldLimit = 4096
    /// Commands whose records are made resident together.
    private static let lookahead = 512

    init(session: Session, door: FrontDoor, stream: any ByteStream) {
        self.session = session
        self.door = door
        self.stream = stream
        coordinator = door.coordinator
    }

    // MARK: Stream events

    func received(_ bytes: RawSpan) {
        let me = Confined(self, on: coordinator.loop)
        coordinator.assumeIsolated { me.value.take(bytes, $0) }
    }

    func drained() {
        guard case .output = stall else { return }
        stall = nil
        resume()
    }

    func closed(_ error: StreamError?) {
        isClosed = true
        residency.release()
        door.remove(self)
    }

    /// Ends the connection from outside, as CLIENT KILL and the drain do.
    func end() { stream.closeAfterFlush() }

    /// Whether it has nothing under way and nothing unanswered.
    var isIdle: Bool { stall == nil && held.isEmpty && input.isEmpty && stream.unsentBytes == 0 }

    /// Goes on with what is kept, at the end of a turn.
    func resumeIfIdle() {
        if stall == nil, !isClosed { resume() }
    }

    private func resume() {
        let me = Confined(self, on: coordinator.loop)
        coordinator.assumeIsolated { me.value.proceed($0) }
    }

    // MARK: Input

    private func take(_ bytes: RawSpan, _ coordinator: isolated ReplicaCoordinator) {
        guard !isClosed else { return }
        guard input.isEmpty, stall == nil else {
            input.append(bytes)
            return proceed(coordinator)
        }
        let used = run(bytes, coordinator)
        if used < bytes.byteCount { input.append(bytes.extracting(used..<bytes.byteCount)) }
        used > 0 ? proceed(coordinator) : adjustReading()
    }

    /// Goes on with what is kept, unless the connection is stalled.
    private func proceed(_ coordinator: isolated ReplicaCoordinator) {
        while stall == nil, !input.isEmpty, !isClosed {
            let used = input.withBytes { run($0, coordinator) }
            input.consume(used)
            if used == 0 { break }
        }
        input.releaseExcess(keeping: 0)
        adjustReading()
    }

    private func adjustReading() {
        let isFull = stall != nil && input.count > Self.inputLimit
        if isFull != isReadingPaused, !isClosed {
            isReadingPaused = isFull
            isFull ? stream.pauseReading() : stream.resumeReading()
        }
    }

    /// Runs the commands at the front of `bytes`; returns how many bytes are done with.
    private func run(_ bytes: RawSpan, _ coordinator: isolated ReplicaCoordinator) -> Int {
        let isReplicated = coordinator.replication != nil
        if door.node.coordinators.count > 1, !isReplicated { return runRouted(bytes, coordinator) }
        if !coordinator.isInline, !makeResident(bytes, coordinator) {
            stall = .loading
            return 0
        }
        let call = door.call
        stream.write { swap(&$0, &call.reply.buffer) }
        call.session = session
        call.reply.version = session.protocolVersion
        var offset = 0
        let now = coordinator.wallMilliseconds
        session.lastActiveAt = now * 1000
        // No more commands than were made resident; one that is not looked at ahead reads for itself.
        var budget = coordinator.isInline ? Int.max : max(1, resident)
        var near = 0
        while stall == nil, budget > 0, !session.closesAfterReply {
            budget -= 1
            if near > 0 {
                near -= 1
            } else if coordinator.isInline, offset > 0 {
                near = lookAhead(Residency.touches, bytes, from: offset, coordinator) - 1
            }
            switch parser.next(bytes, at: offset, into: &call.arguments) {
            case .command(let end):
                if !call.arguments.isEmpty { perform(bytes, call, now, coordinator) }
                offset = end
                continue
            case .inline(let end):
                if !call.arguments.isEmpty { withBytes(of: parser.inlineBytes) { perform($0, call, now, coordinator) } }
                offset = end
                continue
            case .malformed(let reply):
                let start = call.reply.buffer.count
                call.reply.error(reply)
                finish(call, from: start, commit: 0)
                session.closesAfterReply = true
                offset = bytes.byteCount
            case .incomplete:
                budget = 0
            }
        }
        stream.write { swap(&$0, &call.reply.buffer) }
        residency.release()
        settle(coordinator)
        return isClosed || session.closesAfterReply ? bytes.byteCount : offset
    }

    /// Asks for the records of the commands ahead; false if some are still on their way.
    private func makeResident(_ bytes: RawSpan, _ coordinator: isolated ReplicaCoordinator) -> Bool {
        if residency.isEmpty {
            resident = lookAhead(Self.lookahead, bytes, from: 0, coordinator)
        }
        if residency.isReady { return true }
        let me = Confined(self, on: coordinator.loop)
        coordinator.whenLoaded {
            guard !me.value.isClosed else { return }
            me.value.stall = nil
            me.value.resume()
        }
        return false
    }

    /// Requires the records of the commands from `offset` on, up to `limit` of them; how many there are.
    private func lookAhead(
        _ limit: Int, _ bytes: RawSpan, from offset: Int, _ coordinator: isolated ReplicaCoordinator
    ) -> Int {
        var ahead = parser
        var (offset, count) = (offset, 0)
        let call = door.call
        while count < limit, case .command(let end) = ahead.next(bytes, at: offset, into: &call.arguments) {
            offset = end
            count += 1
            door.forEachKey(bytes, call.arguments) {
                coordinator.name($0, keyspace: session.keyspace, in: residency)
            }
        }
        coordinator.requireNamed(in: residency)
        return count
    }

    // MARK: Commands

    func perform(
        _ input: RawSpan, _ call: Invocation, _ now: Int64, _ coordinator: isolated ReplicaCoordinator
    ) {
        let start = call.reply.buffer.count
        let mode = session.replyMode
        guard let row = door.table.find(input, call) else {
            if session.aborts { return stream.close() }
            mute(call, from: start, since: mode)
            return finish(call, from: start, commit: 0)
        }
        door.commands &+= 1
        switch door.table.rows[row].shape {
        case .connection:
            door.table.rows[row].handler(input, call)
            call.reply.version = session.protocolVersion
            mute(call, from: start, since: mode)
            finish(call, from: start, commit: 0)
        case .keys where coordinator.replication != nil:
            if let refusal = door.refusal(row, coordinator) {
                call.reply.refuse(refusal)
                mute(call, from: start, since: mode)
                return finish(call, from: start, commit: 0)
            }
            if runWithoutWaiting(row, input, call, now, coordinator) { return }
            isMuted = takeMuting()
            runReplicated(input, call)
        case .keys:
            let commit = door.perform(row, input, call, now, keyspace: session.keyspace, from: start)
            mute(call, from: start, since: mode)
            finish(call, from: start, commit: commit)
        case .keyspace where door.isStale(row):
            call.reply.refuse(Refusal.standstill)
            mute(call, from: start, since: mode)
            finish(call, from: start, commit: 0)
        case .keyspace:
            guard let request = KeyspaceRequest(door.table.rows[row].name, input, call) else {
                mute(call, from: start, since: mode)
                return finish(call, from: start, commit: 0)
            }
            isMuted = takeMuting()
            runApart(request)
        case .cluster:
            guard let request = ClusterRequest(door.table.rows[row].name, input, call) else {
                mute(call, from: start, since: mode)
                return finish(call, from: start, commit: 0)
            }
            isMuted = takeMuting()
            runApart(request)
        }
    }

    /// Whether CLIENT REPLY keeps the next command silent; SKIP is used up by that.
    func takeMuting() -> Bool {
        defer { if session.replyMode == .skipNext { session.replyMode = .on } }
        return session.replyMode != .on
    }

    /// Drops the reply of a command that began under `mode`, unless the mode lets it through or it has turned replies
    /// on.
    private func mute(_ call: Invocation, from start: Int, since mode: ReplyMode) {
        guard mode != .on, session.replyMode != .on else { return }
        call.reply.buffer.truncate(to: start)
        _ = takeMuting()
    }

    /// Runs a command that takes many turns; the connection stalls until its reply is there.
    private func runApart(_ request: KeyspaceRequest) {
        stall = .running
        let me = Confined(self, on: coordinator.loop)
        let asker = KeyspaceAsker(door: Confined(door, on: coordinator.loop), node: door.node, session)
        whenAnswered {
            asker.node.environment.spawn("keyspace command", on: asker.worker) {
                let reply = await request.reply(to: asker)
                me.post { $0.finishApart(reply) }
            }
        }
    }

    /// Runs `body` once no reply waits for other nodes any more: what a command before wrote, this one has to see.
    private func whenAnswered(_ body: @escaping () -> Void) {
        if held.isEmpty || coordinator.assumeIsolated({ $0.replication == nil }) { body() } else { deferred = body }
    }

    /// Runs a keyed command over the replicas of its keys; the connection stalls until its reply is there.
    private func runReplicated(_ input: RawSpan, _ call: Invocation) {
        stall = .running
        let command = ForwardedCommand(input, call, keyspace: session.keyspace)
        let me = Confined(self, on: coordinator.loop)
        let (node, worker, home) = (door.node, door.worker, Confined(door, on: coordinator.loop))
        whenAnswered {
            node.environment.spawn("replicated command", on: worker) {
                let reply = await ReplicatedCommand(command: command).reply(door: home, node: node)
                me.post { $0.finishApart(reply) }
            }
        }
    }

    func finishApart(_ reply: [UInt8]) {
        guard !isClosed else { return }
        withBytes(of: isMuted ? [] : reply) { reply in
            if held.isEmpty { stream.write { $0.append(reply) } } else { held.append(reply, waitingFor: 0) }
        }
        isMuted = false
        stall = nil
        resume()
    }

    // MARK: Replies

    /// Holds a command's reply back if it, or one before it, waits for a commit.
    func finish(_ call: Invocation, from start: Int, commit: UInt64) {
        guard commit > 0 || !held.isEmpty else { return }
        call.reply.buffer.withBytes(start..<call.reply.buffer.count) { held.append($0, waitingFor: commit) }
        call.reply.buffer.truncate(to: start)
    }

    /// Sends what no longer waits, and closes or stalls where that is due.
    func settle(_ coordinator: isolated ReplicaCoordinator) {
        if !held.isEmpty {
            let call = door.call
            stream.write { swap(&$0, &call.reply.buffer) }
            let waiting = held.release(into: &call.reply) { coordinator.state(of: $0) }
            stream.write { swap(&$0, &call.reply.buffer) }
            if case .commit = waiting { waitForCommit(coordinator) }
        }
        if held.isEmpty {
            openKeys.removeAll()
            if let begin = deferred {
                deferred = nil
                begin()
            } else if session.closesAfterReply {
                stream.closeAfterFlush()
            }
        }
        if stall == nil {
            if stream.unsentBytes > Self.outputLimit { stall = .output }
            if held.count > Self.heldLimit { stall = .waiting }
        }
    }

    /// Settles at the end of the turn, in which more may have been answered.
    func settleSoon() {
        guard !isSettling, !isClosed else { return }
        isSettling = true
        let me = Confined(self, on: coordinator.loop)
        coordinator.loop.atTurnEnd {
            let connection = me.value
            connection.isSettling = false
            guard !connection.isClosed else { return }
            connection.coordinator.assumeIsolated { me.value.settle($0) }
            if case .waiting = connection.stall, connection.held.count < Self.heldLimit / 2 {
                connection.stall = nil
                connection.resume()
            }
        }
    }

    private func waitForCommit(_ coordinator: isolated ReplicaCoordinator) {
        guard !isWaitingForCommit else { return }
        isWaitingForCommit = true
        let me = Confined(self, on: coordinator.loop)
        coordinator.whenCommitted {
            me.value.isWaitingForCommit = false
            guard !me.value.isClosed else { return }
            me.value.coordinator.assumeIsolated { me.value.settle($0) }
        }
    }
}
