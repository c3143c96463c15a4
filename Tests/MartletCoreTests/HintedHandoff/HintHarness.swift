import MartletCore
import Testing

/// A holder of hints with its store, and targets that merge what they are sent, lose it, refuse it or are cut off.
struct HintHarness {
    struct Stored: Hashable {
        var hint: Hint
        var record: UInt64
        var bytes: Int
        var isDamaged = false
    }

    var machine: HintedHandoffMachine
    var random: Seeded
    var now: UInt64 = 0
    /// By target and key.
    var store: [UInt32: [[UInt8]: Stored]] = [:]
    /// What targets merged: the greatest record by key.
    var merged: [UInt32: [[UInt8]: UInt64]] = [:]
    var marks: [(partition: Int, node: UInt32?)] = []
    var drained: [UInt32] = []
    var messages = 0
    /// What a target says of one hint.
    var outcome: (UInt32, inout Seeded) -> ReplicaRefusal? = { _, _ in nil }
    /// Messages of 100 that get no answer, half of them after they were merged.
    var lost: UInt64 = 0
    private var pages: [UInt32: [HintEntry]] = [:]
    private var underWay: [(time: UInt64, event: HintedHandoffEvent)] = []

    init(seed: UInt64, settings: HintedHandoffSettings = HintedHandoffSettings(), budget: WorkBudget = WorkBudget()) {
        machine = HintedHandoffMachine(settings: settings, budget: budget)
        random = Seeded(seed)
    }

    var wall: UInt64 { 1_700_000_000_000 + now / 1_000_000 }

    static func key(_ number: Int) -> [UInt8] {
        StoredKey.lowerBound(keyspace: 1, generation: 1, slot: UInt16(number % 16384), hash: UInt64(number))
    }

    static func partition(_ number: Int) -> Int { number % 16384 / 64 }

    /// Keeps a hint for the record of a key; true if there was room.
    mutating func keep(_ number: Int, record: UInt64, for node: UInt32, bytes: Int = 100) -> Bool {
        let key = withBytes(of: Self.key(number)) { Hint.key(for: node, storedKey: $0) }
        let former = store[node]?[key]
        let kept = machine.keep(
            for: node, partition: Self.partition(number), bytes: bytes, merging: former.map { ($0.hint, $0.bytes) },
            wallMilliseconds: wall, now: now)
        guard let kept else {
            marks.append((Self.partition(number), node))
            return false
        }
        store[node, default: [:]][key] = Stored(hint: kept, record: max(record, former?.record ?? 0), bytes: bytes)
        return true
    }

    /// The same, where there is room.
    mutating func put(_ number: Int, record: UInt64, for node: UInt32, bytes: Int = 100) {
        let isKept = keep(number, record: record, for: node, bytes: bytes)
        #expect(isKept)
    }

    mutating func tell(_ event: HintedHandoffEvent) {
        for action in machine.receive(event, wallMilliseconds: wall, now: now) { perform(action) }
    }

    private func entry(_ key: [UInt8], _ stored: Stored) -> HintEntry {
        let slot = withBytes(of: key) { Int($0.bigEndian(13, as: UInt16.self)) }
        return HintEntry(
            key: key, partition: slot / 64, created: stored.hint.created, sequence: stored.hint.sequence,
            bytes: stored.bytes, isDamaged: stored.isDamaged)
    }

    private mutating func later(_ event: HintedHandoffEvent) {
        underWay.append((now + 1_000_000 + random.next() % 3_000_000, event))
    }

    private mutating func perform(_ action: HintedHandoffAction) {
        switch action {
        case .read(let id, let node, let after, let most, let limit):
            let left = (store[node] ?? [:]).filter { after.isEmpty || after.lexicographicallyPrecedes($0.key) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            var (page, size) = ([HintEntry](), 0)
            for (key, stored) in left {
                guard page.isEmpty || (page.count < most && size + stored.bytes <= limit) else { break }
                page.append(entry(key, stored))
                size += stored.bytes
            }
            pages[node] = page
            later(.page(node, id: id, page, isLast: page.count == left.count))
        case .send(let id, let node, let range):
            messages += 1
            let isLost = random.next() % 100 < lost
            if isLost, random.next() % 2 == 0 { return }
            let entries = pages[node]?[range] ?? []
            var outcomes: [ReplicaRefusal?] = []
            for entry in entries {
                let said = outcome(node, &random)
                outcomes.append(said)
                if said == nil, let record = store[node]?[entry.key]?.record {
                    merged[node, default: [:]][entry.key] = max(record, merged[node]?[entry.key] ?? 0)
                }
            }
            if !isLost { later(.answered(node, id: id, outcomes)) }
        case .erase(let node, let entries):
            for entry in entries {
                let isGone = store[node]?[entry.key].map { $0.hint.sequence == entry.sequence } ?? true
                if isGone { store[node]?[entry.key] = nil }
                later(.erased(node, entry, isGone: isGone))
            }
        case .eraseAll(let node):
            store[node] = nil
            later(.erasedAll(node))
        case .mark(let partition, let node): marks.append((partition, node))
        case .drained(let node): drained.append(node)
        }
    }

    /// Runs until a time.
    mutating func run(until end: UInt64) {
        while true {
            let event = underWay.indices.min { underWay[$0].time < underWay[$1].time }
            let wake = machine.wake ?? .max
            if let event, underWay[event].time <= min(wake, end) {
                let (time, what) = underWay.remove(at: event)
                now = max(now, time)
                tell(what)
            } else if wake <= end {
                now = max(now, wake)
                tell(.time)
            } else {
                now = max(now, end)
                return
            }
        }
    }

    /// Cuts a target off: answers on their way are lost with the link.
    mutating func cut(_ node: UInt32) {
        underWay.removeAll {
            if case .answered(node, _, _) = $0.event { true } else { false }
        }
        tell(.unreachable(node))
    }

    /// Whether the ledger knows just what is in the store.
    var isLedgerRight: Bool {
        machine.ledger.count == store.values.reduce(0) { $0 + $1.count }
            && machine.ledger.bytes == store.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.bytes } }
    }
}
