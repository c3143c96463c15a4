internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// Running commands on a node of several workers, where a command's keys may belong to another worker.
///
/// Commands that came together are taken in *windows*: each keyed command goes to its worker, one message per worker
/// and window, the workers run them at the same time, and the replies are put together in the commands' order. A
/// command of the connection, over a keyspace, or over keys of several workers ends the window before it.
extension ClientConnection {
    /// Commands in one window at most.
    private static var windowLimit: Int { 1024 }

    /// As ``run(_:_:)``, for several workers.
    func runRouted(_ bytes: RawSpan, _ coordinator: isolated ReplicaCoordinator) -> Int {
        var window = RoutedWindow(workers: door.node.coordinators.count)
        let call = door.call
        var offset = 0
        let now = coordinator.wallMilliseconds
        session.lastActiveAt = now * 1000
        while stall == nil, !session.closesAfterReply, !isClosed, !isMuted, window.order.count < Self.windowLimit {
            var ahead = parser
            let step = ahead.next(bytes, at: offset, into: &call.arguments)
            var end = bytes.byteCount
            var goesOn = true
            switch step {
            case .command(let after):
                end = after
                if !call.arguments.isEmpty { goesOn = route(bytes, call, now, &window, coordinator) }
            case .inline(let after):
                end = after
                if !call.arguments.isEmpty {
                    goesOn = withBytes(of: ahead.inlineBytes) { route($0, call, now, &window, coordinator) }
                }
            case .malformed(let reply):
                goesOn = window.isEmpty
                if goesOn {
                    stream.write { output in
                        output.append("-")
                        output.append(reply)
                        output.append("\r\n")
                    }
                    session.closesAfterReply = true
                }
            case .incomplete:
                parser = ahead
                end = offset
                goesOn = false
            }
            guard goesOn else { break }
            parser = ahead
            offset = end
        }
        if !window.isEmpty { dispatch(window) }
        settle(coordinator)
        return isClosed || session.closesAfterReply ? bytes.byteCount : offset
    }

    /// Puts a command into the window or runs it here; false if the window has to be run before it.
    private func route(
        _ input: RawSpan, _ call: Invocation, _ now: Int64, _ window: inout RoutedWindow,
        _ coordinator: isolated ReplicaCoordinator
    ) -> Bool {
        var target = -1
        var isSpread = false
        door.forEachKey(input, call.arguments) { key in
            let worker = door.node.worker(of: key)
            if target >= 0, worker != target { isSpread = true }
            target = worker
        }
        if session.replyMode != .on, !window.isEmpty { return false }  // what is muted goes alone
        if target >= 0, !isSpread {
            isMuted = takeMuting()
            window.add(input, call.arguments, to: target, session)
            return true
        }
        guard window.isEmpty else { return false }
        if isSpread {
            if let row = door.table.row(input, call.arguments), let refusal = door.refusal(row) {
                stream.write { swap(&$0, &call.reply.buffer) }
                call.reply.refuse(refusal)
                stream.write { swap(&$0, &call.reply.buffer) }
                return true
            }
            isMuted = takeMuting()
            runGathered(input, call)
        } else {
            // Replies of commands of the connection are not held back: nothing before them is under way.
            stream.write { swap(&$0, &call.reply.buffer) }
            call.session = session
            call.reply.version = session.protocolVersion
            perform(input, call, now, coordinator)
            stream.write { swap(&$0, &call.reply.buffer) }
        }
        return true
    }

    /// Sends each worker its part of the window; the connection stalls until all replies are there.
    private func dispatch(_ window: RoutedWindow) {
        stall = .running
        let pending = PendingWindow(window)
        let home = Confined((self, pending), on: coordinator.loop)
        for (worker, run) in window.runs.enumerated() {
            guard let run else { continue }
            if worker == door.worker {
                door.execute(run) { _ in home.value.0.finishPart(home.value.1) }
            } else {
                let run = Confined(run)
                door.doors[worker].post { door in
                    door.execute(run.value) { _ in home.post { $0.0.finishPart($0.1) } }
                }
            }
        }
    }

    private func finishPart(_ pending: PendingWindow) {
        pending.missing -= 1
        guard pending.missing == 0, !isClosed else { return }
        stream.write { output in
            for worker in pending.window.order {
                pending.window.runs[worker]?.takeReply { if !isMuted { output.append($0) } }
            }
        }
        isMuted = false
        stall = nil
        // Called within `dispatch` if all parts were here: the caller goes on with the rest.
        let me = Confined(self, on: coordinator.loop)
        coordinator.loop.atTurnEnd { me.value.resumeIfIdle() }
    }

    private func runGathered(_ input: RawSpan, _ call: Invocation) {
        stall = .running
        var keys: [Int: [[UInt8]]] = [:]
        door.forEachKey(input, call.arguments) { keys[door.node.worker(of: $0), default: []].append($0.array) }
        var copied = ByteBuffer()
        var places: [Range<Int>] = []
        for range in call.arguments {
            let start = copied.count
            copied.append(input.extracting(range))
            places.append(start..<copied.count)
        }
        let command = GatheredCommand(
            input: copied.copy(), arguments: places, keyspace: session.keyspace, version: session.protocolVersion,
            keys: keys.sorted { $0.key < $1.key }.map { (worker: $0.key, keys: $0.value) })
        let me = Confined(self, on: coordinator.loop)
        let (node, doors, worker) = (door.node, door.doors, door.worker)
        node.environment.spawn("gathered command", on: worker) {
            let reply = await command.reply(node: node, doors: doors, home: worker)
            me.post { $0.finishApart(reply) }
        }
    }
}

/// A run of commands by worker, and which worker each went to.
struct RoutedWindow {
    var runs: [CommandRun?]
    var order: [Int] = []

    init(workers: Int) { runs = Array(repeating: nil, count: workers) }

    var isEmpty: Bool { order.isEmpty }

    mutating func add(_ input: RawSpan, _ arguments: [Range<Int>], to worker: Int, _ session: Session) {
        let run = runs[worker] ?? CommandRun(keyspace: session.keyspace, version: session.protocolVersion)
        runs[worker] = run
        run.add(input, arguments)
        order.append(worker)
    }
}

/// A window whose parts are being run.
final class PendingWindow {
    let window: RoutedWindow
    var missing: Int

    init(_ window: RoutedWindow) {
        self.window = window
        missing = window.runs.count { $0 != nil }
    }
}
