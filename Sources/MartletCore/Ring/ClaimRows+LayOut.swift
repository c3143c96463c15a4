/// A claim without a former one.
extension ClaimRows {
    static func laidOut(_ plan: PlacementPlan) -> ClaimRows {
        var rows = ClaimRows(plan)
        rows.layOut()
        return rows
    }

    /// Gives every node its share, rounded to a neighbouring whole number.
    ///
    /// The wrap-around rule (McNaughton, 1959): the shares are laid end to end, rack by rack and data center by data
    /// center, and partition p takes what lies at p, p + Q, p + 2Q ... A share is at most Q long, so no node is met
    /// twice, and a rack's run of length L is met floor(L/Q) or ceil(L/Q) times: just the bounds of the plan.
    private mutating func layOut() {
        var end = 0
        var next = 0
        for node in plan.line {
            end += plan.shares[node]
            while next * PlacementPlan.unit < end, next < table.count {
                table[next % plan.partitions * plan.replicas + next / plan.partitions] = UInt16(node)
                counts[node] += 1
                next += 1
            }
        }
        if plan.members.count > plan.replicas { scatter() }
        indexRows()
        chooseFirstOwners()
    }

    /// Exchanges owners between rows at random, so that a node's partitions are shared with many nodes, not with two.
    private mutating func scatter() {
        for row in 0..<plan.partitions {
            for slot in slots(row) {
                for _ in 0..<4 {
                    let other = random.below(plan.partitions)
                    if exchange(slot, row, other * plan.replicas + random.below(plan.replicas), other) {
                        break
                    }
                }
            }
        }
    }

    /// Exchanges what stands in two slots of different rows if both stay well spread.
    private mutating func exchange(_ slot: Int, _ row: Int, _ otherSlot: Int, _ otherRow: Int) -> Bool {
        let node = table[slot]
        let other = table[otherSlot]
        guard row != otherRow, node != other, fits(Int(other), row: row, insteadOf: node),
            fits(Int(node), row: otherRow, insteadOf: other)
        else { return false }
        table[slot] = other
        table[otherSlot] = node
        return true
    }

    /// Orders each row: first the owner that is behind most with being first, then at random.
    private mutating func chooseFirstOwners() {
        var behind = counts
        for row in 0..<plan.partitions {
            let slots = slots(row)
            for slot in slots { table.swapAt(slot, slot + random.below(slots.upperBound - slot)) }
            var best = slots.lowerBound
            for slot in slots where behind[Int(table[slot])] > behind[Int(table[best])] { best = slot }
            behind[Int(table[best])] -= plan.replicas
            table.swapAt(best, slots.lowerBound)
        }
    }
}
