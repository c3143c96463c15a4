/// Keeps hints within limits, and replays them once their targets can be reached.
///
/// Replay goes through a target's hints by key, page by page; a page's hints go in messages of which a few are under
/// way at once, within a budget that follows the latency of foreground requests. What a target has durably merged is
/// erased; what a broken link left unknown is sent again from there on: merging twice changes nothing. A hint that is
/// given up (no room, too old, void, damaged, refused for good) is counted, and its partition marked for anti-entropy,
/// which heals what hints do not; no write ever fails for a hint.
public struct HintedHandoffMachine: Sendable {
    public let settings: HintedHandoffSettings
    public private(set) var ledger = HintLedger()
    public private(set) var counters = HintedHandoffCounters()
    /// What replay may cost; the shell sets its rate, then sends ``HintedHandoffEvent/time``.
    public var budget: WorkBudget
    /// When ``HintedHandoffEvent/time`` is due; nil if nothing is waited for.
    public private(set) var wake: UInt64?
    /// The holder's counter: the sequence of the hint kept last. Persisted with each, restored by ``restore(_:for:)``.
    public private(set) var sequence: UInt64 = 0

    /// Ascending by node.
    var replays: [HintReplay] = []
    private var lastId: UInt64 = 0
    private var actions: [HintedHandoffAction] = []

    public init(settings: HintedHandoffSettings = HintedHandoffSettings(), budget: WorkBudget = WorkBudget()) {
        self.settings = settings
        self.budget = budget
    }

    // MARK: Keeping

    /// Takes note of a hint that was found in the store when the node started, or that could not be erased.
    public mutating func restore(_ entry: HintEntry, for node: UInt32) {
        ledger.add(for: node, partition: entry.partition, bytes: entry.bytes, created: entry.created)
        sequence = max(sequence, entry.sequence)
        if let place = known(node) { replays[place].isIdle = false }
    }

    /// Decides whether a hint is kept. O(1).
    ///
    /// - Parameters:
    ///   - bytes: of its key and value.
    ///   - former: the hint for the same node and key that it merges into, and its bytes.
    /// - Returns: what to store it with, in the batch that acknowledges it; nil if there is no room: the partition has
    ///   to be compared, see ``HintedHandoffAction/mark(partition:with:)``, and the hint does not count.
    public mutating func keep(
        for node: UInt32, partition: Int, bytes: Int, merging former: (hint: Hint, bytes: Int)?,
        wallMilliseconds: UInt64,
        now: UInt64
    ) -> Hint? {
        let more = bytes - (former?.bytes ?? 0)
        guard (ledger.target(node)?.bytes ?? 0) + more <= settings.bytesPerTarget, ledger.bytes + more <= settings.bytes
        else {
            counters.dropped += 1
            return nil
        }
        counters.kept += 1
        sequence += 1
        if let former {
            ledger.resize(for: node, from: former.bytes, to: bytes)
        } else {
            ledger.add(for: node, partition: partition, bytes: bytes, created: wallMilliseconds)
        }
        let place = replay(of: node)
        if replays[place].isReachable, replays[place].isIdle {
            replays[place].isIdle = false
            replays[place].pausedUntil = max(replays[place].pausedUntil, now + settings.delay)
            wake = min(wake ?? .max, replays[place].pausedUntil)
        }
        return Hint(created: former?.hint.created ?? wallMilliseconds, sequence: sequence)
    }

    private mutating func replay(of node: UInt32) -> Int {
        let at = replays.partitionIndex { $0.node < node }
        if at == replays.count || replays[at].node != node { replays.insert(HintReplay(node: node), at: at) }
        return at
    }

    private func known(_ node: UInt32) -> Int? {
        let at = replays.partitionIndex { $0.node < node }
        return at < replays.count && replays[at].node == node ? at : nil
    }

    // MARK: Replaying

    /// Takes in what happened at `now`, in nanoseconds of a clock that only moves forward, and by the wall clock, which
    /// only says how old hints are. O(hints of the page).
    public mutating func receive(
        _ event: HintedHandoffEvent, wallMilliseconds: UInt64, now: UInt64
    ) -> [HintedHandoffAction] {
        actions = []
        switch event {
        case .reachable(let node):
            let place = replay(of: node)
            guard !replays[place].isReachable else { break }
            replays[place].isReachable = true
            replays[place].isIdle = ledger.target(node) == nil
        case .unreachable(let node):
            guard let place = known(node) else { break }
            replays[place].isReachable = false
            replays[place].rewind()
        case .page(let node, let id, let entries, let isLast):
            guard let place = known(node), replays[place].reading == id else { break }
            replays[place].take(entries, isLast: isLast)
            giveUp(place, wallMilliseconds)
        case .unread(let node, let id):
            guard let place = known(node), replays[place].reading == id else { break }
            fail(place, now)
        case .answered(let node, let id, let outcomes):
            if let place = known(node) { answered(place, id, outcomes, now) }
        case .unsent(let node, let id):
            if let place = known(node), replays[place].sent.contains(where: { $0.id == id }) { fail(place, now) }
        case .erased(let node, let entry, let isGone):
            if isGone {
                ledger.remove(for: node, partition: entry.partition, bytes: entry.bytes, created: entry.created)
            }
            tellIfDrained(node)
        case .erasedAll(let node):
            counters.void += UInt64(ledger.target(node)?.count ?? 0)
            for partition in ledger.partitions(for: node) { actions.append(.mark(partition: partition, with: nil)) }
            ledger.removeAll(for: node)
        case .swept(let node, let entries):
            let gone = entries.filter { isWorthless($0, for: node, wallMilliseconds) }
            if !gone.isEmpty { actions.append(.erase(node, gone)) }
        case .members(let nodes): removeStrangers(nodes)
        case .time: break
        }
        proceed(now)
        return actions
    }

    private mutating func removeStrangers(_ members: [UInt32]) {
        for node in ledger.nodes where !members.contains(node) { actions.append(.eraseAll(node)) }
        replays.removeAll { !members.contains($0.node) }
    }

    private mutating func tellIfDrained(_ node: UInt32) {
        if ledger.target(node) == nil, !actions.contains(.drained(node)) { actions.append(.drained(node)) }
    }

    /// Erases of a new page what is not worth sending.
    private mutating func giveUp(_ place: Int, _ wallMilliseconds: UInt64) {
        var gone: [HintEntry] = []
        for index in replays[place].page.indices {
            let entry = replays[place].page[index]
            guard isWorthless(entry, for: replays[place].node, wallMilliseconds) else { continue }
            replays[place].states[index] = .settled
            gone.append(entry)
        }
        if !gone.isEmpty { actions.append(.erase(replays[place].node, gone)) }
    }

    /// Whether a hint is to be given up; then it is counted, and its partition marked where that is a loss.
    private mutating func isWorthless(_ entry: HintEntry, for node: UInt32, _ wallMilliseconds: UInt64) -> Bool {
        let isOld = wallMilliseconds > entry.created && wallMilliseconds - entry.created > settings.age
        guard entry.isVoid || entry.isDamaged || isOld else { return false }
        if entry.isVoid {
            counters.void += 1
        } else if entry.isDamaged {
            counters.damaged += 1
        } else {
            counters.expired += 1
        }
        if !entry.isVoid { mark(entry, with: node) }
        return true
    }

    private mutating func mark(_ entry: HintEntry, with node: UInt32?) {
        let action = HintedHandoffAction.mark(partition: entry.partition, with: node)
        if !actions.contains(action) { actions.append(action) }
    }

    private mutating func answered(_ place: Int, _ id: UInt64, _ outcomes: [ReplicaRefusal?], _ now: UInt64) {
        guard let message = replays[place].finish(id) else { return }
        let node = replays[place].node
        var gone: [HintEntry] = []
        var isPutOff = false
        for (index, outcome) in zip(message.range, outcomes) {
            let entry = replays[place].page[index]
            switch outcome {
            case nil:
                counters.replayed += 1
                counters.replayedBytes += UInt64(max(0, entry.bytes))
                gone.append(entry)
            case .tooLarge, .unknownKeyspace, .notOwner:  // it will say so again
                counters.void += 1
                gone.append(entry)
                mark(entry, with: nil)
            default: isPutOff = true
            }
            replays[place].states[index] = outcome.map { $0.isFinal ? .settled : .refused } ?? .settled
        }
        if !gone.isEmpty { actions.append(.erase(node, gone)) }
        if isPutOff || outcomes.count < message.range.count { fail(place, now) }
    }

    /// Begins again, a while later, from what is not settled.
    private mutating func fail(_ place: Int, _ now: UInt64) {
        replays[place].rewind()
        replays[place].pausedUntil = now + settings.retry
    }

    private mutating func proceed(_ now: UInt64) {
        var next = UInt64.max
        for place in replays.indices where replays[place].isReachable && !replays[place].isIdle {
            proceed(place, now, &next)
        }
        wake = next == .max ? nil : next
    }

    private mutating func proceed(_ place: Int, _ now: UInt64, _ next: inout UInt64) {
        if let deadline = replays[place].deadline {
            if deadline <= now { fail(place, now) } else { next = min(next, deadline) }
        }
        let ready = max(replays[place].pausedUntil, budget.ready(now))
        guard ready <= now else { return next = min(next, ready) }
        let node = replays[place].node
        while replays[place].sent.count < settings.window, budget.ready(now) <= now,
            let range = replays[place].nextChunk(entries: settings.chunkEntries, bytes: settings.chunkBytes)
        {
            lastId += 1
            let size = replays[place].begin(lastId, range, deadline: now + settings.patience)
            budget.spend(size, now: now)
            actions.append(.send(id: lastId, node: node, range))
        }
        if replays[place].isDone {
            if replays[place].isLastPage, ledger.target(node) == nil {
                replays[place].isIdle = true
                replays[place].restart()
                return
            }
            // Keys behind the cursor may have come meanwhile: round again, but not in haste, least of all if what the
            // ledger knows of is not in the store yet.
            if replays[place].isLastPage {
                replays[place].pausedUntil = now + (replays[place].isEmptyRound ? settings.patience : settings.delay)
                replays[place].restart()
                next = min(next, replays[place].pausedUntil)
                return
            }
            lastId += 1
            replays[place].read(lastId, deadline: now + settings.patience)
            actions.append(
                .read(
                    id: lastId, node: node, after: replays[place].cursor, entries: settings.pageEntries,
                    bytes: settings.pageBytes))
        } else if replays[place].hasUnsent, replays[place].sent.count < settings.window {
            next = min(next, max(now + 1, budget.ready(now)))
        }
        if let deadline = replays[place].deadline { next = min(next, deadline) }
    }
}

extension ReplicaRefusal {
    /// Whether asking again is no use.
    fileprivate var isFinal: Bool { self == .tooLarge || self == .unknownKeyspace || self == .notOwner }
}
