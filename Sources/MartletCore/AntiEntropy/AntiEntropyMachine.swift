/// Compares what this worker holds with the other owners, over and over, and has what differs exchanged.
///
/// With each other node, in each period, first the roots of all that both own go there in one message; where they
/// differ, the children of nodes that differ, level by level; and where leaves differ, their range of keys is handed to
/// the page exchange of catch-up, both ways. So equal trees cost some ten bytes a unit, and one record that differs
/// costs a few hundred bytes a level and the list of one leaf's keys.
///
/// Of two nodes the one with the lower id begins passes; both begin what was marked or asked for. One step at a time is
/// under way with each node, and none while the budget is spent. Writes on their way between the owners look like
/// differences; their leaves are exchanged for nothing, within the budget.
public struct AntiEntropyMachine: Sendable {
    public let node: UInt32
    public let units: [CatchUpUnit]
    public let settings: AntiEntropySettings
    /// What steps may cost; the shell sets its rate, then sends ``AntiEntropyEvent/time``.
    public var budget: WorkBudget
    /// When ``AntiEntropyEvent/time`` is due; nil if nothing is waited for.
    public private(set) var wake: UInt64?
    /// Over all passes that ended.
    public private(set) var total = AntiEntropyPass()

    private var peers: [AntiEntropyPeer]
    private var lastStep: UInt64 = 0
    private var random: SplitMix64
    private var actions: [AntiEntropyAction] = []

    /// - Parameters:
    ///   - units: as in ``MerkleForest/units``.
    ///   - seed: for the jitter of periods.
    public init(
        node: UInt32, units: [CatchUpUnit], settings: AntiEntropySettings = AntiEntropySettings(),
        budget: WorkBudget = WorkBudget(), seed: UInt64
    ) {
        self.node = node
        self.units = units
        self.settings = settings
        self.budget = budget
        random = SplitMix64(seed: seed)
        peers = Set(units.flatMap(\.others)).sorted().map { id in
            AntiEntropyPeer(node: id, units: units.indices.filter { units[$0].others.contains(id) })
        }
    }

    /// Units that are marked, due or being compared with some other node.
    public var pending: Int {
        peers.reduce(0) { $0 + $1.due.count + $1.marked.count + $1.differing.count + ($1.descent == nil ? 0 : 1) }
    }

    /// Takes in what happened at `now`, in nanoseconds of a clock that only moves forward. O(peers), and O(units
    /// shared) where a pass begins or roots were answered.
    public mutating func receive(
        _ event: AntiEntropyEvent, forest: borrowing MerkleForest, now: UInt64
    ) -> [AntiEntropyAction] {
        actions = []
        switch event {
        case .linkOpened(let node):
            guard let peer = index(of: node) else { break }
            close(peer)
            peers[peer].isOpen = true
            peers[peer].nextPass = now  // what was sent into the link before may be lost with it
        case .linkClosed(let node): if let peer = index(of: node) { close(peer) }
        case .rootsAnswered(let node, let id, let reply):
            guard let peer = awaiting(id, of: node), case .roots(let units)? = peers[peer].step?.step else { break }
            peers[peer].step = nil
            compared(peer, units, reply)
        case .nodesAnswered(let node, let id, let reply):
            guard let peer = awaiting(id, of: node), case .nodes(let level, _)? = peers[peer].step?.step else { break }
            peers[peer].step = nil
            descend(peer, level, reply, forest, now)
        case .exchanged(let node, let id, let upTo, let bytes):
            guard let peer = awaiting(id, of: node), case .exchange(let range)? = peers[peer].step?.step else { break }
            peers[peer].step = nil
            budget.spend(bytes, now: now)
            peers[peer].pass.bytes += max(0, bytes)
            if let upTo, upTo > range.places.lowerBound, upTo < range.places.upperBound {
                let rest = MerkleRange(unit: range.unit, places: upTo..<range.places.upperBound)
                peers[peer].descent?.ranges.append(rest)
            } else {
                peers[peer].pass.ranges += 1
            }
        case .failed(let node, let id): if let peer = awaiting(id, of: node) { fail(peer, now) }
        case .marked(let unit, let node): mark(unit, with: node, now)
        case .repair(let units):
            for peer in peers.indices {
                for unit in units where peers[peer].shares(unit) { peers[peer].due.insert(unit) }
            }
        case .time: break
        }
        proceed(forest, now)
        return actions
    }

    private func index(of node: UInt32) -> Int? {
        let at = peers.partitionIndex { $0.node < node }
        return at < peers.count && peers[at].node == node ? at : nil
    }

    /// Whether a step is still waited for.
    public func isUnderWay(_ id: UInt64, with node: UInt32) -> Bool { awaiting(id, of: node) != nil }

    private func awaiting(_ id: UInt64, of node: UInt32) -> Int? {
        guard let peer = index(of: node), peers[peer].step?.id == id else { return nil }
        return peer
    }

    private mutating func mark(_ unit: Int, with node: UInt32?, _ now: UInt64) {
        for peer in peers.indices where node == nil || peers[peer].node == node {
            guard peers[peer].shares(unit) else { continue }
            if peers[peer].marked.isEmpty { peers[peer].markedAt = now + settings.markDelay }
            peers[peer].marked.insert(unit)
        }
    }

    // MARK: Steps that end

    /// The step under way is to be taken again, and what was found so far still stands: exchanges go on where they
    /// were.
    private mutating func close(_ peer: Int) {
        peers[peer].isOpen = false
        switch peers[peer].step.take()?.step {
        case .roots(let units)?: peers[peer].due.formUnion(units)
        case .nodes(let level, let indices)?: peers[peer].descent?.nodes.append((level, indices))
        case .exchange(let range)?: peers[peer].descent?.ranges.append(range)
        case nil: break
        }
    }

    private mutating func fail(_ peer: Int, _ now: UInt64) {
        close(peer)
        peers[peer].isOpen = true
        peers[peer].pausedUntil = now + jittered(settings.retry)
    }

    private mutating func compared(_ peer: Int, _ units: [Int], _ reply: MerkleRootsReply) {
        var entries = reply.entries[...]
        for (index, unit) in units.enumerated() {
            peers[peer].pass.units += 1
            guard let entry = entries.first, entry.index == index else {
                peers[peer].pass.equal += 1
                actions.append(.equal(node: peers[peer].node, unit: unit))
                continue
            }
            entries.removeFirst()
            switch entry.outcome {
            case .unknown: peers[peer].pass.skipped += 1
            case .differs(let levels, _):
                peers[peer].pass.differing += 1
                peers[peer].differing.append((unit, levels))
            }
        }
        peers[peer].differing.reverse()
    }

    private mutating func descend(
        _ peer: Int, _ level: Int, _ reply: MerkleNodesReply, _ forest: borrowing MerkleForest, _ now: UInt64
    ) {
        guard let descent = peers[peer].descent, !reply.isRefused, let tree = forest.tree(descent.unit) else {
            // One of the trees was made anew meanwhile: another time.
            if let unit = peers[peer].descent.take()?.unit { mark(unit, with: peers[peer].node, now) }
            return
        }
        guard level + 1 >= min(descent.bottom, tree.levels) else {
            // The last are looked into first, so few are kept; from the back, so that ranges come in order.
            let most = max(1, min(settings.nodes, MerkleNodes.most))
            for chunk in stride(from: 0, to: reply.differing.count, by: most).reversed() {
                let end = min(reply.differing.count, chunk + most)
                peers[peer].descent?.nodes.append((level + 1, Array(reply.differing[chunk..<end])))
            }
            return
        }
        var ranges: [MerkleRange] = []
        for leaf in reply.differing {
            let places = tree.places(level: level + 1, index: leaf)
            if let last = ranges.last, last.places.upperBound == places.lowerBound {
                ranges[ranges.count - 1].places = last.places.lowerBound..<places.upperBound
            } else {
                ranges.append(MerkleRange(unit: descent.unit, places: places))
            }
        }
        peers[peer].descent?.ranges = ranges.reversed()
    }

    // MARK: Steps that begin

    private mutating func proceed(_ forest: borrowing MerkleForest, _ now: UInt64) {
        var next = UInt64.max
        for peer in peers.indices where peers[peer].isOpen { proceed(with: peer, forest, now, &next) }
        wake = next == .max ? nil : next
    }

    private mutating func proceed(
        with peer: Int, _ forest: borrowing MerkleForest, _ now: UInt64, _ next: inout UInt64
    ) {
        if let step = peers[peer].step {
            guard step.deadline <= now else { return next = min(next, step.deadline) }
            fail(peer, now)
        }
        if node < peers[peer].node {
            if peers[peer].nextPass <= now {
                peers[peer].nextPass = now + jittered(settings.period)
                peers[peer].due.formUnion(peers[peer].units)
            }
            next = min(next, peers[peer].nextPass)
        }
        if !peers[peer].marked.isEmpty {
            if peers[peer].markedAt <= now {
                peers[peer].due.formUnion(peers[peer].marked)
                peers[peer].marked = []
            } else {
                next = min(next, peers[peer].markedAt)
            }
        }
        guard peers[peer].step == nil else { return }
        let ready = max(peers[peer].pausedUntil, budget.ready(now))
        if hasWork(peer), ready > now { return next = min(next, ready) }
        begin(peer, forest, now)
        if let step = peers[peer].step { next = min(next, step.deadline) }
    }

    private func hasWork(_ peer: Int) -> Bool {
        !peers[peer].due.isEmpty || peers[peer].descent != nil || !peers[peer].differing.isEmpty
    }

    private mutating func begin(_ peer: Int, _ forest: borrowing MerkleForest, _ now: UInt64) {
        let node = peers[peer].node
        while hasWork(peer) {
            if peers[peer].descent != nil {
                if let range = peers[peer].descent?.ranges.popLast() {
                    let id = track(peer, .exchange(range), now)
                    actions.append(.exchange(id: id, node: node, range))
                    return
                }
                if let (level, indices) = peers[peer].descent?.nodes.popLast(), let unit = peers[peer].descent?.unit {
                    guard let tree = forest.tree(unit), level < tree.levels else {
                        peers[peer].descent = nil
                        mark(unit, with: node, now)
                        continue
                    }
                    budget.spend(indices.count * MerkleNodes.size + Frame.headerLength, now: now)
                    let id = track(peer, .nodes(level: level, indices: indices), now)
                    actions.append(.sendNodes(id: id, node: node, unit: unit, level: level, indices: indices))
                    return
                }
                peers[peer].descent = nil
            } else if let (unit, levels) = peers[peer].differing.popLast() {
                guard let tree = forest.tree(unit) else { continue }
                let bottom = min(levels, tree.levels)
                var descent = AntiEntropyPeer.Descent(unit: unit, bottom: bottom, nodes: [(0, [0])])
                if bottom == 0 {
                    descent.nodes = []
                    descent.ranges = [MerkleRange(unit: unit, places: tree.places(level: 0, index: 0))]
                }
                peers[peer].descent = descent
            } else {
                let units = Array(peers[peer].due.sorted().prefix(max(1, settings.roots)))
                peers[peer].due.subtract(units)
                let able = units.filter { forest.tree($0) != nil }
                peers[peer].pass.units += units.count - able.count
                peers[peer].pass.skipped += units.count - able.count
                guard !able.isEmpty else { continue }
                budget.spend(able.count * 10 + Frame.headerLength, now: now)
                let id = track(peer, .roots(able), now)
                actions.append(.sendRoots(id: id, node: node, units: able))
                return
            }
        }
        guard peers[peer].pass.units > 0 else { return }
        total.add(peers[peer].pass)
        actions.append(.passed(node: node, peers[peer].pass))
        peers[peer].pass = AntiEntropyPass()
    }

    /// Begins to wait for the answer to a step.
    private mutating func track(_ peer: Int, _ step: AntiEntropyPeer.Step, _ now: UInt64) -> UInt64 {
        lastStep += 1
        peers[peer].step = (lastStep, step, now + settings.patience)
        return lastStep
    }

    private mutating func jittered(_ duration: UInt64) -> UInt64 {
        duration - duration / 4 + random.next() % max(1, duration / 2)
    }
}

extension AntiEntropyPass {
    mutating func add(_ other: AntiEntropyPass) {
        units += other.units
        equal += other.equal
        differing += other.differing
        skipped += other.skipped
        ranges += other.ranges
        bytes += other.bytes
    }
}
