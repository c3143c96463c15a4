internal import MartletCore

/// What may fail while owners enough for a level still answer, whichever key is asked for.
struct FailureTolerance {
    /// So many nodes, whichever they are.
    private(set) var nodes = Int.max
    /// Any rack whole; nil if there is one rack only.
    private(set) var rack: Bool?
    /// Any data center whole, asked from another; nil if there is one only.
    private(set) var dataCenter: Bool?

    /// O(Q N), times the data centers for levels that depend on where one asks.
    init(_ level: ConsistencyLevel, on ring: Ring) {
        let members = ring.members
        let centers = Set(members.map(\.dataCenter)).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: centers.enumerated().map { ($1, $0) })
        let centerOf = members.map { numbers[$0.dataCenter] ?? 0 }
        if Set(members.map { [$0.dataCenter, $0.rack] }).count > 1 { rack = true }
        if centers.count > 1 { dataCenter = true }
        for partition in 0..<ring.partitions {
            let owners = Array(ring.owners(ofPartition: partition))
            var places = [PositionSet](repeating: PositionSet(), count: centers.count)
            for (place, owner) in owners.enumerated() { places[centerOf[owner]].insert(place) }
            for local in level == .localQuorum ? Array(centers.indices) : [centerOf[owners[0]]] {
                lose(level, owners, ring, centers: centers.count > 1 ? places : [], local: local)
            }
        }
    }

    /// Notes what one partition's owners cannot lose, asked from the data center `local`.
    private mutating func lose(
        _ level: ConsistencyLevel, _ owners: [Int], _ ring: Ring, centers: [PositionSet], local: Int
    ) {
        let all = PositionSet(0..<owners.count)
        let placement = ReplicaPlacement(
            owners: owners.count, count: owners.count, centers: centers, localCenter: centers.isEmpty ? nil : local)
        let quorum: Quorum
        do throws(ConsistencyFault) {
            quorum = try Quorum(level, in: placement)
        } catch {
            (nodes, rack, dataCenter) = (0, rack.map { _ in false }, dataCenter.map { _ in false })
            return
        }
        for part in [quorum.first] + (quorum.others ?? []) {
            nodes = min(nodes, part.scope.intersection(all).count - part.needed)
        }
        if rack == true {
            for place in owners.indices {
                let member = ring.members[owners[place]]
                var down = PositionSet()
                for (other, owner) in owners.enumerated()
                where ring.members[owner].rack == member.rack && ring.members[owner].dataCenter == member.dataCenter {
                    down.insert(other)
                }
                if !quorum.isMet(by: all.subtracting(down)) { rack = false }
            }
        }
        guard dataCenter == true else { return }
        for (center, down) in centers.enumerated() where level != .localQuorum || center != local {
            if !quorum.isMet(by: all.subtracting(down)) { dataCenter = false }
        }
    }

    /// `go on with any 1 node, or any rack down`.
    var text: String {
        var parts: [String] = []
        if nodes > 0, nodes != .max { parts.append(nodes == 1 ? "any 1 node" : "any \(nodes) nodes") }
        if rack == true { parts.append("any rack") }
        if dataCenter == true { parts.append("any data center") }
        return parts.isEmpty
            ? "need every owner of a key" : "go on with " + parts.joined(separator: ", or ") + " down"
    }
}
