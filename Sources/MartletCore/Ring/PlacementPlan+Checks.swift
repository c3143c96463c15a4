extension PlacementPlan {
    /// Refuses members and partitions that no ring can be made of.
    static func check(_ members: [Member], partitions: Int) throws(PlacementError) {
        guard !members.isEmpty else { throw PlacementError(.memberCount, "a cluster needs at least one node") }
        guard partitions > 0, partitions.nonzeroBitCount == 1 else {
            throw PlacementError(.partitions, "\(partitions) partitions: use a power of two, as 256")
        }
        guard partitions <= Slot.count else {
            throw PlacementError(.partitions, "\(partitions) partitions: use at most \(Slot.count), one a slot")
        }
        guard members.count <= partitions / 8 else {
            let needed = members.count <= Slot.count / 8 ? powerOfTwo(atLeast: members.count * 8) : nil
            guard let needed else {
                throw PlacementError(
                    .memberCount, "\(members.count) nodes: \(Slot.count) partitions serve at most \(Slot.count / 8)")
            }
            throw PlacementError(
                .partitions,
                "\(partitions) partitions are too few for \(members.count) nodes: use at least 8 a node, \(needed)")
        }
        for member in members where member.weight < 1 || member.weight > Member.maximumWeight {
            throw PlacementError(
                .weight, "node \(member.name): weight \(member.weight): use 1 to \(Member.maximumWeight)")
        }
        let byID = members.sorted { ($0.id, $0.name) < ($1.id, $1.name) }
        for (former, next) in zip(byID, byID.dropFirst()) where former.id == next.id {
            throw PlacementError(.duplicateMember, "nodes \(former.name) and \(next.name) have the same id \(next.id)")
        }
        let byName = members.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
        for (former, next) in zip(byName, byName.dropFirst()) where former.name == next.name {
            throw PlacementError(
                .duplicateMember, "nodes \(former.id) and \(next.id) have the same name \(next.name)")
        }
    }

    private static func powerOfTwo(atLeast count: Int) -> Int {
        var power = 1
        while power < count { power *= 2 }
        return power
    }

    /// Refuses a placement that these members cannot hold.
    static func check(_ placement: Placement, members: [Member]) throws(PlacementError) {
        func sane(_ count: Int, _ whose: String) throws(PlacementError) {
            guard count >= 1, count <= Placement.maximumReplicas else {
                throw PlacementError(
                    .replicas, "\(count) replicas\(whose): use 1 to \(Placement.maximumReplicas)")
            }
        }
        switch placement {
        case .count(let count):
            try sane(count, "")
            guard count <= members.count else {
                throw PlacementError(
                    .tooFewNodes, "\(count) replicas need \(count) nodes, the cluster has \(members.count)")
            }
        case .perDataCenter(let centers):
            guard !centers.isEmpty else {
                throw PlacementError(.replicas, "replicas per data center: name at least one data center")
            }
            for (index, center) in centers.enumerated() {
                let name = center.dataCenter
                if centers[..<index].contains(where: { $0.dataCenter == name }) {
                    throw PlacementError(.dataCenter, "data center \(name) is named twice")
                }
                try sane(center.count, " in data center \(name)")
                let size = members.count { $0.dataCenter == name }
                guard size > 0 else {
                    let known = Set(members.map(\.dataCenter)).sorted().joined(separator: ", ")
                    throw PlacementError(.dataCenter, "no node is in data center \(name): the nodes are in \(known)")
                }
                guard center.count <= size else {
                    throw PlacementError(
                        .tooFewNodes,
                        "\(center.count) replicas in data center \(name) need as many nodes there, it has \(size)")
                }
            }
            try sane(placement.replicas, " over all data centers")
        }
    }
}
