/// A claim out of a former one, with as few moves as can be found.
extension ClaimRows {
    /// Keeps what can be kept of a former claim and balances the rest.
    ///
    /// Which copies go where is chosen one by one, so now and then a choice costs moves later; then another order and
    /// other rows are tried, and the best of four is taken.
    ///
    /// - Returns: nil if there is nothing to keep or some node could not be given what is tolerated.
    static func settled(_ plan: PlacementPlan, from former: Claim) -> ClaimRows? {
        var start = ClaimRows(plan)
        guard start.adopt(former) else { return nil }
        let least = start.leastMoves
        var best: ClaimRows?
        var fewest = Int.max
        for attempt in 0..<4 {
            var rows = start
            for _ in 0..<attempt { _ = rows.random.below(1) }
            guard rows.settle(raisingFirst: attempt % 2 == 1) else { continue }
            let moves = rows.isMoved.count { $0 }
            if moves < fewest {
                best = rows
                fewest = moves
            }
            if fewest * 20 <= least * 21 { break }
        }
        return best
    }

    /// No fewer copies than that can move, whatever racks and data centers ask for besides.
    private var leastMoves: Int {
        var vacant = table.count
        var excess = 0
        var lacking = 0
        for (node, count) in counts.enumerated() {
            vacant -= count
            excess += max(0, count - plan.tolerated(node).upperBound)
            lacking += max(0, plan.tolerated(node).lowerBound - count)
        }
        return max(vacant + excess, lacking)
    }

    /// Takes over every former owner that is still a member and does not stand in the way of a well spread row.
    ///
    /// Sets that can be completed to a well spread row are a matroid, so taking what fits, one after another, keeps as
    /// many owners as can be kept.
    ///
    /// - Returns: false if there was nothing to take over.
    private mutating func adopt(_ former: Claim) -> Bool {
        let indices = former.nodes.map { id in
            let at = plan.members.partitionIndex { $0.id < id }
            return at < plan.members.count && plan.members[at].id == id ? at : -1
        }
        for row in 0..<plan.partitions {
            let from = row * former.partitions / plan.partitions * former.replicas
            var slot = row * plan.replicas
            for owner in former.owners[from..<from + former.replicas] where slot < slots(row).upperBound {
                let node = indices[Int(owner)]
                guard node >= 0, fits(node, row: row) else { continue }
                table[slot] = UInt16(node)
                counts[node] += 1
                slot += 1
            }
        }
        return counts.contains { $0 > 0 }
    }

    /// Fills vacant places, then moves copies until every node holds what is tolerated.
    ///
    /// - Returns: false if some node could not be brought there.
    private mutating func settle(raisingFirst: Bool) -> Bool {
        for row in 0..<plan.partitions {
            while table[slots(row).upperBound - 1] == Self.vacant {
                guard let node = neediest(for: row) else { return false }
                replace(by: node, row: row)
            }
        }
        indexRows()
        // Those above first: what is taken from them goes to those below.
        if raisingFirst { raiseAll() }
        for node in counts.indices where counts[node] > plan.tolerated(node).upperBound {
            relieve(node)
        }
        raiseAll()
        return counts.indices.allSatisfy { plan.tolerated($0).contains(counts[$0]) }
    }

    private mutating func raiseAll() {
        for node in counts.indices where counts[node] < plan.tolerated(node).lowerBound { raise(node) }
    }

    /// The node that fits into a vacant place and lacks most. O(nodes).
    private func neediest(for row: Int) -> Int? {
        var best: Int?
        var most = Int.min
        for node in counts.indices {
            let need = need(node)
            if need > most, fits(node, row: row) {
                best = node
                most = need
            }
        }
        return best
    }

    /// Moves copies away from a node that holds too many, to those that lack most.
    private mutating func relieve(_ node: Int) {
        while counts[node] > plan.tolerated(node).upperBound {
            guard chain(to: receivers(), from: { _, donor in donor == node }, amongMoved: true) else {
                break
            }
        }
        var open = counts.indices.filter { $0 != node }
        while counts[node] > plan.tolerated(node).upperBound {
            let candidates = open.filter { counts[$0] < plan.tolerated($0).upperBound }
            if let receiver = candidates.max(by: { need($0) < need($1) }) {
                if !move(from: node, to: receiver) { open.removeAll { $0 == receiver } }
            } else if !chain(to: receivers(), from: { _, donor in donor == node }) {
                return
            }
        }
    }

    private func receivers() -> [Int] {
        counts.indices.filter { counts[$0] < plan.tolerated($0).upperBound }
    }

    /// Moves copies to a node that holds too few, from those that hold most beyond their share; at first only such as
    /// have moved anyhow.
    private mutating func raise(_ node: Int) {
        func canGive(_ rows: borrowing ClaimRows, _ donor: Int) -> Bool {
            rows.counts[donor] > rows.plan.tolerated(donor).lowerBound
        }
        while counts[node] < plan.tolerated(node).lowerBound {
            // Nothing below makes this succeed again: it adds no moved copies but those of the node itself.
            guard chain(to: [node], from: canGive, amongMoved: true) else { break }
        }
        var open = counts.indices.filter { $0 != node }
        while counts[node] < plan.tolerated(node).lowerBound {
            let candidates = open.filter { counts[$0] > plan.tolerated($0).lowerBound }
            if let donor = candidates.max(by: { need($0) > need($1) }) {
                if !move(from: donor, to: node) { open.removeAll { $0 == donor } }
            } else if !chain(to: [node], from: canGive) {
                return
            }
        }
    }

    /// Moves one copy if some row allows it: a few rows are tried at random, then all.
    private mutating func move(from donor: Int, to receiver: Int) -> Bool {
        let rows = rowsOf[donor]
        guard !rows.isEmpty else { return false }
        let start = random.below(rows.count)
        for step in 0..<rows.count {
            let row = Int(rows[(start + step) % rows.count])
            if fits(receiver, row: row, insteadOf: UInt16(donor)) {
                replace(UInt16(donor), by: receiver, row: row)
                return true
            }
        }
        return false
    }

    /// Moves one copy from a node of `isSource` to one of `targets` through others, by the fewest exchanges there
    /// are: a breadth-first search over nodes. O(nodes * QN) at worst.
    ///
    /// - Parameter amongMoved: exchange only what has moved already; then it costs no further move.
    private mutating func chain(
        to targets: [Int], from isSource: (borrowing ClaimRows, Int) -> Bool, amongMoved: Bool = false
    ) -> Bool {
        var next = [(node: Int, row: Int)?](repeating: nil, count: counts.count)
        var isSeen = [Bool](repeating: false, count: counts.count)
        for target in targets { isSeen[target] = true }
        var queue = targets
        var head = 0
        while head < queue.count {
            let receiver = queue[head]
            head += 1
            for index in 0..<(amongMoved ? movedRows.count : plan.partitions) {
                let row = amongMoved ? movedRows[index] : index
                for slot in slots(row) where !isSeen[Int(table[slot])] && (isMoved[slot] || !amongMoved) {
                    guard fits(receiver, row: row, insteadOf: table[slot]) else { continue }
                    let donor = Int(table[slot])
                    isSeen[donor] = true
                    next[donor] = (receiver, row)
                    if isSource(self, donor) { return follow(next, from: donor) }
                    queue.append(donor)
                }
            }
        }
        return false
    }

    /// Performs the moves of a chain; false, with nothing done, if it changes one row twice.
    private mutating func follow(_ next: [(node: Int, row: Int)?], from source: Int) -> Bool {
        var steps: [(donor: Int, receiver: Int, row: Int)] = []
        var donor = source
        while let step = next[donor] {
            if steps.contains(where: { $0.row == step.row }) { return false }
            steps.append((donor, step.node, step.row))
            donor = step.node
        }
        for step in steps { replace(UInt16(step.donor), by: step.receiver, row: step.row) }
        return true
    }
}

extension Array {
    /// The first index of a sorted array at which the condition no longer holds. O(log n).
    public func partitionIndex(where isBefore: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
