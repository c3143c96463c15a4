import MartletCore

/// What DESIGN asks of a claim, computed in another way than the claim is: shares by bisection in floating point, the
/// fewest possible moves by a maximum flow.
struct RingOracle {
    let members: [Member]
    let partitions: Int
    let placement: Placement
    /// Of each member, in copies.
    private(set) var shares: [UInt32: Double] = [:]
    /// Copies of one partition, at least and at most, by data center and by [data center, rack].
    private(set) var centerBounds: [String: ClosedRange<Int>] = [:]
    private(set) var rackBounds: [[String]: ClosedRange<Int>] = [:]

    init(_ members: [Member], _ partitions: Int, _ placement: Placement) {
        self.members = members
        self.partitions = partitions
        self.placement = placement
        let whole = Double(partitions)
        let centers = Set(members.map(\.dataCenter)).sorted()
        let inCenter = centers.map { name in members.filter { $0.dataCenter == name } }
        var bounds: [ClosedRange<Int>] = []
        switch placement {
        case .count(let count): bounds = Self.level(count, inCenter.map(\.count))
        case .perDataCenter(let named):
            bounds = centers.map { name in
                let count = named.first { $0.dataCenter == name }?.count ?? 0
                return count...count
            }
        }
        let weights = inCenter.map { $0.reduce(0.0) { $0 + Double($1.weight) } }
        let parts = Self.divide(whole * Double(placement.replicas), weights, bounds, whole)
        for (index, center) in centers.enumerated() {
            centerBounds[center] = bounds[index]
            let racks = Set(inCenter[index].map(\.rack)).sorted()
            let inRack = racks.map { name in inCenter[index].filter { $0.rack == name } }
            let copies = Int((parts[index] / whole - 1e-9).rounded(.up))
            let levels = Self.level(copies, inRack.map(\.count))
            let rackWeights = inRack.map { $0.reduce(0.0) { $0 + Double($1.weight) } }
            let rackParts = Self.divide(parts[index], rackWeights, levels, whole)
            for (number, rack) in racks.enumerated() {
                rackBounds[[center, rack]] = levels[number]
                let nodes = inRack[number]
                let nodeParts = Self.divide(
                    rackParts[number], nodes.map { Double($0.weight) }, nodes.map { _ in 0...1 }, whole)
                for (node, part) in zip(nodes, nodeParts) { shares[node.id] = part }
            }
        }
    }

    private static func level(_ count: Int, _ sizes: [Int]) -> [ClosedRange<Int>] {
        let level = (0...count).first { level in sizes.map { min($0, level) }.reduce(0, +) >= count }!
        return sizes.map { min($0, max(0, level - 1))...min($0, level) }
    }

    /// In proportion to weight, each part clamped to its bounds.
    private static func divide(
        _ total: Double, _ weights: [Double], _ bounds: [ClosedRange<Int>], _ whole: Double
    ) -> [Double] {
        func parts(_ factor: Double) -> [Double] {
            zip(weights, bounds).map {
                min(max(factor * $0, Double($1.lowerBound) * whole), Double($1.upperBound) * whole)
            }
        }
        var low = 0.0
        var high = 1e9
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if parts(middle).reduce(0, +) < total { low = middle } else { high = middle }
        }
        return parts(high)
    }

    /// Copies that are near enough to the share: max(1, 5 %).
    func tolerated(_ id: UInt32) -> ClosedRange<Int> {
        let share = shares[id]!
        let slack = max(1, share / 20) + 1e-3
        return Int(max(0, share - slack).rounded(.up))...Int((share + slack).rounded(.down))
    }

    /// What is wrong with a claim; empty if nothing is.
    func faults(_ claim: Claim) -> [String] {
        var faults: [String] = []
        let byID = Dictionary(uniqueKeysWithValues: members.map { ($0.id, $0) })
        var copies: [UInt32: Int] = [:]
        var firsts: [UInt32: Int] = [:]
        for partition in 0..<partitions {
            let owners = claim.owners(ofPartition: partition)
            if owners.count != placement.replicas || Set(owners).count != owners.count {
                faults.append("partition \(partition): owners \(owners)")
            }
            var centers: [String: Int] = [:]
            var racks: [[String]: Int] = [:]
            for owner in owners {
                copies[owner, default: 0] += 1
                guard let node = byID[owner] else {
                    faults.append("partition \(partition): no such node \(owner)")
                    continue
                }
                centers[node.dataCenter, default: 0] += 1
                racks[[node.dataCenter, node.rack], default: 0] += 1
            }
            firsts[owners[0], default: 0] += 1
            for (center, bounds) in centerBounds where !bounds.contains(centers[center] ?? 0) {
                faults.append("partition \(partition): \(centers[center] ?? 0) copies in center \(center)")
            }
            for (rack, bounds) in rackBounds where !bounds.contains(racks[rack] ?? 0) {
                faults.append("partition \(partition): \(racks[rack] ?? 0) copies in rack \(rack)")
            }
        }
        for node in members {
            let count = copies[node.id] ?? 0
            if !tolerated(node.id).contains(count) {
                faults.append("node \(node.id): \(count) copies for a share of \(shares[node.id]!)")
            }
            let first = Double(firsts[node.id] ?? 0)
            let deserved = Double(count) / Double(placement.replicas)
            if abs(first - deserved) > max(1, deserved / 20) + 1e-3 {
                faults.append("node \(node.id): \(first) times first owner for \(deserved)")
            }
        }
        return faults
    }

    /// No claim in which every node holds what is tolerated can be reached from `former` with fewer moved copies:
    /// kept copies are a flow from partitions through data centers and racks to nodes, and all that nodes lack to the
    /// least that is tolerated has to move too.
    func fewestMoves(from former: Claim) -> Int {
        var graph = FlowGraph()
        let source = graph.node()
        let sink = graph.node()
        var sinks: [UInt32: Int] = [:]
        var held: [UInt32: Int] = [:]
        for node in members {
            sinks[node.id] = graph.node()
            graph.edge(sinks[node.id]!, sink, tolerated(node.id).upperBound)
        }
        let byID = Dictionary(uniqueKeysWithValues: members.map { ($0.id, $0) })
        for partition in 0..<partitions {
            let row = graph.node()
            graph.edge(source, row, placement.replicas)
            var centers: [String: Int] = [:]
            var racks: [[String]: Int] = [:]
            for owner in former.owners(ofPartition: partition) {
                guard let node = byID[owner] else { continue }
                held[owner, default: 0] += 1
                if centers[node.dataCenter] == nil {
                    centers[node.dataCenter] = graph.node()
                    graph.edge(row, centers[node.dataCenter]!, centerBounds[node.dataCenter]!.upperBound)
                }
                let rack = [node.dataCenter, node.rack]
                if racks[rack] == nil {
                    racks[rack] = graph.node()
                    graph.edge(centers[node.dataCenter]!, racks[rack]!, rackBounds[rack]!.upperBound)
                }
                graph.edge(racks[rack]!, sinks[owner]!, 1)
            }
        }
        let kept = graph.maximumFlow(source, sink)
        let lacking = members.reduce(0) { $0 + max(0, tolerated($1.id).lowerBound - (held[$1.id] ?? 0)) }
        return max(partitions * placement.replicas - kept, lacking)
    }

    /// The fewest moves, least numbers of copies of racks and data centers taken into account: a flow of least cost,
    /// reached from the flow that `claim` is by cancelling cycles that save moves. Slow, for few nodes.
    func exactlyFewestMoves(from former: Claim, startingWith claim: Claim) -> Int {
        var graph = CostFlow()
        let sink = graph.node()
        let source = graph.node()
        let held = members.map { node in
            (0..<partitions).count { claim.owners(ofPartition: $0).contains(node.id) }
        }
        let nodes = members.indices.map { index in
            let node = graph.node()
            graph.edge(node, sink, tolerated(members[index].id), flow: held[index])
            return node
        }
        for partition in 0..<partitions {
            let before = former.owners(ofPartition: partition)
            let after = claim.owners(ofPartition: partition)
            let row = graph.node()
            graph.edge(source, row, placement.replicas...placement.replicas, flow: placement.replicas)
            for (center, bounds) in centerBounds.sorted(by: { $0.key < $1.key }) {
                let inCenter = members.indices.filter { members[$0].dataCenter == center }
                let centerNode = graph.node()
                graph.edge(row, centerNode, bounds, flow: inCenter.count { after.contains(members[$0].id) })
                for rack in Set(inCenter.map { members[$0].rack }).sorted() {
                    let inRack = inCenter.filter { members[$0].rack == rack }
                    let rackNode = graph.node()
                    graph.edge(
                        centerNode, rackNode, rackBounds[[center, rack]]!,
                        flow: inRack.count { after.contains(members[$0].id) })
                    for index in inRack {
                        let id = members[index].id
                        graph.edge(
                            rackNode, nodes[index], 0...1, flow: after.contains(id) ? 1 : 0,
                            cost: before.contains(id) ? 0 : 1)
                    }
                }
            }
        }
        graph.cancelCycles()
        return graph.cost
    }

    /// Copies that a node holds now and did not hold before.
    static func moves(_ former: Claim, _ next: Claim) -> Int {
        (0..<next.partitions).reduce(0) { sum, partition in
            let before = former.owners(ofPartition: partition)
            return sum + next.owners(ofPartition: partition).count { !before.contains($0) }
        }
    }
}

/// A circulation with bounds and costs, made cheaper until it is cheapest (Klein, 1967).
struct CostFlow {
    private struct Edge {
        let from: Int
        let to: Int
        let bounds: ClosedRange<Int>
        var flow: Int
        let cost: Int
    }
    private var edges: [Edge] = []
    private var count = 0

    mutating func node() -> Int {
        count += 1
        return count - 1
    }

    mutating func edge(_ from: Int, _ to: Int, _ bounds: ClosedRange<Int>, flow: Int, cost: Int = 0) {
        precondition(bounds.contains(flow))
        edges.append(Edge(from: from, to: to, bounds: bounds, flow: flow, cost: cost))
    }

    var cost: Int { edges.reduce(0) { $0 + $1.flow * $1.cost } }

    mutating func cancelCycles() {
        while let cycle = negativeCycle() { for (edge, way) in cycle { edges[edge].flow += way } }
    }

    /// Bellman and Ford's: what still becomes cheaper lies behind a cycle of the edges by which it last did.
    private func negativeCycle() -> [(edge: Int, way: Int)]? {
        var distance = [Int](repeating: 0, count: count)
        var by = [(edge: Int, way: Int)?](repeating: nil, count: count)
        for _ in 0...count {
            var hasChanged = false
            for (index, edge) in edges.enumerated() {
                if edge.flow < edge.bounds.upperBound, distance[edge.from] + edge.cost < distance[edge.to] {
                    distance[edge.to] = distance[edge.from] + edge.cost
                    by[edge.to] = (index, 1)
                    hasChanged = true
                }
                if edge.flow > edge.bounds.lowerBound, distance[edge.to] - edge.cost < distance[edge.from] {
                    distance[edge.from] = distance[edge.to] - edge.cost
                    by[edge.from] = (index, -1)
                    hasChanged = true
                }
            }
            if !hasChanged { return nil }
            if let cycle = cycle(by) { return cycle }
        }
        return nil
    }

    /// A cycle of the edges that lead to nodes, if there is one.
    private func cycle(_ by: [(edge: Int, way: Int)?]) -> [(edge: Int, way: Int)]? {
        var visit = [Int](repeating: -1, count: count)
        for start in 0..<count where visit[start] < 0 {
            var at = start
            while visit[at] < 0, let step = by[at] {
                visit[at] = start
                at = step.way > 0 ? edges[step.edge].from : edges[step.edge].to
            }
            guard visit[at] == start, by[at] != nil else { continue }
            var cycle: [(edge: Int, way: Int)] = []
            let first = at
            repeat {
                cycle.append(by[at]!)
                at = by[at]!.way > 0 ? edges[by[at]!.edge].from : edges[by[at]!.edge].to
            } while at != first
            return cycle
        }
        return nil
    }
}

/// Dinic's maximum flow.
struct FlowGraph {
    private var edges: [(to: Int, left: Int)] = []  // an edge and, after it, its reverse
    private var out: [[Int]] = []

    mutating func node() -> Int {
        out.append([])
        return out.count - 1
    }

    mutating func edge(_ from: Int, _ to: Int, _ capacity: Int) {
        out[from].append(edges.count)
        edges.append((to, capacity))
        out[to].append(edges.count)
        edges.append((from, 0))
    }

    mutating func maximumFlow(_ source: Int, _ sink: Int) -> Int {
        var flow = 0
        while true {
            var level = [Int](repeating: -1, count: out.count)
            level[source] = 0
            var queue = [source]
            var head = 0
            while head < queue.count {
                let at = queue[head]
                head += 1
                for edge in out[at] where edges[edge].left > 0 && level[edges[edge].to] < 0 {
                    level[edges[edge].to] = level[at] + 1
                    queue.append(edges[edge].to)
                }
            }
            guard level[sink] >= 0 else { return flow }
            var next = [Int](repeating: 0, count: out.count)
            while true {
                let pushed = push(source, sink, .max, level, &next)
                if pushed == 0 { break }
                flow += pushed
            }
        }
    }

    private mutating func push(_ at: Int, _ sink: Int, _ limit: Int, _ level: [Int], _ next: inout [Int]) -> Int {
        if at == sink { return limit }
        while next[at] < out[at].count {
            let edge = out[at][next[at]]
            let to = edges[edge].to
            if edges[edge].left > 0, level[to] == level[at] + 1 {
                let pushed = push(to, sink, min(limit, edges[edge].left), level, &next)
                if pushed > 0 {
                    edges[edge].left -= pushed
                    edges[edge ^ 1].left += pushed
                    return pushed
                }
            }
            next[at] += 1
        }
        return 0
    }
}
