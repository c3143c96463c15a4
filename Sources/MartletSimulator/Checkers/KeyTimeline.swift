internal import MartletRuntime

/// One key's writes and reads, prepared so that each question about a read costs O(log writes).
struct KeyTimeline {
    /// Something that gave the key a content: a write, a delete, an expiry, or the beginning.
    struct Write {
        var content: History.Content
        var invoked: MonotonicTime
        /// When it was over at the latest; for ever if nobody knows.
        var returned: MonotonicTime
        var isAcknowledged: Bool
        var stamp: UInt64?
        var client = -1
        var session = -1
        var expiry: Duration?
        var isApplied = true
    }
    struct Read {
        var content: History.Content
        var invoked: MonotonicTime
        var returned: MonotonicTime
        var client: Int
        var session: Int
    }

    let key: History.Key
    private(set) var writes: [Write] = []
    private(set) var reads: [Read] = []
    private var byContent: [History.Content: [Int]] = [:]
    let losses: [Evidence.Loss]
    private let tolerance: Duration
    /// By how many losses have happened: acknowledged writes that these spared, by their end, each with the latest
    /// begin of those up to it.
    private var settled: [[(returned: MonotonicTime, invoked: MonotonicTime)]] = []
    /// Deletes and the like by their begin, each with the latest end of those up to it.
    private var absences: [(invoked: MonotonicTime, returned: MonotonicTime)] = []

    static let forever = MonotonicTime(nanoseconds: .max)

    /// The timelines of all keys of the families named, in the order of the keys. O(operations log operations).
    static func all(_ evidence: Evidence, _ families: Set<History.Key.Family>) -> [KeyTimeline] {
        if let made = evidence.timelines { return made.filter { families.contains($0.key.family) } }
        var writes: [History.Key: [Write]] = [:]
        var reads: [History.Key: [Read]] = [:]
        for operation in evidence.history.operations {
            for (place, key) in operation.keys.enumerated() where families.contains(key.family) {
                switch operation.action {
                case .get, .getTogether:
                    guard case .ok(let contents) = operation.outcome, place < contents.count else { continue }
                    reads[key, default: []].append(
                        Read(
                            content: contents[place], invoked: operation.invoked, returned: operation.returned,
                            client: operation.client, session: operation.session))
                case .set(let value, let expiry):
                    writes[key, default: []].append(write(operation, .value(value), expiry))
                case .put(let value): writes[key, default: []].append(write(operation, .value(value), nil))
                case .setTogether(let value): writes[key, default: []].append(write(operation, .value(value), nil))
                case .delete: writes[key, default: []].append(write(operation, .absent, nil))
                case .increment, .getSiblings, .putSibling: continue
                }
            }
        }
        return Set(writes.keys).union(reads.keys).sorted().map { key in
            KeyTimeline(
                key, writes: writes[key] ?? [], reads: reads[key] ?? [], losses: evidence.losses(of: key),
                evidence)
        }
    }

    /// As ``all(_:_:)``, of those keys alone of which no owner tells an older state for its last.
    static func steady(_ evidence: Evidence, _ families: Set<History.Key.Family>) -> [KeyTimeline] {
        all(evidence, families).filter { !evidence.phantomKeys.contains($0.key) }
    }

    private static func write(
        _ operation: History.Operation, _ content: History.Content, _ expiry: Duration?
    ) -> Write {
        var write = Write(
            content: content, invoked: operation.invoked, returned: operation.returned,
            isAcknowledged: operation.isAcknowledged, stamp: operation.stamp, client: operation.client,
            session: operation.session, expiry: expiry)
        switch operation.outcome {
        case .unknown: write.returned = forever
        case .notApplied: write.isApplied = false
        case .ok, .number: break
        }
        return write
    }

    private init(
        _ key: History.Key, writes: [Write], reads: [Read], losses: [Evidence.Loss], _ evidence: Evidence
    ) {
        let spread = evidence.clockSpread
        self.key = key
        tolerance = evidence.orderTolerance
        self.reads = reads.sorted { $0.invoked < $1.invoked }
        self.losses = losses
        let start = MonotonicTime(nanoseconds: 0)
        self.writes = [Write(content: .absent, invoked: start, returned: start, isAcknowledged: false)]
        for write in writes where write.isApplied {
            self.writes.append(write)
            guard let expiry = write.expiry else { continue }
            let earliest = max(Duration.zero, expiry - spread)
            self.writes.append(
                Write(
                    content: .absent, invoked: write.invoked.advanced(by: earliest), returned: Self.forever,
                    isAcknowledged: false))
        }
        for (index, write) in self.writes.enumerated() { byContent[write.content, default: []].append(index) }
        var latest = start
        for write in self.writes.filter({ $0.content == .absent }).sorted(by: { $0.invoked < $1.invoked }) {
            latest = max(latest, write.returned)
            absences.append((write.invoked, latest))
        }
        settled = (0...losses.count).map { count in
            let passed = losses.sorted { $0.at < $1.at }.prefix(count)
            var begin = start
            return self.writes.filter { write in
                write.isAcknowledged && !passed.contains { write.invoked <= $0.at && write.returned >= $0.from }
            }.sorted { $0.returned < $1.returned }.map { write in
                begin = max(begin, write.invoked)
                return (write.returned, begin)
            }
        }
    }

    /// The latest begin of acknowledged writes that ended before `time`, of those that no crash may have taken.
    private func latestBegin(before time: MonotonicTime, seenAt: MonotonicTime) -> MonotonicTime? {
        let passed = losses.count { $0.at <= seenAt }
        let writes = settled[passed]
        let count = writes.partitioningIndex { $0.returned >= time }
        return count > 0 ? writes[count - 1].invoked : nil
    }

    /// What is wrong with reading `content` between two moments, in a regular register; nil if nothing is.
    func fault(reading content: History.Content, from invoked: MonotonicTime, to returned: MonotonicTime) -> String? {
        let newest = latestBegin(before: invoked, seenAt: returned)
        if content == .absent {
            let count = absences.partitioningIndex { $0.invoked > returned }
            guard let newest, count > 0, newest > (absences[count - 1].returned + tolerance) else { return nil }
            return "\(key) read as absent at \(returned.shown), although a write was acknowledged that began at "
                + "\(newest.shown), and nothing removed it"
        }
        guard let sources = byContent[content] else {
            return "\(key) read as \(content) at \(returned.shown), which nobody wrote there"
        }
        let possible = sources.filter { writes[$0].invoked <= returned }
        guard let last = possible.map({ writes[$0].returned }).max() else {
            return "\(key) read as \(content) at \(returned.shown), before it was written"
        }
        guard let newest, newest > (last + tolerance) else { return nil }
        return "\(key) read as \(content) at \(returned.shown), written until \(last.shown), although a later write, "
            + "begun at \(newest.shown), was acknowledged before the read"
    }

    /// The write of a value.
    func write(of content: History.Content) -> Write? { byContent[content]?.first.map { writes[$0] } }
}

extension MonotonicTime {
    /// The end of time is not passed.
    static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
        duration == .zero || time >= MonotonicTime(nanoseconds: .max / 2) ? time : time.advanced(by: duration)
    }
}

extension Array {
    /// The first index whose element, and all after it, satisfy the predicate. O(log count).
    func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
