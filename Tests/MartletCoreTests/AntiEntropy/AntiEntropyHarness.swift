import MartletCore

/// Replicas with their trees and machines, over messages that are encoded and counted. A record is a place and a
/// number: its digest; of two the greater wins.
struct AntiEntropyHarness {
    struct Replica {
        var forest: MerkleForest
        var machine: AntiEntropyMachine
        /// By unit.
        var records: [[UInt64: UInt64]]
    }

    static let keyspace: UInt32 = 7
    static let generation: UInt32 = 2
    static let nodes: [UInt32] = [1, 2]

    var replicas: [Replica] = []
    var now: UInt64 = 0
    /// Bytes of all messages, headers of frames included, and of those of page exchanges.
    var bytes = 0
    var pageBytes = 0
    var frames = 0
    var ranges: [MerkleRange] = []
    var passes: [(node: UInt32, pass: AntiEntropyPass)] = []
    /// Records listed in one page.
    var page = 512
    /// Which steps fail.
    var fails: () -> Bool = { false }

    init(units count: Int, settings: AntiEntropySettings = AntiEntropySettings()) {
        let width = Slot.count / count
        for node in Self.nodes {
            let units = (0..<count).map {
                CatchUpUnit(
                    keyspace: 0, slots: $0 * width..<($0 + 1) * width, others: Self.nodes.filter { $0 != node },
                    needed: 1)
            }
            replicas.append(
                Replica(
                    forest: MerkleForest(units: units, isEmpty: true),
                    machine: AntiEntropyMachine(node: node, units: units, settings: settings, seed: UInt64(node)),
                    records: Array(repeating: [:], count: count)))
        }
    }

    /// A write, or a merge, at one replica.
    mutating func put(_ place: UInt64, _ digest: UInt64, at replica: Int) {
        guard let unit = replicas[replica].forest.unit(ofSlot: UInt16(place >> 40), keyspace: 0) else { return }
        let old = replicas[replica].records[unit][place]
        guard old ?? 0 < digest else { return }
        replicas[replica].records[unit][place] = digest
        replicas[replica].forest.update(unit, place: place, removing: old, adding: digest)
    }

    /// Has the tree of a unit made anew by a scan, page by page, with something done between pages.
    mutating func scan(_ unit: Int, at replica: Int, _ between: (inout Self) -> Void = { _ in }) -> Int?? {
        var from = replicas[replica].forest.beginScan(unit, records: replicas[replica].records[unit].count)
        while true {
            let all = replicas[replica].records[unit].filter { $0.key >= from }.sorted { $0.key < $1.key }
            let some = all.prefix(page).map { (place: $0.key, digest: $0.value) }
            switch replicas[replica].forest.scanned(unit, some, isLast: some.count == all.count) {
            case .next(let place): from = place
            case .finished(let differing): return .some(differing)
            case nil: return nil
            }
            between(&self)
        }
    }

    mutating func open() {
        for index in replicas.indices { tell(index, .linkOpened(Self.nodes[1 - index])) }
    }

    /// Runs until nothing is due before a time.
    mutating func run(until end: UInt64) {
        while let next = replicas.indices.compactMap({ replicas[$0].machine.wake }).min(), next <= end {
            now = max(now, next)
            for index in replicas.indices where replicas[index].machine.wake.map({ $0 <= now }) ?? false {
                tell(index, .time)
            }
        }
        now = max(now, end)
    }

    mutating func tell(_ index: Int, _ event: AntiEntropyEvent) {
        var events = [event]
        while !events.isEmpty {
            let forest = replicas[index].forest
            let actions = replicas[index].machine.receive(events.removeFirst(), forest: forest, now: now)
            for action in actions { if let event = perform(action, by: index) { events.append(event) } }
        }
    }

    private mutating func count(_ append: (inout ByteBuffer) -> Void) -> [UInt8] {
        var buffer = ByteBuffer()
        append(&buffer)
        bytes += buffer.count + Frame.headerLength
        frames += 1
        now += 1_000_000
        return buffer.copy()
    }

    private mutating func perform(_ action: AntiEntropyAction, by index: Int) -> AntiEntropyEvent? {
        let (own, other) = (replicas[index].forest, replicas[1 - index].forest)
        let peer = Self.nodes[1 - index]
        switch action {
        case .sendRoots(let id, _, let units):
            let (message, included) = own.roots(units) { _ in (Self.keyspace, Self.generation) }
            precondition(included == units)
            let request = count { message.append(to: &$0) }
            if fails() { return .failed(peer, id: id) }
            guard let read = try? withBytes(of: request, { try MerkleRoots($0) }) else { return nil }
            let answer = other.answer(read) { $0 == Self.keyspace ? (0, Self.generation) : nil }
            let reply = count { answer.append(to: &$0) }
            let heard = try? withBytes(of: reply) { try MerkleRootsReply($0, roots: units.count) }
            precondition(heard == answer)
            return .rootsAnswered(peer, id: id, answer)
        case .sendNodes(let id, _, let unit, let level, let indices):
            guard let tree = own.tree(unit) else { return nil }
            let message = MerkleNodes(
                keyspace: Self.keyspace, generation: Self.generation, tree: tree, level: level, indices: indices)
            let request = count { message.append(to: &$0) }
            if fails() { return .failed(peer, id: id) }
            precondition((try? withBytes(of: request) { try MerkleNodes($0) }) == message)
            let answer = other.answer(message, keyspace: 0)
            let reply = count { answer.append(to: &$0) }
            precondition((try? withBytes(of: reply) { try MerkleNodesReply($0, nodes: indices) }) == answer)
            return .nodesAnswered(peer, id: id, answer)
        case .exchange(let id, _, let range): return exchange(id, range, by: index)
        case .equal: return nil
        case .passed(_, let pass):
            passes.append((Self.nodes[index], pass))
            return nil
        }
    }

    /// One page, as catch-up does it.
    private mutating func exchange(_ id: UInt64, _ range: MerkleRange, by index: Int) -> AntiEntropyEvent? {
        ranges.append(range)
        let before = bytes
        if fails() { return .failed(Self.nodes[1 - index], id: id) }
        let mine = replicas[index].records[range.unit].filter { range.places.contains($0.key) }.sorted {
            $0.key < $1.key
        }
        let listed = mine.prefix(page)
        let upTo = listed.count < mine.count ? mine[listed.count].key : range.places.upperBound
        let stretch = MerkleRange(unit: range.unit, places: range.places.lowerBound..<upTo)
        func key(_ place: UInt64) -> [UInt8] {
            StoredKey.lowerBound(
                keyspace: Self.keyspace, generation: Self.generation, slot: UInt16(place >> 40),
                hash: place & 0xff_ffff_ffff) + Array("user:0000000000000000".utf8)
        }
        let bytesOfPage = count { buffer in
            CatchUpPage(
                keyspace: Self.keyspace, generation: Self.generation, slots: [stretch.slots],
                from: stretch.from(keyspace: Self.keyspace, generation: Self.generation),
                upTo: stretch.upTo(keyspace: Self.keyspace, generation: Self.generation), count: listed.count
            ).append(to: &buffer)
            for record in listed {
                withBytes(of: key(record.key)) { CatchUpPage.append(key: $0, digest: record.value, to: &buffer) }
            }
        }
        guard (try? withBytes(of: bytesOfPage, { try CatchUpPage($0) }))?.count == listed.count else {
            preconditionFailure("the page is malformed")
        }
        let theirs = replicas[1 - index].records[range.unit].filter { stretch.places.contains($0.key) }
        for (place, digest) in listed where digest > theirs[place] ?? 0 {
            _ = count { $0.append(Array(repeating: 0, count: 200)) }
            put(place, digest, at: 1 - index)
        }
        for (place, digest) in theirs where digest > replicas[index].records[range.unit][place] ?? 0 {
            _ = count { $0.append(Array(repeating: 0, count: 200)) }
            put(place, digest, at: index)
        }
        pageBytes += bytes - before
        return .exchanged(
            Self.nodes[1 - index], id: id, upTo: upTo == range.places.upperBound ? nil : upTo, bytes: bytes - before)
    }
}
