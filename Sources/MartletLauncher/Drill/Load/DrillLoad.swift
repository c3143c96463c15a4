internal import Foundation
internal import Glibc
internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// What the load's thread and the rest of a drill tell each other.
final class DrillSignals: Sendable {
    let mustStop = Atomic<Bool>(false)
    let answered = Atomic<Int>(0)
    let failed = Atomic<Int>(0)
    /// Requests a second that are due from now on.
    let rate = Atomic<Int>(1)
}

/// The load of a drill: requests at even distances over connections to all nodes, whatever happens to these.
///
/// It is open: each request's latency counts from when it was due. A request goes to the next connection that is free;
/// each has one request at a time, so that what it saw has an order. One whose request is given up is closed; its node
/// is gone round until it answers a PING. Every outcome is kept, for the checkers.
final class DrillLoad {
    struct Settings: Sendable {
        struct Target: Sendable {
            var address: SocketAddress
            /// The places of the keys that it is asked for; at least one.
            var keys: [Int]
        }
        var targets: [Target]
        var keys: [DrillKey]
        /// Shares of the requests, in percent.
        var reads: Int
        var deletes: Int
        var valueBytes: Int
        var connections: Int
        /// In nanoseconds.
        var timeout: UInt64
        var seed: UInt64
    }

    private let settings: Settings
    private let clock: any NodeClock
    private let signals: DrillSignals
    private var connections: [DrillConnection] = []
    private var readiness = Readiness()
    private var record: DrillRecord
    private var random: WorkloadRandom
    /// Where the search for a free connection begins.
    private var turn = 0
    /// By node the next of its keys to be written.
    private var nextKeys: [Int]
    private var written: UInt64 = 0

    init(_ settings: Settings, clock: any NodeClock, signals: DrillSignals) {
        self.settings = settings
        self.clock = clock
        self.signals = signals
        random = WorkloadRandom(seed: settings.seed)
        record = DrillRecord(keys: settings.keys, start: 0)
        // Each begins elsewhere, so that a key's writes by way of different nodes are not close together.
        nextKeys = settings.targets.enumerated().map { $1.keys.count * $0 / settings.targets.count }
        for place in 0..<settings.connections {
            for node in settings.targets.indices {
                connections.append(DrillConnection(node: node, isFirst: place == 0))
            }
        }
    }

    /// Runs it on a thread of its own until the signals say so.
    static func run(_ settings: Settings, clock: any NodeClock, signals: DrillSignals) async -> DrillRecord {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                let load = DrillLoad(settings, clock: clock, signals: signals)
                continuation.resume(returning: load.run())
            }
            thread.name = "drill-load"
            thread.start()
        }
    }

    private var now: UInt64 { clock.monotonic.nanoseconds }

    private func run() -> DrillRecord {
        for index in connections.indices { connect(index) }
        record.start = now
        var schedule = (from: record.start, rate: signals.rate.load(ordering: .relaxed), issued: 0)
        func due() -> UInt64 { schedule.from + UInt64(Double(schedule.issued) / Double(schedule.rate) * 1e9) }
        while true {
            let time = now
            let isEnding = signals.mustStop.load(ordering: .relaxed)
            if isEnding, connections.allSatisfy({ !$0.isBusy }) { break }
            let rate = signals.rate.load(ordering: .relaxed)
            if rate != schedule.rate { schedule = (max(time, due()), rate, 0) }
            giveUp(time)
            reconnect(time)
            while !isEnding, due() <= time {
                if let connection = freeConnection() {
                    send(on: connection, due: due())
                } else if time - due() > settings.timeout {
                    miss(due: due(), time)
                } else {
                    break
                }
                schedule.issued += 1
            }
            let hasRoom = !isEnding && connections.contains { $0.isFree }
            wait(until: hasRoom ? due() : time + 20_000_000, now: time)
        }
        record.end = now
        return record
    }

    private func freeConnection() -> Int? {
        for _ in connections.indices {
            turn = turn + 1 == connections.count ? 0 : turn + 1
            if connections[turn].isFree { return turn }
        }
        return nil
    }

    // MARK: Requests

    private func draw(for node: Int) -> (DrillOperation.Kind, Int) {
        let percent = random.below(100)
        let keys = settings.targets[node].keys
        if percent < settings.reads { return (.read, keys[random.below(keys.count)]) }
        nextKeys[node] = (nextKeys[node] + 1) % keys.count
        return (percent < settings.reads + settings.deletes ? .delete : .write, keys[nextKeys[node]])
    }

    private func send(on index: Int, due: UInt64) {
        let (kind, place) = draw(for: connections[index].node)
        let key = settings.keys[place]
        var value: UInt64 = 0
        connections[index].write { output in
            switch kind {
            case .read: output.append("*2\r\n$3\r\nGET\r\n")
            case .delete: output.append("*2\r\n$3\r\nDEL\r\n")
            case .write: output.append("*3\r\n$3\r\nSET\r\n")
            }
            output.append("$\(key.wire.count)\r\n")
            withBytes(of: key.wire) { output.append($0) }
            guard kind == .write else { return output.append("\r\n") }
            written += 1
            value = written
            let bytes = key.value(written, bytes: settings.valueBytes)
            output.append("\r\n$\(bytes.count)\r\n")
            withBytes(of: bytes) { output.append($0) }
            output.append("\r\n")
        }
        let connection = connections[index]
        connections[index].pending = DrillOperation(
            kind: kind, outcome: .unknown, key: Int32(place), node: Int16(connection.node), connection: Int32(index),
            session: Int32(connection.session), value: value, due: due, invoked: now, returned: 0)
        flush(index)
    }

    private func miss(due: UInt64, _ time: UInt64) {
        let (kind, place) = draw(for: random.below(settings.targets.count))
        finish(
            DrillOperation(
                kind: kind, outcome: .unsent, key: Int32(place), node: -1, connection: -1, session: 0, value: 0,
                due: due,
                invoked: time, returned: time))
    }

    private func finish(_ operation: DrillOperation) {
        record.operations.append(operation)
        if operation.outcome == .ok {
            signals.answered.add(1, ordering: .relaxed)
        } else {
            signals.failed.add(1, ordering: .relaxed)
        }
    }

    /// Ends the request of a connection, whose fate nobody knows, and the connection.
    private func lose(_ index: Int, _ reason: String) {
        record.losses[reason, default: 0] += 1
        if var operation = connections[index].pending {
            operation.returned = now
            finish(operation)
        }
        disconnect(index)
        // The others of that node, where they are free, are not tried before it answers again.
        for other in connections.indices where connections[other].node == connections[index].node {
            if connections[other].isFree { disconnect(other) }
        }
    }

    private func disconnect(_ index: Int) {
        if let descriptor = connections[index].descriptor { readiness.remove(descriptor) }
        connections[index].close(at: now)
    }

    private func giveUp(_ time: UInt64) {
        for index in connections.indices where connections[index].isBusy {
            if time > connections[index].since + settings.timeout { lose(index, "no answer in time") }
        }
    }

    // MARK: Connections

    private func connect(_ index: Int) {
        do throws(DriverError) {
            let socket = try LoadSocket(to: settings.targets[connections[index].node].address)
            try readiness.add(socket.descriptor)
            connections[index].open(socket, at: now)
            flush(index)
        } catch {
            connections[index].close(at: now)
        }
    }

    /// Tries the first connection of a node that is away, twice a second, and the others once that one was answered.
    private func reconnect(_ time: UInt64) {
        for index in connections.indices where connections[index].isClosed {
            let connection = connections[index]
            if connection.isFirst {
                if time > connection.since + 500_000_000 { connect(index) }
            } else if time > connection.since + 50_000_000, connections[connection.node].wasAnswered {
                connect(index)
            }
        }
    }

    private func flush(_ index: Int) {
        guard let socket = connections[index].socket else { return }
        do throws(DriverError) {
            try socket.flush()
            if !socket.output.isEmpty { readiness.awaitRoom(socket.descriptor) }
        } catch {
            lose(index, error.description)
        }
    }

    private func wait(until due: UInt64, now time: UInt64) {
        let nanoseconds = due > time ? min(20_000_000, due - time) : 0
        for index in connections.indices where connections[index].socket?.output.isEmpty == false { flush(index) }
        do throws(DriverError) { try readiness.wait(nanoseconds) } catch { return }
        for index in connections.indices {
            guard let descriptor = connections[index].descriptor, readiness.isReadable(descriptor) else { continue }
            receive(index)
        }
    }

    private func receive(_ index: Int) {
        guard let socket = connections[index].socket else { return }
        do throws(DriverError) {
            guard try socket.receive() > 0 else { return }
            var offset = 0
            var answered: DrillOperation?
            let pending = connections[index].pending
            let isWhole = try socket.input.withBytes { (input: RawSpan) throws(DriverError) -> Bool in
                guard let reply = try ReplyScanner.next(in: input, at: &offset) else { return false }
                if let pending { answered = judge(reply, pending, input) }
                return true
            }
            guard isWhole else { return }
            socket.input.consume(offset)
            connections[index].answered(at: now)
            if let answered { finish(answered) }
        } catch {
            lose(index, error.description)
        }
    }

    private func judge(_ reply: ReplyScanner.Reply, _ pending: DrillOperation, _ input: RawSpan) -> DrillOperation {
        var operation = pending
        operation.returned = now
        operation.outcome = .ok
        switch (reply, pending.kind) {
        case (.status, .write), (.integer, .delete): break
        case (.null, .read): operation.value = 0
        case (.bulk(let range), .read):
            let key = settings.keys[Int(pending.key)]
            operation.value =
                key.write(of: input.extracting(range), bytes: settings.valueBytes) ?? DrillOperation.foreign
        case (.error(let range), _):
            let text = input.extracting(range).text
            let word = String(text.prefix { $0 != " " })
            record.refusals[text, default: 0] += 1
            operation.outcome = ["OOM", "BUSY", "TOOLARGE", "NOQUORUM"].contains(word) ? .notApplied : .unknown
        default: operation.outcome = .unknown
        }
        return operation
    }
}
