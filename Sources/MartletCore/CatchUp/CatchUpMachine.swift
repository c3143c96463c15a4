/// What happens to a replica that catches up.
public enum CatchUpEvent: Sendable {
    case linkOpened(UInt32, incarnation: UInt64)
    case linkClosed(UInt32)
    /// A peer told its states: by keyspace its runs, ascending.
    case heard(UInt32, incarnation: UInt64, runs: [[CatchUpRun]], hasServed: Bool, wantsAnswer: Bool)
    /// All that was asked of an exchange has been merged, durably, up to a stored key, or to the end.
    case exchanged(UInt32, id: UInt64, upTo: [UInt8]?)
    /// Of the units that were to be compared with a peer, those of which both hold the same; durably here.
    case compared(UInt32, id: UInt64, equal: [Int])
    /// An exchange or a comparison came to nothing.
    case failed(UInt32, id: UInt64)
    /// A write was not acknowledged by another owner of its key.
    case owed(UInt32, keyspace: Int, slot: UInt16)
    /// A node said that it holds hints for this one, or none any more.
    case hintsHeld(UInt32, areHeld: Bool)
    /// It is ``CatchUpMachine/wake`` or later.
    case time
}

/// What is to be done.
public enum CatchUpAction: Sendable {
    /// Send ``CatchUpMachine/runs(for:)`` to a peer.
    case tell(UInt32, wantsAnswer: Bool)
    /// Exchange a page: from a stored key on (empty: from the start of the first unit) through the units' records.
    case exchange(id: UInt64, node: UInt32, keyspace: Int, slots: [Range<Int>], from: [UInt8])
    /// Ask a peer whether it holds of these units, ascending, what is held here.
    case compare(id: UInt64, node: UInt32, units: [Int])
    /// Units are caught up.
    case caughtUp(CatchUpOutcome)
}

/// How units became caught up.
public struct CatchUpOutcome: Hashable, Sendable {
    public var units = 0
    /// Of these, units that every owner had lost: they are founded with what the owners hold, nothing as a rule.
    public var founded = 0
    /// Of these, units of which fewer owners held on to their data than a write could rely on: what was acknowledged
    /// may be lost, unless the cluster never served.
    public var atRisk = 0
    /// Whether an owner had taken a write before its present start, as far as is known: then units at risk count as
    /// lost. Writes since do not: one owner may take the first while the next is still founding.
    public var hasServed = false

    public init(units: Int = 0, founded: Int = 0, atRisk: Int = 0, hasServed: Bool = false) {
        self.units = units
        self.founded = founded
        self.atRisk = atRisk
        self.hasServed = hasServed
    }

    mutating func add(_ other: CatchUpOutcome) {
        units += other.units
        founded += other.founded
        atRisk += other.atRisk
    }
}

/// Decides when this replica's data count again, and with whom to exchange them: pure, driven by events.
///
/// A unit in need becomes caught up once it was merged from ``CatchUpUnit/needed`` other owners that are caught up
/// themselves; or from *every* other owner in whatever state, since then nobody is left who could know more. If all
/// owners are in need that is the founding: each has said so with its incarnation, and all that any holds is merged.
/// A peer that is in need and says it is empty is merged by that. In sloppy keyspaces all that has to wait until nobody
/// to whom there is a link holds hints for this node.
///
/// What was merged from a peer stays merged when the peer restarts: only data of before this replica's own loss matter,
/// and it had merged all that the peer had of these. An exchange that is broken off goes on where it stood as long as
/// the peer has the same incarnation, and begins anew with another.
///
/// What one owner has sent the next most likely has no more of: it is asked for the sums of its Merkle trees first, and
/// lists what it holds of those units only that differ.
///
/// Exchanges go both ways, so of two nodes that are well the one with the lower id begins them; one in need begins them
/// itself. One page at a time is exchanged with each peer.
public struct CatchUpMachine: Sendable {
    public let node: UInt32
    public let units: [CatchUpUnit]
    public let settings: CatchUpSettings
    /// Whether nothing was ever written here: then the states told say so.
    public var isPristine: Bool
    /// By keyspace, whether other nodes hold hints that units have to wait for; set before the first event.
    public var sloppyKeyspaces: [Bool] = []
    /// Nodes that said that they hold hints for this one.
    var hintHolders: Set<UInt32> = []
    /// Whether an owner had taken a write before its present start, as far as is known.
    public internal(set) var hasServed: Bool
    /// Units that are not caught up.
    public internal(set) var needCount = 0
    /// By keyspace, how its units became caught up since the start.
    public private(set) var outcomes: [CatchUpOutcome]
    /// When ``CatchUpEvent/time`` is due; nil if nothing is waited for.
    public internal(set) var wake: UInt64?

    var needs: [Bool]
    /// By unit, positions among its other owners: those merged while they were caught up, and all.
    var sound: [PositionSet]
    var merged: [PositionSet]
    var peers: [CatchUpPeer] = []
    /// By keyspace, the units by slot, and the shift from the one to the other.
    private var tables: [(shift: Int, units: [Int32])] = []
    var lastExchange: UInt64 = 0
    var outcome = CatchUpOutcome()
    /// Units that became caught up at risk and were not told of yet, with whether they were founded.
    private var atRisk: [(unit: Int, isFounded: Bool)] = []
    var actions: [CatchUpAction] = []
    private var random: UInt64

    /// - Parameters:
    ///   - units: by keyspace, then slot; those of a keyspace equally long.
    ///   - isCaughtUp: whether a unit's data are whole at the start.
    ///   - seed: for the jitter of periods.
    public init(
        node: UInt32, units: [CatchUpUnit], keyspaces: Int, settings: CatchUpSettings = CatchUpSettings(),
        isPristine: Bool, hasServed: Bool, seed: UInt64, isCaughtUp: (CatchUpUnit) -> Bool
    ) {
        self.node = node
        self.units = units
        self.settings = settings
        self.isPristine = isPristine
        self.hasServed = hasServed
        random = seed
        needs = units.map { !isCaughtUp($0) }
        needCount = needs.count { $0 }
        outcomes = Array(repeating: CatchUpOutcome(), count: keyspaces)
        sound = Array(repeating: PositionSet(), count: units.count)
        merged = sound
        for keyspace in 0..<keyspaces {
            let width = units.first { $0.keyspace == keyspace }?.slots.count ?? Slot.count
            let shift = width.trailingZeroBitCount
            tables.append((shift, Array(repeating: -1, count: Slot.count >> shift)))
        }
        for (index, unit) in units.enumerated() {
            tables[unit.keyspace].units[unit.slots.lowerBound >> tables[unit.keyspace].shift] = Int32(index)
        }
        let others = Set(units.flatMap(\.others)).sorted()
        for (index, id) in others.enumerated() {
            let shared = units.indices.filter { units[$0].others.contains(id) }
            peers.append(CatchUpPeer(node: id, units: shared, share: Double(index) / Double(others.count)))
        }
        for unit in units.indices where needs[unit] { settle(unit) }
    }

    /// The unit that a slot lies in; nil if this node, or this worker, does not own it.
    public func unit(ofSlot slot: UInt16, keyspace: Int) -> Int? {
        guard tables.indices.contains(keyspace) else { return nil }
        let index = tables[keyspace].units[Int(slot & 0x3fff) >> tables[keyspace].shift]
        return index < 0 ? nil : Int(index)
    }

    /// Whether a slot's records here count: what is not found was never acknowledged here. O(1).
    public func isCaughtUp(slot: UInt16, keyspace: Int) -> Bool {
        guard needCount > 0, let unit = unit(ofSlot: slot, keyspace: keyspace) else { return true }
        return !needs[unit]
    }

    public func isCaughtUp(unit: Int) -> Bool { !needs[unit] }

    /// Whether a peer said that it is caught up on a slot; nil if this node does not own it too. O(log peers).
    public func isCaughtUp(node: UInt32, slot: UInt16, keyspace: Int) -> Bool? {
        guard let unit = unit(ofSlot: slot, keyspace: keyspace), let peer = index(of: node) else { return nil }
        guard peers[peer].hasHeard else { return false }
        if peers[peer].needCount == 0 { return true }
        guard let place = peers[peer].place(of: unit) else { return nil }
        return peers[peer].states[place] == .caughtUp
    }

    /// How many of the units shared with a peer it said it is in need of; nil if it has not said, or shares none.
    public func needCount(of node: UInt32) -> Int? {
        guard let peer = index(of: node), peers[peer].hasHeard else { return nil }
        return peers[peer].needCount
    }

    /// This node's states in what it shares with a peer, by keyspace, ascending.
    public func runs(for node: UInt32) -> [[CatchUpRun]] {
        var runs = Array(repeating: [CatchUpRun](), count: tables.count)
        guard let peer = index(of: node) else { return runs }
        for unit in peers[peer].units {
            let (keyspace, slots) = (units[unit].keyspace, units[unit].slots)
            let state: CatchUpState = needs[unit] ? (isPristine ? .needsAndIsEmpty : .needs) : .caughtUp
            if let last = runs[keyspace].last, last.state == state, last.slots.upperBound == slots.lowerBound {
                runs[keyspace][runs[keyspace].count - 1].slots = last.slots.lowerBound..<slots.upperBound
            } else {
                runs[keyspace].append(CatchUpRun(slots: slots, state: state))
            }
        }
        return runs
    }

    /// The nodes that share a unit with this one, ascending.
    public var peerNodes: [UInt32] { peers.map(\.node) }

    /// The exchange or comparison that is under way with a peer.
    public func underWay(with node: UInt32) -> UInt64? { index(of: node).flatMap { peers[$0].exchange?.id } }

    func index(of node: UInt32) -> Int? {
        let at = peers.partitionIndex { $0.node < node }
        return at < peers.count && peers[at].node == node ? at : nil
    }

    /// Decides whether a unit in need is caught up by now.
    mutating func settle(_ unit: Int) {
        guard needs[unit], hintHolders.isEmpty || !isSloppy(units[unit].keyspace) else { return }
        let others = units[unit].others.count
        let needed = settings.plantedNeed.map { min($0, others) } ?? units[unit].needed
        let isSound = others > 0 && sound[unit].intersection(units[unit].counted).count >= needed
        guard isSound || merged[unit].count == others || settings.plantedNeed.map({ merged[unit].count >= $0 }) == true
        else { return }
        needs[unit] = false
        needCount -= 1
        let settled = CatchUpOutcome(units: 1, founded: sound[unit].isEmpty ? 1 : 0, atRisk: isSound ? 0 : 1)
        outcome.add(settled)
        outcomes[units[unit].keyspace].add(settled)
        guard !isSound else { return }
        atRisk.append((unit, sound[unit].isEmpty))
    }

    /// The units behind ``CatchUpOutcome/atRisk``, ascending, founded ones or the others; each is told once.
    public mutating func takeUnitsAtRisk(founded: Bool) -> [Int] {
        defer { atRisk.removeAll { $0.isFounded == founded } }
        return atRisk.filter { $0.isFounded == founded }.map(\.unit).sorted()
    }

    /// SplitMix64: enough to keep nodes from moving in step.
    mutating func jittered(_ duration: UInt64) -> UInt64 {
        random &+= 0x9e37_79b9_7f4a_7c15
        var z = (random ^ random >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return duration - duration / 4 + (z ^ z >> 31) % max(1, duration / 2)
    }
}
