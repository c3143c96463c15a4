internal import Glibc
internal import MartletCore
internal import MartletRuntime

/// What one run of load is.
struct LoadRun: Sendable {
    var workload: Workload
    var distribution: KeyDistribution
    /// Requests a second, or nil to find out how many go.
    var rate: Double?
    /// Ends after this time ...
    var duration: Duration
    /// ... or when this many requests were sent.
    var limit = Int.max
    var seed: UInt64
    /// Of one point of the timeline.
    var slice = Duration.milliseconds(250)
}

/// What one run of load came to.
struct LoadResult: Sendable {
    var requests = 0
    /// From the first request to the last reply.
    var seconds = 0.0
    var latency = LatencyHistogram()
    var timeline: [Timeline.Slice] = []
    /// Replies that were an error of the node, and the first of them.
    var errors = 0
    var firstError: String?
    /// Replies that were not a value written for that key.
    var wrong = 0
    /// Reads of a record that had been written and was not there.
    var missing = 0
    /// Bytes of keys and values in acknowledged writes.
    var bytesWritten: UInt64 = 0
    /// Requests due that were not sent in time; each counts in the latency with what it had waited.
    var abandoned = 0
    /// Share of the run's time that the driver itself was computing: near 1 the driver is the limit, not the node.
    var driverBusy = 0.0

    var throughput: Double { seconds > 0 ? Double(requests) / seconds : 0 }
}

/// Sends a workload over pipelined connections and measures each request; one thread, which is the caller's.
///
/// Every reply is checked: a value has to be one that was written for its key.
final class LoadDriver {
    private let connections: [LoadConnection]
    private let window: Int
    private let clock: any NodeClock
    private let bytes: RecordBytes
    private let isInterrupted: () -> Bool
    /// Records that exist: numbers below it were inserted and acknowledged.
    private(set) var records: AcknowledgedRecords
    private var version: UInt32 = 1
    private var random = WorkloadRandom(seed: 0)
    private var run = LoadRun(workload: .c, distribution: .uniform, duration: .zero, seed: 0)
    /// Of the run that is going on, or that failed: what it came to so far.
    private(set) var result = LoadResult()
    /// The records to be read one after the other, where they are given.
    private var sequence: [Int]?
    private var timeline = Timeline(start: 0, length: 1)
    private var readiness = Readiness()
    /// Where the search for a connection with room begins.
    private var turn = 0

    /// Hears the record of each acknowledged write, where a caller keeps account of them.
    var acknowledged: ((_ record: Int) -> Void)?
    /// Is called in each round with the time, where a caller has something to do meanwhile.
    var meanwhile: ((_ now: MonotonicTime) -> Void)?

    init(
        to address: SocketAddress, connections count: Int, window: Int, bytes: RecordBytes, clock: any NodeClock,
        existing: Int = 0, isInterrupted: @escaping () -> Bool = { false }
    ) throws(DriverError) {
        self.window = window
        self.clock = clock
        self.bytes = bytes
        self.isInterrupted = isInterrupted
        records = AcknowledgedRecords(existing: existing)
        var connections: [LoadConnection] = []
        for _ in 0..<count { connections.append(try LoadConnection(to: address, window: window)) }
        self.connections = connections
        for connection in connections { try readiness.add(connection.socket.descriptor) }
    }

    private var now: UInt64 { clock.monotonic.nanoseconds }

    /// Reads each of these records once; the result says which answers were no value of theirs.
    func readAll(_ records: [Int]) throws(DriverError) -> LoadResult {
        sequence = records
        defer { sequence = nil }
        return try perform(
            LoadRun(
                workload: .c, distribution: .uniform, duration: .seconds(60), limit: records.count, seed: 0))
    }

    /// Runs to the end and waits for the replies that are out, at most ten seconds.
    func perform(_ run: LoadRun) throws(DriverError) -> LoadResult {
        self.run = run
        random = WorkloadRandom(seed: run.seed)
        result = LoadResult()
        let length = UInt64(clamping: run.duration.inNanoseconds)
        let start = now
        var schedule = LoadSchedule(rate: run.rate, start: start, end: start + length)
        timeline = Timeline(start: start, length: UInt64(clamping: run.slice.inNanoseconds))
        var chooser = KeyChooser(run.distribution, records: max(1, records.count))
        let processor = Self.processorTime()
        // A node that is behind may still get what was due, for as long again; then it has missed it.
        let patience = start + 2 * length
        var isSending = true
        while true {
            let time = now
            if isSending, time < patience {
                isSending = issue(&schedule, &chooser, now: time)
            } else {
                isSending = false
            }
            try flush()
            if !isSending, connections.allSatisfy({ $0.inFlight == 0 }) { break }
            if time > patience + 10_000_000_000 { throw DriverError("the node did not answer for ten seconds") }
            try receive(until: isSending ? schedule.nextDue(now: time) : nil, now: time)
            if isInterrupted() { throw DriverError("interrupted") }
            meanwhile?(MonotonicTime(nanoseconds: time))
        }
        let end = now
        giveUp(&schedule, at: end)
        timeline.finish(at: end)
        result.timeline = timeline.slices
        result.seconds = Double(max(1, end - start)) / 1e9
        result.driverBusy = min(1, (Self.processorTime() - processor) / result.seconds)
        return result
    }

    /// Sends what is due and finds room; answers whether more will be due.
    private func issue(_ schedule: inout LoadSchedule, _ chooser: inout KeyChooser, now: UInt64) -> Bool {
        while schedule.issued < run.limit {
            guard let due = schedule.nextDue(now: now) else { return false }
            guard due <= now, let connection = connectionWithRoom() else { return true }
            _ = schedule.take(now: now)
            if let sequence {
                send(.read, sequence[schedule.issued - 1], on: connection, intended: due)
                continue
            }
            var kind = run.workload.request(&random)
            if kind != .insert, records.count == 0 { kind = .insert }
            let record = kind == .insert ? records.begin() : chooser.next(records: records.count, &random)
            send(kind, record, on: connection, intended: due)
        }
        return false
    }

    private func connectionWithRoom() -> LoadConnection? {
        for _ in connections.indices {
            let connection = connections[turn]
            // Stays on a connection until its window is full in a closed loop: fewer, larger packets.
            if run.rate != nil || connection.inFlight >= window { turn = turn + 1 == connections.count ? 0 : turn + 1 }
            if connection.inFlight < window { return connection }
        }
        return nil
    }

    private func send(_ kind: RequestKind, _ record: Int, on connection: LoadConnection, intended: UInt64) {
        var written: UInt32 = 0
        switch kind {
        case .read, .modify:
            connection.socket.output.append("*2\r\n$3\r\nGET\r\n$20\r\n")
            RecordBytes.appendKey(record, to: &connection.socket.output)
        case .update, .insert, .modifyWrite:
            version &+= 1
            written = version
            connection.socket.output.append("*3\r\n$3\r\nSET\r\n$20\r\n")
            RecordBytes.appendKey(record, to: &connection.socket.output)
            connection.socket.output.append("\r\n$")
            connection.socket.output.append(decimal: Int64(bytes.valueSize))
            connection.socket.output.append("\r\n")
            bytes.appendValue(record, version: written, to: &connection.socket.output)
        }
        connection.socket.output.append("\r\n")
        connection.push(PendingRequest(kind: kind, record: record, version: written, intended: intended))
    }

    /// Sends what was written and watches for room where some could not be.
    private func flush() throws(DriverError) {
        for connection in connections where !connection.socket.output.isEmpty {
            try connection.socket.flush()
            if !connection.socket.output.isEmpty { readiness.awaitRoom(connection.socket.descriptor) }
        }
    }

    /// Waits for replies, or until a request is due, and takes the replies that are there.
    private func receive(until due: UInt64?, now: UInt64) throws(DriverError) {
        let longest: UInt64 = 100_000_000
        var nanoseconds = longest
        // Without room in any window, as ever in a closed loop, only a reply makes the next request possible.
        if let due, connections.contains(where: { $0.inFlight < window }) {
            nanoseconds = due > now ? min(longest, due - now) : 0
        }
        try readiness.wait(nanoseconds)
        for connection in connections where readiness.isReadable(connection.socket.descriptor) {
            try receive(on: connection)
        }
    }

    private func receive(on connection: LoadConnection) throws(DriverError) {
        guard try connection.socket.receive() > 0 else { return }
        let time = now
        var offset = 0
        while let pending = try reply(on: connection, at: &offset) {
            if pending.kind == .modify {
                send(.modifyWrite, pending.record, on: connection, intended: pending.intended)
            } else {
                let latency = time > pending.intended ? time - pending.intended : 0
                result.requests += 1
                result.latency.record(latency)
                timeline.record(latency, at: time)
            }
        }
        connection.socket.input.consume(offset)
    }

    /// The next reply of a connection, checked; answers the request it belongs to.
    private func reply(on connection: LoadConnection, at offset: inout Int) throws(DriverError) -> PendingRequest? {
        var at = offset
        let done = try connection.socket.input.withBytes { (input: RawSpan) throws(DriverError) -> PendingRequest? in
            guard let reply = try ReplyScanner.next(in: input, at: &at) else { return nil }
            guard let pending = connection.pop() else { throw DriverError("the node sent a reply to nothing") }
            judge(reply, pending, input)
            return pending
        }
        offset = at
        return done
    }

    private func judge(_ reply: ReplyScanner.Reply, _ pending: PendingRequest, _ input: RawSpan) {
        switch (reply, pending.kind) {
        case (.status, .update), (.status, .insert), (.status, .modifyWrite):
            result.bytesWritten += UInt64(RecordBytes.keySize + bytes.valueSize)
            if pending.kind == .insert { records.finish(pending.record) }
            acknowledged?(pending.record)
        case (.bulk(let range), .read), (.bulk(let range), .modify):
            if bytes.version(of: input.extracting(range), record: pending.record) == nil { result.wrong += 1 }
        case (.null, .read), (.null, .modify):
            result.missing += 1
        case (.error(let range), _):
            result.errors += 1
            if result.firstError == nil { result.firstError = input.extracting(range).text }
            if pending.kind == .insert { records.finish(pending.record) }
        default:
            result.wrong += 1
        }
    }

    /// Counts what was due and never sent, with the time it had waited by then.
    private func giveUp(_ schedule: inout LoadSchedule, at end: UInt64) {
        guard run.rate != nil else { return }
        while schedule.issued < run.limit, let due = schedule.take(now: end) {
            result.abandoned += 1
            result.latency.record(end - due)
        }
    }

    /// Seconds of processor time that this process used.
    private static func processorTime() -> Double {
        var usage = rusage()
        _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}
