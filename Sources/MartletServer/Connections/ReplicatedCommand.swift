internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// A keyed command on a node that is one of several: read from the owners, run over what they hold, written to them.
///
/// What writes is coordinated by the first live owner of its key, one command at a time per key, so that a
/// read-modify-write is atomic while all nodes agree on who that is. Commands over keys of several partitions go key by
/// key where that means the same (MGET, MSET, DEL, UNLINK, EXISTS, TOUCH), and are refused where it does not.
struct ReplicatedCommand: Sendable {
    var command: ForwardedCommand
    /// It was handed over by another node, and is not handed on.
    var isForwarded = false

    /// Runs it from any task; answers the encoded reply.
    func reply(door: Confined<FrontDoor>, node: Node) async -> [UInt8] {
        var command = self
        if !isForwarded, let fault = command.takeLevel() { return error("ERR \(fault.message)") }
        return await command.placedReply(door: door, node: node)
    }

    /// Takes what one of our own commands says of its level, in the place of the connection's.
    private mutating func takeLevel() -> ConsistencyFault? {
        do throws(ConsistencyFault) {
            guard let (level, isWrite) = try MartletOptions.level(of: command.arguments) else { return nil }
            if isWrite { command.levels.write = level }
            // A write has to find the context and the tokens that it builds on: but where few replicas are asked to
            // hold it, no more are needed to begin.
            if !isWrite || ![.quorum, .all, .eachQuorum].contains(level) { command.levels.read = level }
            return nil
        } catch {
            return error
        }
    }

    private func placedReply(door: Confined<FrontDoor>, node: Node) async -> [UInt8] {
        let (input, places) = (command.input, command.places)
        let (keys, isWrite, overwrites) = await door.call { door -> ([[UInt8]], Bool, Bool) in
            withBytes(of: input) { input in
                var keys: [[UInt8]] = []
                door.forEachKey(input, places) { keys.append($0.array) }
                guard let row = door.table.row(input, places) else { return (keys, false, false) }
                let overwrites = door.table.uses[row].overwrites(input, places)
                return (keys, door.table.rows[row].flags.contains("write"), overwrites)
            }
        }
        guard Set(keys.map(slot)).count <= 1 else {
            return await splitReply(keys, door, node)
        }
        let coordinator = node.coordinators[keys.first.map { withBytes(of: $0) { node.worker(of: $0) } } ?? 0]
        if isForwarded {
            // Nothing says to who handed it over that it was not run.
            guard await mayRunHere(keys, isWrite, coordinator) else { return [] }
            return await replyHere(keys, isWrite, overwrites, door, coordinator)
        }
        var refused: Set<UInt32> = []
        while true {
            switch await place(of: keys, isWrite, coordinator, without: refused) {
            case .here: return await replyHere(keys, isWrite, overwrites, door, coordinator)
            case .nobody:
                if await coordinator.isClockOff {
                    return error("BUSY this node's clock is off, and no other owner takes the command")
                }
                return error(
                    refused.isEmpty
                        ? "NOQUORUM no owner of the key can be reached and is caught up"
                        : "BUSY the owners of the key take no command for now")
            case .node(let node):
                guard let reply = await coordinator.forward(command, to: node) else {
                    return error("UNKNOWN the owner that coordinated the command did not answer")
                }
                guard reply.isEmpty else { return reply }
                refused.insert(node)
            }
        }
    }

    private func mayRunHere(_ keys: [[UInt8]], _ isWrite: Bool, _ coordinator: isolated ReplicaCoordinator) -> Bool {
        guard isWrite, let key = keys.first else { return true }
        return withBytes(of: key) { coordinator.mayCoordinate($0, keyspace: command.keyspace) }
    }

    private func slot(_ key: [UInt8]) -> UInt16 { withBytes(of: key) { Slot.of($0) } }

    private func error(_ reply: String) -> [UInt8] {
        var writer = ReplyWriter(version: command.version)
        writer.error(reply)
        return writer.buffer.copy()
    }

    private func place(
        of keys: [[UInt8]], _ isWrite: Bool, _ coordinator: isolated ReplicaCoordinator, without refused: Set<UInt32>
    ) -> ReplicaCoordinator.Place {
        guard let key = keys.first else { return .here }
        // What a data center answers for by itself, it also queues by itself.
        let isNear = coordinator.isLocal(command.levels.write, keyspace: command.keyspace, isWrite: true)
        return withBytes(of: key) {
            // Where there is nothing to ask the level is refused.
            guard !isNear || coordinator.hasOwnerNear($0, keyspace: command.keyspace) else { return .here }
            return coordinator.place(
                of: $0, keyspace: command.keyspace, isWrite: isWrite, isNear: isNear, without: refused)
        }
    }

    private func replyHere(
        _ keys: [[UInt8]], _ isWrite: Bool, _ overwrites: Bool, _ door: Confined<FrontDoor>,
        _ coordinator: ReplicaCoordinator
    ) async -> [UInt8] {
        let gates = isWrite ? Set(keys).sorted { $0.lexicographicallyPrecedes($1) } : []
        await coordinator.enter(keys: gates, keyspace: command.keyspace)
        let reply = await replyAlone(keys, overwrites, door, coordinator)
        await coordinator.leave(keys: gates, keyspace: command.keyspace)
        return reply
    }

    /// Reads, runs and writes while no other command writes the keys by way of this node.
    private func replyAlone(
        _ keys: [[UInt8]], _ overwrites: Bool, _ door: Confined<FrontDoor>, _ coordinator: ReplicaCoordinator
    ) async -> [UInt8] {
        var records: [RecordCopy] = []
        var answered: [String] = []
        var standIns = 0
        for key in keys {
            let result = await coordinator.replicatedRecord(
                of: key, keyspace: command.keyspace, level: command.levels.read)
            switch result {
            case .success(let read):
                records.append(read.record)
                answered = read.answered
                standIns = read.standIns
            case .failure(let failure):
                // No owner can be asked, and what is written does not depend on what they hold.
                guard overwrites, failure.reply.hasPrefix("NOQUORUM"),
                    let blank = await coordinator.blankRecord(of: key, keyspace: command.keyspace)
                else { return ReplyWriter.error(failure, version: command.version) }
                records.append(blank)
            }
        }
        let (copies, owners, fillers) = (records, answered, standIns)
        let (input, places) = (command.input, command.places)
        let (keyspace, version) = (command.keyspace, command.version)
        let ran = await door.call {
            $0.run(
                input, places, keyspace: keyspace, version: version, over: copies, answered: owners,
                standIns: fillers)
        }
        var acknowledgement = Acknowledgement(epoch: await coordinator.epoch)
        if let writes = ran.writes {
            switch await coordinator.replicate(writes, keyspace: keyspace, level: command.levels.write) {
            case .success(let outcome): acknowledgement = outcome
            case .failure(let failure): return ReplyWriter.error(failure, version: version)
            }
        }
        guard ran.owesAcknowledgement else { return ran.reply }
        var writer = ReplyWriter(version: version)
        withBytes(of: ran.reply) { writer.buffer.append($0) }
        writer.append(acknowledgement)
        return writer.buffer.copy()
    }

    // MARK: Keys of several partitions

    /// Runs one command for each key and puts the replies together.
    private func splitReply(
        _ keys: [[UInt8]], _ door: Confined<FrontDoor>, _ node: Node
    ) async -> [UInt8] {
        let name = String(decoding: command.arguments[0], as: UTF8.self).lowercased()
        guard ["mget", "mset", "del", "unlink", "exists", "touch"].contains(name) else {
            return error("CROSSSLOT Keys in request don't hash to the same slot")
        }
        guard name != "mset" || command.arguments.count % 2 == 1 else {
            return error("ERR wrong number of arguments for 'mset' command")
        }
        // Of a key that MSET names twice the last value counts.
        let last = Dictionary(keys.enumerated().map { ($1, $0) }) { $1 }
        let parts = keys.enumerated().filter { name != "mset" || last[$1] == $0 }.map { index, key in
            var part = command
            let value = name == "mset" ? [command.arguments[index * 2 + 2]] : []
            let word = name == "mget" ? "get" : name == "mset" ? "set" : name
            part.arguments = [Array(word.utf8), key] + value
            return part
        }
        let replies = await door.replies(to: parts)
        let failures = replies.filter { $0.first == UInt8(ascii: "-") }
        guard let failure = failures.first else { return joined(name, replies) }
        let isWrite = !["mget", "exists", "touch"].contains(name)
        if !isWrite { return failure }
        // As one key's refusal it would say that nothing was applied.
        let isRefused =
            failures.count == replies.count && !failures.contains { $0.starts(with: Array("-UNKNOWN".utf8)) }
        return isRefused ? failure : error("UNKNOWN \(replies.count - failures.count) of \(replies.count) applied")
    }

    private func joined(_ name: String, _ replies: [[UInt8]]) -> [UInt8] {
        var writer = ReplyWriter(version: command.version)
        switch name {
        case "mget":
            writer.array(replies.count)
            for reply in replies { withBytes(of: reply) { writer.buffer.append($0) } }
        case "mset": writer.ok()
        default:
            writer.integer(
                replies.reduce(0) { sum, reply in
                    sum + (Int(String(decoding: reply.dropFirst().prefix { $0 != 13 }, as: UTF8.self)) ?? 0)
                })
        }
        return writer.buffer.copy()
    }
}

extension Confined where Value == FrontDoor {
    /// Runs commands side by side, so that what goes to one owner goes in one message; their replies, in order.
    func replies(to commands: [ForwardedCommand]) async -> [[UInt8]] {
        await withCheckedContinuation { continuation in
            post { door in
                var replies: [[UInt8]] = Array(repeating: [], count: commands.count)
                var missing = commands.count
                for (index, command) in commands.enumerated() {
                    door.run(command, isForwarded: false) { reply in
                        replies[index] = reply
                        missing -= 1
                        if missing == 0 { continuation.resume(returning: replies) }
                    }
                }
            }
        }
    }
}
