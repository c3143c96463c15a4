/// Who stands first: a node is to be the first owner of one in N of its partitions.
extension ClaimRows {
    /// Reorders as few rows as it takes to bring every node within max(1, 5 %) of that. No copy moves.
    ///
    /// An exact balance always exists (each row's first place divided equally is a fractional one, and flows round), so
    /// a node that is first too often reaches one that is so too rarely over rows that hold both ends of each step.
    mutating func balanceFirstOwners() {
        guard plan.replicas > 1 else { return }
        var firsts = [Int](repeating: 0, count: counts.count)
        for row in 0..<plan.partitions { firsts[Int(table[row * plan.replicas])] += 1 }
        for node in counts.indices {
            while firsts[node] > toleratedFirsts(node).upperBound {
                guard pass(firsts: &firsts, from: node, upward: true) else { break }
            }
            while firsts[node] < toleratedFirsts(node).lowerBound {
                guard pass(firsts: &firsts, from: node, upward: false) else { break }
            }
        }
    }

    func toleratedFirsts(_ node: Int) -> ClosedRange<Int> {
        let slack = max(plan.replicas, counts[node] / 20)
        let least = (max(0, counts[node] - slack) + plan.replicas - 1) / plan.replicas
        return least...max(least, (counts[node] + slack) / plan.replicas)
    }

    /// Finds the shortest way from a node that is first too often to one that is so too rarely (or, downward, back
    /// from one that is too rarely), and has each on the way hand one row's first place on. O(QN).
    private mutating func pass(firsts: inout [Int], from start: Int, upward: Bool) -> Bool {
        var before = [(node: Int, row: Int)?](repeating: nil, count: counts.count)
        var isSeen = [Bool](repeating: false, count: counts.count)
        isSeen[start] = true
        var queue = [start]
        var head = 0
        while head < queue.count {
            let node = queue[head]
            head += 1
            for row in rowsOf[node].lazy.map(Int.init) {
                let first = Int(table[row * plan.replicas])
                guard upward == (first == node) else { continue }
                for slot in upward ? slots(row) : row * plan.replicas..<row * plan.replicas + 1 {
                    let other = Int(table[slot])
                    guard !isSeen[other] else { continue }
                    isSeen[other] = true
                    before[other] = (node, row)
                    let gap = counts[other] - firsts[other] * plan.replicas
                    if upward ? gap > 0 : gap < 0 {
                        firsts[upward ? other : start] += 1
                        firsts[upward ? start : other] -= 1
                        handOn(before, from: other, upward: upward)
                        return true
                    }
                    queue.append(other)
                }
            }
        }
        return false
    }

    private mutating func handOn(_ before: [(node: Int, row: Int)?], from end: Int, upward: Bool) {
        var node = end
        while let step = before[node] {
            let heir = UInt16(upward ? node : step.node)
            let first = step.row * plan.replicas
            if let slot = slots(step.row).first(where: { table[$0] == heir }) { table.swapAt(first, slot) }
            node = step.node
        }
    }
}
