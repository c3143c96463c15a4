import MartletCore
import MartletRuntime

// Connections: how they are made, used, lost and made again.
extension ConnectionPool {
    /// Attempts of a read that lost its connection, before that is reported.
    private static let attempts = 3
    /// Output that a connection may hold before calls wait instead, in bytes.
    private static let unsentLimit = 1 << 20

    func connection(_ id: UInt64) -> Connection? { slots.first { $0.connection?.id == id }?.connection }

    /// Begins to connect to the slot's next address.
    func connect(slot: Int) {
        guard phase != .closed, slots[slot].connection == nil else { return }
        connectionsMade += 1
        let address = addresses[slots[slot].address]
        let connection = Connection(
            id: connectionsMade, slot: slot, address: address, limits: limits)
        slots[slot].connection = connection
        do {
            connection.stream = try loop.connect(
                to: address, handler: ConnectionHandler(pool: self, id: connection.id))
        } catch {
            lost(connection, error.message)
            return
        }
        let id = connection.id
        connection.greetingTimer = loop.schedule(after: settings.connectTimeout) { [weak self] in
            self?.assumeIsolated { $0.greetingTimedOut(id) }
        }
    }

    private func greetingTimedOut(_ id: UInt64) {
        guard let connection = connection(id), !connection.machine.isReady else { return }
        connection.close(because: "no answer within \(settings.connectTimeout)")
    }

    func opened(_ id: UInt64) {
        guard let connection = connection(id), let stream = connection.stream else { return }
        stream.write { connection.machine.open(keyspace: settings.keyspace, named: settings.keyspaceName, into: &$0) }
    }

    func received(_ bytes: RawSpan, on id: UInt64) {
        guard let connection = connection(id) else { return }
        connection.machine.receive(bytes)
        while let event = connection.machine.nextEvent() {
            switch event {
            case .ready: ready(connection)
            case .reply(let id, let reply):
                if !connection.isProved { proved(connection) }
                finish(id, .success(reply))
            case .refused(let text): connection.close(because: text)
            case .violated(let id, let violation):
                let message = "\(connection.address) broke the protocol: \(violation.message)"
                if let id { finish(id, failing: .protocolViolation, message) }
                connection.close(because: message)
            }
        }
        pump()
    }

    func closed(_ id: UInt64, _ error: StreamError?) {
        guard let connection = connection(id) else { return }
        lost(connection, connection.failure ?? error?.message ?? "the server closed the connection")
    }

    /// Sends waiting calls while a connection has room.
    func pump() {
        while !waiting.isEmpty, let connection = roomiest() {
            guard let id = waiting.popFirst(), let call = calls[id] else { continue }
            guard let command = call.request.command else {
                finish(id, .success(.null))
                continue
            }
            waitingCount -= 1
            calls[id]?.connection = connection.id
            calls[id]?.attempts += 1
            connection.send(id: id, shape: call.request.shape, command: command, now: loop.now)
        }
    }

    /// The ready connection with the fewest calls; nil if all have as many as they may.
    private func roomiest() -> Connection? {
        var best: Connection?
        for case let connection? in slots.lazy.map(\.connection) where connection.machine.isReady {
            let calls = connection.machine.outstanding
            if let best, best.machine.outstanding <= calls { continue }
            if calls < max(1, settings.callsPerConnection), (connection.stream?.unsentBytes ?? 0) < Self.unsentLimit {
                best = connection
            }
        }
        return best
    }

    private func ready(_ connection: Connection) {
        connection.greetingTimer?.cancel()
        guard !wasReady else { return }
        wasReady = true
        for slot in slots.indices.dropFirst() { connect(slot: slot) }
    }

    /// It answers, so the delays begin anew. A greeting alone does not show that: a server may greet and hang up.
    private func proved(_ connection: Connection) {
        connection.isProved = true
        slots[connection.slot].backoff.reset()
        slots[connection.slot].failures = 0
    }

    /// Takes a connection out of its slot: what was not sent, and reads, go to another one; writes may have arrived.
    private func lost(_ connection: Connection, _ reason: String) {
        connection.greetingTimer?.cancel()
        slots[connection.slot].connection = nil
        lastFailure = "\(connection.address): \(reason)"
        var again: [UInt64] = []
        for (id, wasSent) in connection.machine.end(unsentBytes: connection.stream?.unsentBytes ?? 0) {
            guard let call = calls[id] else { continue }
            if phase != .closed, !wasSent || !call.request.isWrite && call.attempts < Self.attempts {
                calls[id]?.connection = nil
                waitingCount += 1
                again.append(id)
            } else {
                finish(id, failing: .connectionLost, "the connection broke before the reply: \(lastFailure ?? reason)")
            }
        }
        waiting.prepend(again)
        reconnect(slot: connection.slot)
        pump()
    }

    /// Goes on to the next address: at once while there are untried ones, else after a delay.
    private func reconnect(slot: Int) {
        guard phase != .closed else { return }
        slots[slot].address = (slots[slot].address + 1) % addresses.count
        slots[slot].failures += 1
        if slots[slot].failures < addresses.count { return connect(slot: slot) }
        slots[slot].failures = 0
        if !wasReady { failStart() }
        slots[slot].timer = loop.schedule(after: slots[slot].backoff.next(random: random)) { [weak self] in
            self?.assumeIsolated { $0.connect(slot: slot) }
        }
    }

    /// No address could be reached: whoever waits for the first connection hears of it.
    private func failStart() {
        let ids = calls.filter { $0.value.request.command == nil }.keys.sorted()
        let names = addresses.map(\.description).joined(separator: ", ")
        for id in ids { finish(id, failing: .cannotConnect, "cannot connect to \(names): \(lastFailure ?? "")") }
    }
}
