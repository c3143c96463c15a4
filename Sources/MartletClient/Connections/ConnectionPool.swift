import MartletRuntime

/// The connections of a client and the calls that wait for them; runs on the client's loop.
///
/// A call is in one of two places: waiting for a connection, or sent on one. Whatever ends it - reply, deadline,
/// cancellation, a lost connection - takes it out of ``calls`` first and resumes its caller then, so that no caller is
/// resumed twice and none is forgotten. Replies to calls that are gone find nobody and are dropped. A call is on record
/// before its caller waits or can be cancelled; what ends it earlier is kept in ``ended`` for the caller to find.
actor ConnectionPool {
    enum Phase { case open, closing, closed }

    /// A place for one connection.
    struct Slot {
        var connection: Connection?
        /// The address to try next, as an index.
        var address = 0
        /// Attempts since one succeeded or since the last delay.
        var failures = 0
        var backoff: Backoff
        var timer: (any LoopTimer)?
    }

    nonisolated let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    let addresses: [SocketAddress]
    let settings: ClientSettings
    let random: any RandomSource
    let limits: ReplyLimits

    var phase = Phase.open
    private var isRetired = false
    var slots: [Slot]
    var connectionsMade: UInt64 = 0
    /// Whether a connection ever was ready.
    var wasReady = false
    /// The last failure to connect.
    var lastFailure: String?

    var calls: [UInt64: Call] = [:]
    /// Results of calls that ended before their caller waited.
    private(set) var ended: [UInt64: Result<Reply, MartletError>] = [:]
    /// Calls without connection, in the order they came; it may hold calls that ended.
    var waiting = FIFO<UInt64>()
    var waitingCount = 0
    private var callsMade: UInt64 = 0
    private var deadlines = DeadlineQueue()
    private var deadlineTimer: (any LoopTimer)?
    private var deadlineTimerDue: MonotonicTime?
    private var closers: [CheckedContinuation<Void, Never>] = []

    init(addresses: [SocketAddress], settings: ClientSettings, loop: any EventLoop, random: any RandomSource) {
        precondition(!addresses.isEmpty)
        self.addresses = addresses
        self.settings = settings
        self.loop = loop
        self.random = random
        limits = ReplyLimits(bulk: settings.maximumValueBytes, reply: max(256 << 20, settings.maximumValueBytes * 2))
        let backoff = Backoff(base: settings.reconnectDelay, limit: settings.maximumReconnectDelay)
        slots = Array(repeating: Slot(backoff: backoff), count: max(1, settings.connections))
    }

    /// Connects; ends when the first connection is ready, or when no address could be reached.
    func start() async throws(MartletError) {
        connect(slot: 0)
        _ = try await perform(Request(command: nil, shape: .any, isWrite: false, deadline: nil))
    }

    /// Sends a request on any connection and returns its reply; errors that the server answered are thrown.
    ///
    /// Returns at once when the task is cancelled; a reply that comes later is dropped.
    func perform(_ request: Request) async throws(MartletError) -> Reply {
        guard phase == .open else { throw MartletError(.closed, .notApplied, "the client is closed") }
        guard !Task.isCancelled else { throw MartletError(.cancelled, .notApplied, "cancelled before it was sent") }
        guard waitingCount < settings.waitingCalls else {
            throw MartletError(.busy, .notApplied, "\(waitingCount) calls wait for a connection")
        }
        let id = begin(request)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { attach($0, to: id) }
        } onCancel: {
            loop.post { self.assumeIsolated { $0.finish(id, failing: .cancelled, "the task was cancelled") } }
        }
        let reply = try result.get()
        if case .error(let text) = reply { throw MartletError(reply: text, isWrite: request.isWrite) }
        return reply
    }

    /// Takes no more calls, waits for those under way, then closes all connections.
    func close() async {
        if phase == .open { phase = .closing }
        await withCheckedContinuation { waitUntilDrained($0) }
        abandon()
    }

    private func waitUntilDrained(_ closer: CheckedContinuation<Void, Never>) {
        if calls.isEmpty { closer.resume() } else { closers.append(closer) }
    }

    /// Closes all connections at once; calls under way fail.
    func abandon() {
        guard phase != .closed else { return }
        phase = .closed
        for slot in slots.indices {
            slots[slot].timer?.cancel()
            slots[slot].connection?.close(because: "the client was closed")
        }
        for id in calls.keys.sorted() {
            finish(id, failing: .closed, "the client was closed")
        }
        deadlineTimer?.cancel()
    }

    /// Sends a request of the client's own; `completion` hears its end, on the loop.
    func ask(_ request: Request, _ completion: @escaping @Sendable (Result<Reply, MartletError>) -> Void) {
        guard phase == .open, waitingCount < settings.waitingCalls else {
            return completion(.failure(MartletError(.closed, .notApplied, "the client takes no calls")))
        }
        let id = begin(request)
        if let result = ended.removeValue(forKey: id) { completion(result) } else { calls[id]?.completion = completion }
    }

    /// Connects without waiting for that.
    func open() { connect(slot: 0) }

    /// Whether it had to go on to another address than the first.
    var isAway: Bool { slots.contains { $0.address != 0 } }

    /// Takes no more calls and closes its connections once those under way have ended.
    func retire() {
        guard phase == .open else { return }
        phase = .closing
        isRetired = true
        if calls.isEmpty { abandon() }
    }

    /// Puts a call on record and sends it if a connection has room.
    private func begin(_ request: Request) -> UInt64 {
        callsMade += 1
        calls[callsMade] = Call(request: request)
        deadlines.insert(callsMade, at: loop.now.advanced(by: request.deadline ?? settings.deadline))
        setDeadlineTimer()
        if waiting.count > 64 + 2 * waitingCount { forgetEnded() }
        waiting.append(callsMade)
        waitingCount += 1
        pump()
        return callsMade
    }

    /// Drops calls that ended from the queue, so that it stays bounded while no connection takes them off.
    private func forgetEnded() {
        var kept = FIFO<UInt64>()
        while let id = waiting.popFirst() { if calls[id] != nil { kept.append(id) } }
        waiting = kept
    }

    private func attach(_ caller: CheckedContinuation<Result<Reply, MartletError>, Never>, to id: UInt64) {
        if let result = ended.removeValue(forKey: id) {
            caller.resume(returning: result)
        } else {
            calls[id]!.continuation = caller  // on record until it ended
        }
    }

    /// Ends a call with a failure whose outcome is that of the place the call was in.
    func finish(_ id: UInt64, failing code: MartletError.Code, _ message: String) {
        guard let call = calls[id] else { return }
        finish(id, .failure(MartletError(code, call.outcome, message)))
    }

    /// Ends a call; nothing happens if it ended before.
    func finish(_ id: UInt64, _ result: Result<Reply, MartletError>) {
        guard let call = calls.removeValue(forKey: id) else { return }
        if call.connection == nil { waitingCount -= 1 }
        deadlines.remove(id)
        if let completion = call.completion {
            completion(result)
        } else if let caller = call.continuation {
            caller.resume(returning: result)
        } else {
            ended[id] = result
        }
        if phase != .open, calls.isEmpty {
            for closer in closers { closer.resume() }
            closers = []
            if phase == .closing, isRetired { abandon() }
        }
    }
}

// Deadlines: one timer, set to the earliest.
extension ConnectionPool {
    private func setDeadlineTimer() {
        guard let earliest = deadlines.earliest() else { return }
        if let deadlineTimerDue, deadlineTimerDue <= earliest { return }
        deadlineTimer?.cancel()
        deadlineTimerDue = earliest
        deadlineTimer = loop.schedule(after: earliest.since(loop.now)) { [weak self] in
            self?.assumeIsolated { $0.deadlineTimerFired() }
        }
    }

    private func deadlineTimerFired() {
        deadlineTimerDue = nil
        let now = loop.now
        while let id = deadlines.popExpired(at: now) {
            guard let call = calls[id] else { continue }
            let used: Connection? = if let sentOn = call.connection { connection(sentOn) } else { nil }
            let place = used.map { "\($0.address) did not answer" } ?? lastFailure ?? "no connection was free"
            finish(id, failing: .deadlineExceeded, "the deadline passed: \(place)")
            if let used { closeIfStalled(used) }
        }
        setDeadlineTimer()
    }

    /// Closes a connection whose next reply nobody waits for any more and is overdue: all replies would come late.
    private func closeIfStalled(_ connection: Connection) {
        guard let oldest = connection.machine.oldest, calls[oldest.id] == nil else { return }
        guard oldest.at.advanced(by: settings.deadline) <= loop.now else { return }
        connection.close(because: "\(connection.address) did not answer for \(settings.deadline)")
    }
}
