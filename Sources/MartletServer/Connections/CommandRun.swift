internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// Commands of one connection whose keys all belong to one worker, on their way there and back.
///
/// It owns copies of the commands' bytes and is used by one loop at a time: the connection's, its worker's, and the
/// connection's again with the replies.
final class CommandRun {
    private var input = ByteBuffer()
    private var arguments: [Range<Int>] = []
    /// Where each command's arguments end in `arguments`.
    private var ends: [Int] = []
    let keyspace: Int
    let version: Int
    private var replies = ByteBuffer()
    private var replyEnds: [Int] = []
    private var nextReply = 0
    /// Per command the commit its reply waits for; 0 for none.
    private var commits: [UInt64] = []
    private let residency = Residency()

    init(keyspace: Int, version: Int) {
        self.keyspace = keyspace
        self.version = version
    }

    var count: Int { ends.count }

    func add(_ bytes: RawSpan, _ ranges: [Range<Int>]) {
        for range in ranges {
            let start = input.count
            input.append(bytes.extracting(range))
            arguments.append(start..<input.count)
        }
        ends.append(arguments.count)
    }

    /// Lends the next command's reply, in the order they were added.
    func takeReply(_ body: (RawSpan) -> Void) {
        let start = nextReply == 0 ? 0 : replyEnds[nextReply - 1]
        replies.withBytes(start..<replyEnds[nextReply], body)
        nextReply += 1
    }

    // MARK: At the worker

    /// Asks for the records of all commands; true if they are all resident.
    func makeResident(_ door: FrontDoor, _ coordinator: isolated ReplicaCoordinator) -> Bool {
        if residency.isEmpty, !coordinator.isInline {
            forEachCommand { input, arguments in
                door.forEachKey(input, arguments) { coordinator.name($0, keyspace: keyspace, in: residency) }
            }
            coordinator.requireNamed(in: residency)
        }
        return residency.isReady
    }

    /// Runs all commands; their records are resident.
    func perform(_ door: FrontDoor, _ coordinator: isolated ReplicaCoordinator, session: Session) {
        let call = door.call
        let outer = (call.session, call.reply.version)
        call.session = session
        call.reply.version = version
        swap(&replies, &call.reply.buffer)
        let now = coordinator.wallMilliseconds
        forEachCommand { input, arguments in
            call.arguments = arguments
            commits.append(Self.perform(input, call, now, door, coordinator, keyspace: keyspace))
            replyEnds.append(call.reply.buffer.count)
        }
        swap(&replies, &call.reply.buffer)
        (call.session, call.reply.version) = outer
        residency.release()
    }

    /// Runs one command on resident records and appends its reply; returns the commit to wait for.
    static func perform(
        _ input: RawSpan, _ call: Invocation, _ now: Int64, _ door: FrontDoor,
        _ coordinator: isolated ReplicaCoordinator, keyspace: Int
    ) -> UInt64 {
        let start = call.reply.buffer.count
        guard let row = door.table.find(input, call) else { return 0 }
        door.commands &+= 1
        return door.perform(row, input, call, now, keyspace: keyspace, from: start)
    }

    /// Whether no reply waits any more; those whose commit failed have become the error.
    func isSettled(_ coordinator: isolated ReplicaCoordinator) -> Bool {
        var failures: [Int: String] = [:]
        for (index, commit) in commits.enumerated() where commit > 0 {
            switch coordinator.state(of: commit) {
            case .pending: return false
            case .done: commits[index] = 0
            case .failed(let reply): failures[index] = reply
            }
        }
        if !failures.isEmpty { replace(failures) }
        return true
    }

    private func replace(_ failures: [Int: String]) {
        var writer = ReplyWriter(version: version)
        var ends: [Int] = []
        for index in replyEnds.indices {
            let start = index == 0 ? 0 : replyEnds[index - 1]
            if let reply = failures[index] {
                writer.error(reply)
            } else {
                replies.withBytes(start..<replyEnds[index]) { writer.buffer.append($0) }
            }
            ends.append(writer.buffer.count)
            commits[index] = 0
        }
        replyEnds = ends
        swap(&replies, &writer.buffer)
    }

    private func forEachCommand(_ body: (RawSpan, [Range<Int>]) -> Void) {
        input.withBytes { input in
            var start = 0
            for end in ends {
                body(input, Array(arguments[start..<end]))
                start = end
            }
        }
    }
}
