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
    case keysInSlot(UInt16, limit: Int)

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
        case "cluster|getkeysinslot":
            guard let (slot, limit) = KeyspaceOptions.parseSlotAndCount(input, call) else { return nil }
            self = .keysInSlot(slot, limit: limit)
        default:
            guard let slot = KeyspaceOptions.parseSlot(input, call) else { return nil }
            self = .countKeysInSlot(slot)
        }
    }

    /// Runs it; answers the encoded reply.
    func reply(to asker: KeyspaceAsker) async -> [UInt8] {
        var writer = ReplyWriter(version: asker.version)
        do throws(TransactionFailure) {
            switch self {
            case .scan(let options): try await scan(options, asker, &writer)
            case .keys(let pattern): try await keys(pattern, asker, &writer)
            case .size:
                var walk = await asker.walk()
                writer.integer(try await walk.count())
            case .randomKey: try await randomKey(asker, &writer)
            case .flush(let keyspaces):
                try await asker.flush(keyspaces)
                writer.ok()
            case .countKeysInSlot(let slot): writer.integer(try await asker.keys(inSlot: slot, limit: .max).count)
            case .keysInSlot(let slot, let limit):
                let keys = try await asker.keys(inSlot: slot, limit: limit)
                writer.array(keys.count)
                for key in keys { withBytes(of: key) { writer.bulk($0) } }
            }
        } catch {
            writer.buffer.removeAll()
            writer.error(error.reply)
        }
        return writer.buffer.copy()
    }

    private func scan(
        _ options: ScanOptions, _ asker: KeyspaceAsker, _ writer: inout ReplyWriter
    ) async throws(TransactionFailure) {
        var steps = GlobPattern.usualSteps
        var found: [[UInt8]] = []
        var next: UInt64? = 0
        // A cursor is one more than the place the page begins at, so that 0 is the beginning and the end.
        if options.cursor <= Self.cursorLimit {
            let start = options.cursor == 0 ? 0 : options.cursor - 1
            var walk = await asker.walk()
            let page = try await walk.page(from: start, limit: Int(clamping: min(options.count, 1 << 20)))
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
        _ pattern: GlobPattern, _ asker: KeyspaceAsker, _ writer: inout ReplyWriter
    ) async throws(TransactionFailure) {
        var steps = GlobPattern.usualSteps
        var found: [[UInt8]] = []
        var walk = await asker.walk()
        var place: UInt64? = 0
        while let from = place {
            let page = try await walk.page(from: from, limit: 1000)
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
    private func randomKey(_ asker: KeyspaceAsker, _ writer: inout ReplyWriter) async throws(TransactionFailure) {
        let start = asker.node.environment.random.next() % (UInt64(Slot.count) << 40)
        var walk = await asker.walk()
        for beginning in [start, 0] {
            var place: UInt64? = beginning
            while let from = place {
                let page = try await walk.page(from: from, limit: 16)
                if let key = page.keys.first { return withBytes(of: key) { writer.bulk($0) } }
                place = page.next
            }
        }
        writer.null()
    }
}
