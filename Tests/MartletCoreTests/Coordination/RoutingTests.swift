import MartletCore
import Testing

@Suite struct RoutingTests {
    @Test("plain writes are minted here if this node owns the key, else by the first fit owner")
    func plain() {
        func route(_ fit: PositionSet, own: Int?, isSloppy: Bool = true) -> WriteRoute {
            .write(owners: 3, fit: fit, own: own, isSloppy: isSloppy)
        }
        #expect(route([0, 1, 2, 3], own: 2) == .here(isStandIn: false))
        #expect(route([0, 1, 2, 3], own: 3) == .handOver(to: 0, isStandIn: false))
        #expect(route([0, 1], own: 2) == .handOver(to: 0, isStandIn: false))
        #expect(route([2], own: nil) == .handOver(to: 2, isStandIn: false))
        #expect(route([3, 4], own: 3) == .here(isStandIn: true))
        #expect(route([3, 4], own: 4) == .handOver(to: 3, isStandIn: true))
        #expect(route([3, 4], own: 3, isSloppy: false) == .nobody)
        #expect(route([], own: 0) == .nobody)
    }

    @Test("read-modify-write goes to the first fit owner, whoever takes it in")
    func readModifyWrite() {
        for own in [0, 1, 2, 3, nil] as [Int?] {
            let route = WriteRoute.readModifyWrite(owners: 3, fit: [1, 2, 3], own: own, isSloppy: true)
            #expect(route == (own == 1 ? .here(isStandIn: false) : .handOver(to: 1, isStandIn: false)))
        }
        #expect(WriteRoute.readModifyWrite(owners: 3, fit: [3], own: 3, isSloppy: false) == .nobody)
        #expect(WriteRoute.readModifyWrite(owners: 3, fit: [3], own: 3, isSloppy: true) == .here(isStandIn: true))
    }

    @Test("keys are grouped by label, in order, none lost", arguments: seeds)
    func grouping(seed: UInt64) {
        var random = Seeded(seed)
        var grouped = GroupedKeys()
        for _ in 0..<50 {
            grouped.removeAll()
            let labels = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt32.random(in: 0...(Bool.random(using: &random) ? 3 : .max), using: &random)
            }
            for label in labels { grouped.add(label: label) }
            grouped.group()
            var groups: [UInt32: [Int]] = [:]
            for (index, label) in labels.enumerated() { groups[label, default: []].append(index) }
            let order = (0..<grouped.count).map { grouped.label(ofGroup: $0) }
            #expect(order == groups.keys.sorted() && grouped.keyCount == labels.count)
            for group in 0..<grouped.count {
                #expect(Array(grouped.indices(ofGroup: group)) == groups[order[group]])
            }
        }
    }
}
