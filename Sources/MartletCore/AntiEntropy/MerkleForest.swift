/// The Merkle trees of one worker: one for each unit (a partition of a keyspace, or the worker's part of it), by the
/// same numbers as in ``CatchUpMachine``.
///
/// A tree is *whole* if every record of the unit is in it. One that is not, or not deep enough, is made anew by a scan
/// in the background: ``beginScan(_:records:)``, then ``scanned(_:_:isLast:)`` page by page, while writes go on; a scan
/// of a whole tree shows what went by it: damage at rest, or a fault of ours. A page has to be read after the writes
/// that ``update(_:place:removing:adding:)`` was told of, and before those it was not: in one turn of the worker.
public struct MerkleForest: Sendable {
    public let units: [CatchUpUnit]
    private var plots: [Plot]
    /// Trees that are being made anew, by unit.
    private var scans: [Int: MerkleTree] = [:]
    /// By unit, up to which place all records are in the new tree; 0 without a scan. Apart, since writes look at it.
    private var reached: [UInt64]

    private struct Plot: Sendable {
        var tree: MerkleTree
        var isWhole: Bool
    }

    /// How a scan went on.
    public enum ScanStep: Hashable, Sendable {
        /// The next page begins at this place.
        case next(place: UInt64)
        /// The tree is whole. If it was before: in how many leaves it had been wrong.
        case finished(differingLeaves: Int?)
    }

    /// Forest of a node whose data are empty, or not known yet.
    ///
    /// - Parameters:
    ///   - units: by keyspace, then slot.
    ///   - isEmpty: whether there are no records at all: then the trees are whole.
    public init(units: [CatchUpUnit], isEmpty: Bool) {
        self.units = units
        plots = units.map { Plot(tree: MerkleTree(slots: $0.slots), isWhole: isEmpty) }
        reached = units.map { _ in 0 }
    }

    /// The unit that a slot lies in; nil if this worker does not own it. O(log units).
    public func unit(ofSlot slot: UInt16, keyspace: Int) -> Int? {
        let at = units.partitionIndex { ($0.keyspace, $0.slots.upperBound) <= (keyspace, Int(slot)) }
        guard at < units.count, units[at].keyspace == keyspace, units[at].slots.contains(Int(slot)) else { return nil }
        return at
    }

    /// A unit's tree; nil while it is not whole.
    public func tree(_ unit: Int) -> MerkleTree? { plots[unit].isWhole ? plots[unit].tree : nil }

    /// Units whose trees are not whole.
    public var incomplete: Int { plots.count { !$0.isWhole } }

    /// Takes note of a write, see ``MerkleTree/update(place:removing:adding:)``. To be called for each record that a
    /// committed batch changes, the digest of the former one known from the merge. O(1).
    public mutating func update(_ unit: Int, place: UInt64, removing old: UInt64?, adding new: UInt64?) {
        plots[unit].tree.update(place: place, removing: old, adding: new)
        if place < reached[unit] { scans[unit]?.update(place: place, removing: old, adding: new) }
    }

    /// Takes a tree that an orderly stop left, if it is that unit's and of the data as they are.
    public mutating func restore(_ unit: Int, _ tree: MerkleTree) -> Bool {
        guard tree.slots == units[unit].slots else { return false }
        plant(unit, tree, isWhole: true)
        return true
    }

    /// Says that a unit's records are no longer what its tree holds: they were lost, or replaced as a whole.
    public mutating func invalidate(_ unit: Int) {
        plant(unit, MerkleTree(slots: units[unit].slots), isWhole: false)
    }

    /// Puts a tree in the place of a unit's former one, and ends the scan of that.
    private mutating func plant(_ unit: Int, _ tree: MerkleTree, isWhole: Bool) {
        plots[unit] = Plot(tree: tree, isWhole: isWhole)
        scans[unit] = nil
        reached[unit] = 0
    }

    /// Drops all of a keyspace at once, as its generation rises.
    public mutating func clear(keyspace: Int) {
        for unit in units.indices where units[unit].keyspace == keyspace {
            plant(unit, MerkleTree(slots: units[unit].slots), isWhole: true)
        }
    }

    // MARK: Scans

    /// The next unit to be scanned: one whose tree is not whole, or else has too few levels; nil if there is none.
    /// Trees with too many lose some. O(units).
    public mutating func nextToScan(after unit: Int = -1) -> Int? {
        var crowded: Int?
        for step in 1...max(1, plots.count) where !plots.isEmpty {
            let unit = (unit + step) % plots.count
            guard plots[unit].isWhole else { return unit }
            let fitting = plots[unit].tree.fittingLevels
            if fitting < plots[unit].tree.levels { plots[unit].tree.coarsen(to: fitting) }
            if fitting > plots[unit].tree.levels, crowded == nil { crowded = unit }
        }
        return crowded
    }

    /// Begins to make a unit's tree anew.
    ///
    /// - Parameter records: how many there are, roughly; nil if that is known from the tree alone.
    /// - Returns: the place at which the first page begins.
    public mutating func beginScan(_ unit: Int, records: Int? = nil) -> UInt64 {
        let tree = plots[unit].tree
        let levels = records.map { MerkleTree.levels(forRecords: $0) } ?? tree.fittingLevels
        let from = tree.places(level: 0, index: 0).lowerBound
        scans[unit] = MerkleTree(slots: tree.slots, levels: levels)
        reached[unit] = from
        return from
    }

    /// Takes a page of a scan: the places and digests of all records from where the page began up to some place.
    ///
    /// Records at the last place of a page are left to the next one, unless it is the last page: there may be more.
    ///
    /// - Returns: nil if no scan is under way.
    public mutating func scanned(
        _ unit: Int, _ page: [(place: UInt64, digest: UInt64)], isLast: Bool
    ) -> ScanStep? {
        guard var tree = scans.removeValue(forKey: unit) else { return nil }  // so that it is changed in place
        let from = reached[unit]
        let end: UInt64
        if isLast {
            end = .max
        } else if let last = page.last?.place, last > from {
            end = last
        } else {
            end = (page.last?.place ?? from) + 1  // a page of one place: no second one holds more of it
        }
        for (place, digest) in page where place >= from && place < end {
            tree.update(place: place, removing: nil, adding: digest)
        }
        guard isLast else {
            scans[unit] = tree
            reached[unit] = end
            return .next(place: end)
        }
        let former = plots[unit].isWhole ? plots[unit].tree : nil
        plant(unit, tree, isWhole: true)
        return .finished(differingLeaves: former?.differingLeaves(tree))
    }

    // MARK: Answers to others

    /// Compares another owner's roots with this one's. Stateless: whoever asks keeps track.
    ///
    /// - Parameter mute: units of which nothing is said.
    public func answer(
        _ roots: MerkleRoots, except mute: Set<Int> = [],
        generation: (UInt32) -> (keyspace: Int, generation: UInt32)?
    ) -> MerkleRootsReply {
        var reply = MerkleRootsReply()
        var index = -1
        for run in roots.keyspaces {
            let own = generation(run.id)
            for (slots, root) in run.units {
                index += 1
                guard let own, own.generation == run.generation,
                    let unit = unit(ofSlot: UInt16(slots.lowerBound), keyspace: own.keyspace),
                    units[unit].slots == slots, !mute.contains(unit), let tree = tree(unit)
                else {
                    reply.entries.append(.init(index: index, outcome: .unknown))
                    continue
                }
                if tree.root != root {
                    reply.entries.append(
                        .init(index: index, outcome: .differs(levels: tree.levels, records: tree.records)))
                }
            }
        }
        return reply
    }

    /// Says which children of another owner's nodes differ from this one's.
    public func answer(_ nodes: MerkleNodes, keyspace: Int) -> MerkleNodesReply {
        guard let unit = unit(ofSlot: UInt16(nodes.slots.lowerBound), keyspace: keyspace),
            units[unit].slots == nodes.slots, let tree = tree(unit), nodes.level < tree.levels
        else { return MerkleNodesReply(isRefused: true, differing: []) }
        var differing: [Int] = []
        for (node, sums) in zip(nodes.indices, nodes.sums) {
            for child in 0..<MerkleTree.fanout {
                let index = node * MerkleTree.fanout + child
                if tree.sum(level: nodes.level + 1, index: index) != sums[child] { differing.append(index) }
            }
        }
        return MerkleNodesReply(isRefused: false, differing: differing)
    }

    /// The roots of some units, to be sent to another owner; those that are not whole are left out.
    ///
    /// - Parameter generation: of a keyspace by its index: its id, and its generation.
    /// - Returns: the message, and which unit each root in it is of.
    public func roots(
        _ chosen: [Int], generation: (Int) -> (id: UInt32, generation: UInt32)
    ) -> (message: MerkleRoots, units: [Int]) {
        var message = MerkleRoots()
        var included: [Int] = []
        for unit in chosen.sorted() {
            guard let tree = tree(unit) else { continue }
            let (id, number) = generation(units[unit].keyspace)
            if message.keyspaces.last?.id != id {
                message.keyspaces.append(.init(id: id, generation: number, units: []))
            }
            message.keyspaces[message.keyspaces.count - 1].units.append((units[unit].slots, tree.root))
            included.append(unit)
        }
        return (message, included)
    }
}
