import MartletCore

/// A few nodes with one partition: writes and deletes that take their time, reads that repair, hints, exchanges between
/// owners, links that break, and the collection of tombstones in the midst of it.
///
/// A record is a version and whether it is a tombstone; of two the later holds. So at last every owner has to hold what
/// the latest version says, whatever was collected.
struct CollectionHarness {
    struct Record: Hashable {
        var version: UInt64
        var isTombstone: Bool
    }

    struct Node {
        var machine: TombstoneCollectionMachine
        /// The numbers of what is under way.
        var work: Set<Int> = []
        var records: [Int: Record] = [:]
        /// By target and key.
        var hints: [[UInt32]: Record] = [:]
        /// What fences wait for.
        var awaited: [(round: CollectionRound, stage: CollectionStage, mark: Int?)] = []
    }

    enum Frame {
        case collection([UInt8])
        case record(Int, Record)
        case hint(for: UInt32, Int, Record, Int)
        case hintTaken(Int)
        case replay(Int, Record)
        case replayed(Int, Record)
        case read(Int, by: Int)
        case answer(Record?, to: Int)
    }

    enum Item {
        case frame(UInt32, UInt32, session: Int, Frame)
        case end(UInt32, Int)
        case exchange(UInt32, UInt32, Int, Record, Int)
        case repair(Int)
        case open(UInt32, UInt32)
        case wake(UInt32)
    }

    static let place = CollectionPlace(keyspace: 1, generation: 1, slots: 0..<64)
    let owners: [UInt32] = [0, 1, 2]
    let members: [UInt32] = [0, 1, 2, 3, 4]
    let keys = 5
    var nodes: [Node] = []
    var random: Seeded
    var now: UInt64 = 0
    var outcomes: [TombstoneCollectionOutcome] = []
    /// The latest version of each key that reached an owner.
    var latest: [Int: Record] = [:]
    private var version: UInt64 = 0
    private var queue: [(time: UInt64, item: Item)] = []
    private var lastArrival: [[UInt32]: UInt64] = [:]
    private var sessions: [[UInt32]: Int] = [:]
    private var closed: Set<[UInt32]> = []
    private var reads: [Int: (node: UInt32, key: Int, token: Int, merged: Record?)] = [:]
    private var lastRead = 0
    private var lastWork = 0

    init(seed: UInt64, _ change: (inout TombstoneCollectionSettings) -> Void = { _ in }) {
        random = Seeded(seed)
        var settings = TombstoneCollectionSettings()
        change(&settings)
        settings.patience = 20_000
        for member in members {
            nodes.append(
                Node(
                    machine: TombstoneCollectionMachine(
                        node: member, incarnation: 1, epoch: 1, members: members, settings: settings)))
        }
        for a in members { for b in members where a != b { tell(a, .linkOpened(b)) } }
    }

    private mutating func begin(_ node: UInt32) -> Int {
        lastWork += 1
        nodes[Int(node)].work.insert(lastWork)
        return lastWork
    }

    static func key(_ number: Int) -> [UInt8] {
        StoredKey.lowerBound(keyspace: 1, generation: 1, slot: UInt16(number), hash: 7)
    }

    // MARK: Time

    private mutating func push(_ time: UInt64, _ item: Item) {
        // The next is the last; of equals the first pushed.
        queue.insert((time, item), at: queue.partitionIndex { $0.time > time })
    }

    mutating func run(until end: UInt64) {
        while let next = queue.last, next.time <= end {
            queue.removeLast()
            now = max(now, next.time)
            handle(next.item)
        }
        now = max(now, end)
    }

    private static func pair(_ a: UInt32, _ b: UInt32) -> [UInt32] { [min(a, b), max(a, b)] }

    private mutating func send(_ from: UInt32, _ to: UInt32, _ frame: Frame, slow: Bool = false) {
        guard from != to else { return arrive(from, to, frame) }
        guard !closed.contains(Self.pair(from, to)) else { return lost(frame, from) }
        let delay = 1 + random.next() % (slow || random.next() % 8 == 0 ? 3000 : 20)
        let time = max(lastArrival[[from, to]] ?? 0, now + delay)
        lastArrival[[from, to]] = time
        push(time, .frame(from, to, session: sessions[Self.pair(from, to)] ?? 0, frame))
    }

    /// A hint that was on its way when its link closed is answered by that.
    private mutating func lost(_ frame: Frame, _ from: UInt32) {
        if case .hint(_, _, _, let token) = frame { finish(from, token) }
    }

    private mutating func handle(_ item: Item) {
        switch item {
        case .frame(let from, let to, let session, let frame):
            guard session == sessions[Self.pair(from, to)] ?? 0 else { return }
            arrive(from, to, frame)
        case .end(let node, let token): finish(node, token)
        case .exchange(let from, let to, let key, let record, let token):
            send(from, to, .record(key, record), slow: true)
            finish(from, token)
        case .repair(let id):
            guard let read = reads.removeValue(forKey: id) else { return }
            if let record = read.merged {
                for owner in owners { send(read.node, owner, .record(read.key, record), slow: true) }
            }
            finish(read.node, read.token)
        case .open(let a, let b):
            guard closed.remove(Self.pair(a, b)) != nil else { return }
            tell(a, .linkOpened(b))
            tell(b, .linkOpened(a))
        case .wake(let node): tell(node, .time)
        }
    }

    private mutating func arrive(_ from: UInt32, _ to: UInt32, _ frame: Frame) {
        switch frame {
        case .collection(let bytes):
            guard let message = try? withBytes(of: bytes, { try CollectionMessage($0) }) else {
                preconditionFailure("what was written is not read back")
            }
            tell(to, .received(from, message))
        case .record(let key, let record): merge(to, key, record)
        case .hint(let target, let key, let record, let token):
            let former = nodes[Int(to)].hints[[target, UInt32(key)]]
            if former.map({ $0.version < record.version }) ?? true {
                nodes[Int(to)].hints[[target, UInt32(key)]] = record
            }
            send(to, from, .hintTaken(token))
        case .hintTaken(let token): finish(to, token)
        case .replay(let key, let record):
            merge(to, key, record)
            send(to, from, .replayed(key, record))
        case .replayed(let key, let record):
            if nodes[Int(to)].hints[[from, UInt32(key)]] == record { nodes[Int(to)].hints[[from, UInt32(key)]] = nil }
            look(to)
        case .read(let key, let id):
            let hinted = nodes[Int(to)].hints.filter { $0.key[1] == UInt32(key) }.map(\.value)
            let held = ([nodes[Int(to)].records[key]] + hinted).compactMap { $0 }
            send(to, from, .answer(held.max { $0.version < $1.version }, to: id))
        case .answer(let record, let id):
            if let record, reads[id]?.merged.map({ $0.version < record.version }) ?? true { reads[id]?.merged = record }
        }
    }

    private mutating func merge(_ node: UInt32, _ key: Int, _ record: Record) {
        if latest[key].map({ $0.version < record.version }) ?? true { latest[key] = record }
        if let held = nodes[Int(node)].records[key], held.version >= record.version { return }
        nodes[Int(node)].records[key] = record
    }

    // MARK: Fences

    private mutating func finish(_ node: UInt32, _ token: Int) {
        nodes[Int(node)].work.remove(token)
        look(node)
    }

    private mutating func look(_ node: UInt32) {
        let own = nodes[Int(node)]
        for (round, stage, mark) in own.awaited {
            guard mark.map({ mark in !own.work.contains { $0 < mark } }) ?? own.hints.isEmpty else { continue }
            nodes[Int(node)].awaited.removeAll { $0.round == round && $0.stage == stage }
            tell(node, .fenced(round, stage))
        }
    }

    mutating func tell(_ node: UInt32, _ event: TombstoneCollectionEvent) {
        let actions = nodes[Int(node)].machine.receive(event, now: now)
        if let wake = nodes[Int(node)].machine.wake { push(max(wake, now + 1), .wake(node)) }
        for action in actions { perform(action, by: node) }
    }

    private mutating func perform(_ action: TombstoneCollectionAction, by node: UInt32) {
        func number(_ entry: CollectionEntry) -> Int {
            withBytes(of: entry.key) { Int($0.bigEndian(9, as: UInt16.self)) }
        }
        let own = nodes[Int(node)]
        func holds(_ entry: CollectionEntry) -> Bool { own.records[number(entry)]?.version == entry.digest }
        func others(_ entries: [CollectionEntry]) -> [Int] { entries.indices.filter { !holds(entries[$0]) } }
        switch action {
        case .send(let peer, let message): send(node, peer, .collection(bytes(message)))
        case .clear(let round, let owner):
            let message = CollectionMessage(round, epoch: 1, .clear(lane: 0, of: 1))
            send(node, owner, .collection(bytes(message)))
        case .check(let round, _, let entries): tell(node, .checked(round, except: others(entries)))
        case .fence(let round, _, let stage):
            let mark = stage == .hints ? nil : lastWork + 1
            nodes[Int(node)].awaited.append((round, stage, mark))
            look(node)
        case .erase(let round, let entries):
            for entry in entries where holds(entry) { nodes[Int(node)].records[number(entry)] = nil }
            tell(node, .erased(round))
        case .finished(_, let outcome): outcomes.append(outcome)
        }
    }

    private func bytes(_ message: CollectionMessage) -> [UInt8] {
        var buffer = ByteBuffer()
        message.append(to: &buffer)
        return buffer.copy()
    }

    // MARK: Load

    mutating func write(_ key: Int, isTombstone: Bool, at node: UInt32) {
        version += 1
        let record = Record(version: version, isTombstone: isTombstone)
        let token = begin(node)
        for owner in owners {
            guard random.next() % 4 == 0 else {
                send(node, owner, .record(key, record), slow: random.next() % 2 == 0)
                continue
            }
            let holder = members[Int(random.next() % 5)]
            let hint = begin(node)
            send(node, holder, .hint(for: owner, key, record, hint))
        }
        push(now + random.next() % 2000, .end(node, token))
    }

    mutating func read(_ key: Int, at node: UInt32) {
        lastRead += 1
        reads[lastRead] = (node, key, begin(node), nil)
        for _ in 0..<2 { send(node, members[Int(random.next() % 5)], .read(key, by: lastRead)) }
        push(now + random.next() % 4000, .repair(lastRead))
    }

    mutating func replay() {
        for node in members {
            for (place, record) in nodes[Int(node)].hints.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                send(node, place[0], .replay(Int(place[1]), record))
            }
        }
    }

    mutating func exchange() {
        let (from, to) = (owners[Int(random.next() % 3)], owners[Int(random.next() % 3)])
        let key = Int(random.next() % UInt64(keys))
        guard from != to, let record = nodes[Int(from)].records[key] else { return }
        let token = begin(from)
        push(now + random.next() % 2000, .exchange(from, to, key, record, token))
    }

    mutating func close() {
        let (a, b) = (members[Int(random.next() % 5)], members[Int(random.next() % 5)])
        guard a != b, closed.insert(Self.pair(a, b)).inserted else { return }
        sessions[Self.pair(a, b), default: 0] += 1
        let gone = queue.filter {
            if case .frame(let from, let to, _, _) = $0.item { Self.pair(from, to) == Self.pair(a, b) } else { false }
        }
        queue.removeAll {
            if case .frame(let from, let to, _, _) = $0.item { Self.pair(from, to) == Self.pair(a, b) } else { false }
        }
        for entry in gone {
            guard case .frame(let from, let to, _, let frame) = entry.item else { continue }
            lost(frame, from)
            if case .hintTaken(let token) = frame { finish(to, token) }
        }
        tell(a, .linkClosed(b))
        tell(b, .linkClosed(a))
        push(now + 500 + random.next() % 3000, .open(a, b))
    }

    mutating func collect() {
        let entries = nodes[0].records.filter(\.value.isTombstone)
            .sorted { $0.key < $1.key }.map { CollectionEntry(key: Self.key($0.key), digest: $0.value.version) }
        tell(0, .begin(Self.place, owners: owners, entries))
    }

    /// Lets all come to rest, and owners exchange what they hold.
    mutating func settle() {
        for _ in 0..<6 {
            run(until: now + 10_000)
            replay()
        }
        run(until: now + 200_000)
        for key in 0..<keys {
            for from in owners {
                guard let record = nodes[Int(from)].records[key] else { continue }
                for to in owners { merge(to, key, record) }
            }
        }
    }

    /// Keys that an owner shows otherwise than the latest version says.
    var wrong: [Int] {
        (0..<keys).filter { key in
            owners.contains { owner in
                let held = nodes[Int(owner)].records[key]
                guard let latest = latest[key] else { return held != nil }
                return latest.isTombstone ? !(held?.isTombstone ?? true) : held != latest
            }
        }
    }

    /// Runs a random load.
    mutating func load(_ steps: Int) {
        for _ in 0..<steps {
            let (key, node) = (Int(random.next() % UInt64(keys)), members[Int(random.next() % 5)])
            switch random.next() % 24 {
            case 0...1: write(key, isTombstone: false, at: node)
            case 2...3: write(key, isTombstone: true, at: node)
            case 4...7: read(key, at: node)
            case 8...10: exchange()
            case 11...16: replay()
            case 17 where random.next() % 8 == 0: close()
            default: collect()
            }
            run(until: now + random.next() % 1000)
        }
    }
}
