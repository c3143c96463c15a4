/// The walk beyond the owners.
extension Ring {
    /// All nodes in the order in which they are asked to stand in: the owners, then the rest of the walk.
    ///
    /// Computed anew: O(QN) at worst, usually O(nodes * log nodes). ``owners(ofPartition:)`` and
    /// ``fallbacks(ofPartition:)`` know its beginning for nothing.
    public func preferenceList(ofPartition partition: Int) -> [Int] {
        var order: [UInt16] = []
        var isMet = [Bool](repeating: false, count: members.count)
        for step in 0..<partitions where order.count < members.count {
            for node in owners(ofPartition: (partition + step) % partitions) where !isMet[node] {
                isMet[node] = true
                order.append(UInt16(node))
            }
        }
        for node in members.indices where !isMet[node] { order.append(UInt16(node)) }
        var arranger = Arranger(claim, racks: racks, rackCount: rackCount)
        var rest: [UInt16] = []
        arranger.arrange(order, owners: owners(ofPartition: partition), depth: members.count - replicas, into: &rest)
        return Array(owners(ofPartition: partition)) + rest.map(Int.init)
    }

    /// Numbers the racks; those of two data centers differ.
    static func number(_ members: [Member]) -> (racks: [Int], count: Int) {
        var known: [[String]: Int] = [:]
        let racks = members.map { member in
            let count = known.count
            let place = [member.dataCenter, member.rack]
            if let rack = known[place] { return rack }
            known[place] = count
            return count
        }
        return (racks, known.count)
    }

    /// The beginning of every partition's walk beyond its owners.
    ///
    /// The walk from p is the walk from p + 1 with p's owners moved to the front, so that one list, passed along the
    /// ring backwards, is every partition's in turn. The first lap only brings it into order.
    static func computeFallbacks(_ claim: Claim, depth: Int, racks: [Int], rackCount: Int) -> [UInt16] {
        guard depth > 0 else { return [] }
        var arranger = Arranger(claim, racks: racks, rackCount: rackCount)
        var order = racks.indices.map(UInt16.init)
        var flat: [UInt16] = []
        flat.reserveCapacity(claim.partitions * depth)
        for isFinal in [false, true] {
            for partition in (0..<claim.partitions).reversed() {
                for place in (0..<claim.replicas).reversed() {
                    moveToFront(claim.owners[partition * claim.replicas + place], of: &order)
                }
                guard isFinal else { continue }
                let owners = NodeList(
                    table: claim.owners, start: partition * claim.replicas, count: claim.replicas)
                arranger.arrange(order, owners: owners, depth: depth, into: &flat)
            }
        }
        // The lap went backwards.
        var table = [UInt16](repeating: 0, count: flat.count)
        for partition in 0..<claim.partitions {
            let from = (claim.partitions - 1 - partition) * depth
            for place in 0..<depth { table[partition * depth + place] = flat[from + place] }
        }
        return table
    }

    private static func moveToFront(_ node: UInt16, of order: inout [UInt16]) {
        var carried = node
        for index in order.indices {
            swap(&carried, &order[index])
            if carried == node { return }
        }
    }
}

/// Puts nodes of racks without an owner before the other nodes of a walk.
private struct Arranger {
    let racks: [Int]
    /// Whether a rack holds any copies at all, and how many do: the others are no place to spread to.
    private var isUsed: [Bool]
    private let usedCount: Int
    /// The partition (counted from 1) that a rack or node was last taken for: clears both for the next one at once.
    private var rackTaken: [Int]
    private var nodeTaken: [Int]
    private var round = 0

    init(_ claim: Claim, racks: [Int], rackCount: Int) {
        self.racks = racks
        isUsed = [Bool](repeating: false, count: rackCount)
        for owner in claim.owners { isUsed[racks[Int(owner)]] = true }
        usedCount = isUsed.count { $0 }
        rackTaken = [Int](repeating: 0, count: rackCount)
        nodeTaken = [Int](repeating: 0, count: racks.count)
    }

    /// Appends `depth` nodes of `order`, which begins with the owners.
    mutating func arrange(_ order: [UInt16], owners: Ring.NodeList, depth: Int, into list: inout [UInt16]) {
        round += 1
        var left = usedCount
        for owner in owners {
            nodeTaken[owner] = round
            if rackTaken[racks[owner]] != round { left -= 1 }
            rackTaken[racks[owner]] = round
        }
        let end = list.count + depth
        for node in order.lazy.map(Int.init) {
            guard left > 0, list.count < end else { break }
            guard rackTaken[racks[node]] != round, isUsed[racks[node]] else { continue }
            rackTaken[racks[node]] = round
            nodeTaken[node] = round
            left -= 1
            list.append(UInt16(node))
        }
        for node in order.lazy.map(Int.init) where nodeTaken[node] != round {
            guard list.count < end else { return }
            list.append(UInt16(node))
        }
    }
}
