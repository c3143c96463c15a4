/// A claim in the making: every partition's row of owners, and who holds how many.
struct ClaimRows {
    static let vacant = UInt16.max

    let plan: PlacementPlan
    /// N owners a partition; ``vacant`` where none is found yet.
    var table: [UInt16]
    /// Rows that each member is in.
    var counts: [Int]
    /// The rows that each member is in, in no order; kept from ``indexRows()`` on.
    var rowsOf: [[UInt16]] = []
    /// Whether what stands in a slot is not of the former claim: exchanging it again costs no further move.
    var isMoved: [Bool]
    /// The rows in which something has moved, in the order in which it first did.
    var movedRows: [Int] = []
    private var hasMoved: [Bool]
    /// Fixed: it only scatters, so that the load of a failed node falls on many.
    var random = Scatter()

    init(_ plan: PlacementPlan) {
        self.plan = plan
        table = [UInt16](repeating: Self.vacant, count: plan.partitions * plan.replicas)
        counts = [Int](repeating: 0, count: plan.members.count)
        isMoved = [Bool](repeating: false, count: table.count)
        hasMoved = [Bool](repeating: false, count: plan.partitions)
    }

    /// Where a partition's owners stand in ``table``.
    func slots(_ row: Int) -> Range<Int> { row * plan.replicas..<(row + 1) * plan.replicas }

    mutating func indexRows() {
        rowsOf = counts.map {
            var rows: [UInt16] = []
            rows.reserveCapacity($0)
            return rows
        }
        for row in 0..<plan.partitions {
            for slot in slots(row) where table[slot] != Self.vacant { rowsOf[Int(table[slot])].append(UInt16(row)) }
        }
    }

    /// Whether the row stays well spread, or can still be completed well spread, with `node` in place of `leaving`.
    /// O(N) unless racks or data centers are fewer than N.
    func fits(_ node: Int, row: Int, insteadOf leaving: UInt16 = vacant) -> Bool {
        let rack = plan.rackOf[node]
        let center = plan.centerOf[node]
        var inRack = 0
        var inCenter = 0
        for slot in slots(row) {
            let owner = table[slot]
            if owner == node { return false }
            if owner == leaving || owner == Self.vacant { continue }
            if plan.centerOf[Int(owner)] == center {
                inCenter += 1
                if plan.rackOf[Int(owner)] == rack { inRack += 1 }
            }
        }
        guard inRack < plan.racks[rack].most, inCenter < plan.centers[center].most else { return false }
        if !plan.hasFloors { return true }
        if leaving != Self.vacant, plan.rackOf[Int(leaving)] == rack { return true }
        return keepsFloors(row, adding: node, insteadOf: leaving)
    }

    /// Whether the places that would be left suffice for what each rack and data center has to hold at least.
    private func keepsFloors(_ row: Int, adding node: Int, insteadOf leaving: UInt16) -> Bool {
        var taken = 0
        for center in plan.centers.indices {
            var needed = 0
            for rack in plan.racksOfCenter[center] where plan.racks[rack].most > 0 {
                var count = plan.rackOf[node] == rack ? 1 : 0
                for slot in slots(row) where table[slot] != Self.vacant && table[slot] != leaving {
                    if plan.rackOf[Int(table[slot])] == rack { count += 1 }
                }
                needed += max(count, plan.racks[rack].least)
            }
            if needed > plan.centers[center].most { return false }
            taken += max(needed, plan.centers[center].least)
        }
        return taken <= plan.replicas
    }

    /// Gives `node` the place of `leaving`, which is in the row, or a vacant one.
    mutating func replace(_ leaving: UInt16 = vacant, by node: Int, row: Int) {
        guard let slot = slots(row).first(where: { table[$0] == leaving }) else { return }
        table[slot] = UInt16(node)
        isMoved[slot] = true
        if !hasMoved[row] {
            hasMoved[row] = true
            movedRows.append(row)
        }
        counts[node] += 1
        if leaving != Self.vacant { counts[Int(leaving)] -= 1 }
        guard !rowsOf.isEmpty else { return }
        rowsOf[node].append(UInt16(row))
        if leaving != Self.vacant, let at = rowsOf[Int(leaving)].firstIndex(of: UInt16(row)) {
            rowsOf[Int(leaving)].swapAt(at, rowsOf[Int(leaving)].count - 1)
            rowsOf[Int(leaving)].removeLast()
        }
    }

    /// Copies that a member lacks to its share, in units; what it lacks to the least that is tolerated counts most.
    func need(_ node: Int) -> Int {
        let lacking = plan.tolerated(node).lowerBound - counts[node]
        return lacking > 0 ? (lacking << 40) : plan.shares[node] - counts[node] * PlacementPlan.unit
    }
}

/// SplitMix64 from a fixed start: scatters copies, equally on every machine.
struct Scatter {
    private var state: UInt64 = 0x6d61_7274_6c65_7421

    /// A number below `limit`, which is positive.
    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return Int(mixed.multipliedFullWidth(by: UInt64(limit)).high)
    }
}
