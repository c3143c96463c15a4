internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// A command over a whole keyspace, on its way: what it was asked, so that it may take many turns.
enum KeyspaceRequest: Sendable {
    case scan(ScanOptions)
    case keys(GlobPattern)
    case size
    case randomKey
    case flush(keyspaces: [Int])
    case countKeysInSlot(UInt16)

    /// Reads the command's arguments; nil if they are not well formed, and the error has been appended.
    init?(_ name: String, _ input: RawSpan, _ call: Invocation) {
        switch name {
        case "scan":
            guard let options = ScanOptions.parse(input, call) else { return nil }
            self = .scan(options)
        case "keys":
            self = .keys(GlobPattern(input.extracting(call[1])))
        case "dbsize":
            self = .size
        case "randomkey":
            self = .randomKey
        case "flushdb", "flushall":
            guard KeyspaceOptions.parseFlush(input, call) else { return nil }
            let all = Array(call.session.server.keyspaceNames.indices)
            self = .flush(keyspaces: name == "flushall" ? all : [call.session.keyspace])
        default:
            guard let slot = KeyspaceOptions.parseSlot(input, call) else { return nil }
            self = .countKeysInSlot(slot)
        }
    }

    /// Runs it on a keyspace; answers the encoded reply.
    func reply(by node: Node, worker: Int, keyspace: Int, version: Int) async -> [UInt8] {
        var writer = ReplyWriter(version: version)
        do throws(StorageError) {
            switch self {
            case .scan(let options): try await scan(options, node.replicas[worker], keyspace, &writer)
            case .keys(let pattern): try await keys(pattern, node.replicas[worker], keyspace, &writer)
            case .size: writer.integer(try await node.count(keyspace: keyspace))
            case .randomKey: try await randomKey(node, worker, keyspace, &writer)
            case .flush(let keyspaces): try await flush(keyspaces, node, &writer)
            case .countKeysInSlot(let slot):
                let page = try await node.replicas[worker].page(
                    keyspace: keyspace, from: UInt64(slot) << 40, limit: .max, slot: slot)
                writer.integer(page.keys.count)
            }
        } catch {
            writer.buffer.removeAll()
            writer.error(TransactionFailure(error).reply)
        }
        return writer.buffer.copy()
    }

    private func flush(_ keyspaces: [Int], _ node: Node, _ writer: inout ReplyWriter) async throws(StorageError) {
        for (done, keyspace) in keyspaces.enumerated() {
            do throws(StorageError) {
                try await node.flush(keyspace: keyspace)
            } catch {
                // Some are empty already: it is neither applied nor not applied.
                guard done > 0 else { throw error }
                return writer.error("UNKNOWN \(done) of \(keyspaces.count) keyspaces are flushed: \(error.message)")
            }
        }
        writer.ok()
    }

    private func scan(
        _ options: ScanOptions, _ replica: Replica, _ keyspace: Int, _ writer: inout ReplyWriter
    ) async throws(StorageError) {
        var steps = GlobPattern.usualSteps
        var found: [[UInt8]] = []
        var next: UInt64? = 0
        // A cursor is one more than the place the page begins at, so that 0 is the beginning and the end.
        if options.cursor <= Self.cursorLimit {
            let start = options.cursor == 0 ? 0 : options.cursor - 1
            let page = try await replica.page(
                keyspace: keyspace, from: start, limit: Int(clamping: min(options.count, 1 << 20)))
            found = options.takesStrings ? page.keys : []
            if let pattern = options.pattern {
                found = found.filter { key in withBytes(of: key) { pattern.matches($0, steps: &steps) } }
            }
            next = page.next.map { $0 + 1 }
        }
        guard steps > 0 else { return writer.refuse(GlobPattern.refusal) }
        writer.array(2)
        writer.bulk("\(next ?? 0)")
        writer.array(found.count)
        for key in found { withBytes(of: key) { writer.bulk($0) } }
    }

    /// The greatest cursor: one more than the last slot's last hash.
    private static let cursorLimit = UInt64(Slot.count) << 40

    private func keys(
        _ pattern: GlobPattern, _ replica: Replica, _ keyspace: Int, _ writer: inout ReplyWriter
    ) async throws(StorageError) {
        var steps = GlobPattern.usualSteps
        var found: [[UInt8]] = []
        var place: UInt64? = 0
        while let from = place {
            let page = try await replica.page(keyspace: keyspace, from: from, limit: 1000)
            found += page.keys.filter { key in
                pattern.isEverything || withBytes(of: key) { pattern.matches($0, steps: &steps) }
            }
            place = page.next
        }
        guard steps > 0 else { return writer.refuse(GlobPattern.refusal) }
        writer.array(found.count)
        for key in found { withBytes(of: key) { writer.bulk($0) } }
    }

    /// The first live key from a random place on; keys are spread evenly by their hash.
    private func randomKey(
        _ node: Node, _ worker: Int, _ keyspace: Int, _ writer: inout ReplyWriter
    ) async throws(StorageError) {
        let start = node.environment.random.next() % (UInt64(Slot.count) << 40)
        for beginning in [start, 0] {
            var place: UInt64? = beginning
            while let from = place {
                let page = try await node.replicas[worker].page(keyspace: keyspace, from: from, limit: 16)
                if let key = page.keys.first { return withBytes(of: key) { writer.bulk($0) } }
                place = page.next
            }
        }
        writer.null()
    }
}
