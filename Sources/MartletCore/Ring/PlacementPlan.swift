/// What every row of a claim has to satisfy, and how many copies each node should hold.
///
/// Data centers, then racks in each, then nodes in each take copies as evenly as they can: with level L the least for
/// which `sum(min(size, L))` reaches what is to be placed, each takes `min(size, L - 1)` to `min(size, L)` copies of
/// every partition. So copies lie in distinct centers and racks first. Within these bounds shares go by weight.
struct PlacementPlan {
    /// Shares are kept in 1/65536 copies, in integers, so that every machine computes the same.
    static let unit = 1 << 16

    /// By id.
    let members: [Member]
    let partitions: Int
    let replicas: Int
    /// Members' indices by data center, rack, id: a rack is one run of it.
    let line: [Int]
    /// Of each member.
    private(set) var rackOf: [Int]
    private(set) var centerOf: [Int]
    /// The least and most copies of one partition, of each rack and data center.
    private(set) var racks: [Bounds] = []
    private(set) var centers: [Bounds] = []
    private(set) var racksOfCenter: [[Int]] = []
    /// The copies that each member's weight deserves, in ``unit``s; at most all partitions.
    private(set) var shares: [Int]
    /// Whether some least number of copies is not kept merely by keeping all greatest ones.
    private(set) var hasFloors = false

    struct Bounds {
        var least: Int
        var most: Int
    }

    init(members given: [Member], partitions: Int, placement: Placement) throws(PlacementError) {
        try Self.check(given, partitions: partitions)
        try Self.check(placement, members: given)
        let members = given.sorted { $0.id < $1.id }
        self.members = members
        self.partitions = partitions
        replicas = placement.replicas
        line = members.indices.sorted {
            let (a, b) = (members[$0], members[$1])
            return (a.dataCenter, a.rack, a.id) < (b.dataCenter, b.rack, b.id)
        }
        rackOf = [Int](repeating: 0, count: members.count)
        centerOf = rackOf
        shares = rackOf
        divide(placement)
    }

    /// Names racks and centers by number and gives each its bounds and its members their shares.
    private mutating func divide(_ placement: Placement) {
        var runs: [[[Int]]] = []  // data center, rack, members
        for (place, index) in line.enumerated() {
            let before = place > 0 ? members[line[place - 1]] : nil
            if before?.dataCenter != members[index].dataCenter {
                runs.append([[]])
            } else if before?.rack != members[index].rack {
                runs[runs.count - 1].append([])
            }
            runs[runs.count - 1][runs[runs.count - 1].count - 1].append(index)
        }
        let whole = partitions * Self.unit
        let sizes = runs.map { $0.reduce(0) { $0 + $1.count } }
        switch placement {
        case .count(let count):
            centers = Self.level(count, sizes)
            hasFloors = centers.count > 1 && centers.contains { $0.least > 0 }
        case .perDataCenter(let named):
            centers = runs.map { run in
                let name = members[run[0][0]].dataCenter
                let count = named.first { $0.dataCenter == name }?.count ?? 0
                return Bounds(least: count, most: count)
            }
        }
        let weights = runs.map { $0.map { $0.reduce(0) { $0 + members[$1].weight } } }
        let centerShares = Self.fill(
            replicas * whole, weights: weights.map { $0.reduce(0, +) }, bounds: centers, whole: whole)
        for (center, run) in runs.enumerated() {
            let share = centerShares[center]
            let bounds = Self.level((share + whole - 1) / whole, run.map(\.count))
            hasFloors = hasFloors || (run.count > 1 && bounds.contains { $0.least > 0 })
            let rackShares = Self.fill(share, weights: weights[center], bounds: bounds, whole: whole)
            racksOfCenter.append(Array(racks.count..<racks.count + run.count))
            for (rack, indices) in run.enumerated() {
                let parts = Self.fill(
                    rackShares[rack], weights: indices.map { members[$0].weight },
                    bounds: indices.map { _ in Bounds(least: 0, most: 1) }, whole: whole)
                for (index, part) in zip(indices, parts) {
                    rackOf[index] = racks.count + rack
                    centerOf[index] = center
                    shares[index] = part
                }
            }
            racks += bounds
        }
    }

    /// The bounds of groups of these sizes that `count` copies are spread over evenly.
    private static func level(_ count: Int, _ sizes: [Int]) -> [Bounds] {
        var level = 0
        while sizes.reduce(0, { $0 + min($1, level) }) < count { level += 1 }
        return sizes.map { Bounds(least: min($0, max(0, level - 1)), most: min($0, level)) }
    }

    /// Divides `total` by weight within bounds; what one cannot take is spread over the others by weight.
    ///
    /// Each round fixes the parts that lie beyond the bound which is violated more in sum, as in the flexible layout
    /// of CSS, so the result is the one clipped division in proportion. O(parts squared) at worst, rarely over
    /// three rounds.
    private static func fill(_ total: Int, weights: [Int], bounds: [Bounds], whole: Int) -> [Int] {
        var parts = [Int](repeating: 0, count: weights.count)
        var open = Array(weights.indices)
        var left = total
        while !open.isEmpty {
            let weight = open.reduce(0) { $0 + weights[$1] }
            var over = 0
            var under = 0
            for index in open {
                let part = scale(left, by: weights[index], over: weight)
                parts[index] = part
                over += max(0, part - bounds[index].most * whole)
                under += max(0, bounds[index].least * whole - part)
            }
            guard over > 0 || under > 0 else { break }
            var still: [Int] = []
            for index in open {
                let fixed = over >= under ? bounds[index].most * whole : bounds[index].least * whole
                if over >= under ? parts[index] > fixed : parts[index] < fixed {
                    parts[index] = fixed
                    left -= fixed
                } else {
                    still.append(index)
                }
            }
            open = still
        }
        // Rounding down left less than one unit to each that was rounded. No other may grow: one unit beyond a bound
        // would be a copy beyond it.
        var rest = total - parts.reduce(0, +)
        let weight = open.reduce(0) { $0 + weights[$1] }
        for index in open where rest > 0 && isRounded(left, by: weights[index], over: weight) {
            parts[index] += 1
            rest -= 1
        }
        return parts
    }

    private static func isRounded(_ value: Int, by weight: Int, over sum: Int) -> Bool {
        let product = UInt64(max(0, value)).multipliedFullWidth(by: UInt64(weight))
        return UInt64(sum).dividingFullWidth(product).remainder != 0
    }

    private static func scale(_ value: Int, by weight: Int, over sum: Int) -> Int {
        let product = UInt64(max(0, value)).multipliedFullWidth(by: UInt64(weight))
        return Int(UInt64(sum).dividingFullWidth(product).quotient)
    }

    /// The fewest and most copies that are near enough to a member's share: max(1, 5 %).
    func tolerated(_ index: Int) -> ClosedRange<Int> {
        let share = shares[index]
        let slack = max(Self.unit, share / 20)
        let least = (max(0, share - slack) + Self.unit - 1) / Self.unit
        return least...max(least, min(partitions, (share + slack) / Self.unit))
    }
}
