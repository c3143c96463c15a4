import MartletCore
import Testing

@Suite struct RingClaimTests {
    @Test(
        "random clusters stay spread and balanced over joins, leaves and changes, near the fewest moves",
        arguments: seeds)
    func changes(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<8 {
            var cluster = RandomCluster(3...32, &random)
            var claim = try Claim.make(
                members: cluster.members, partitions: cluster.partitions, placement: cluster.placement)
            #expect(cluster.oracle.faults(claim) == [], "\(cluster)")
            for _ in 0..<6 {
                let change = cluster.change(&random)
                claim = try check(claim, cluster, change)
            }
        }
    }

    @Test("larger clusters too", arguments: [(60, 512), (100, 1024), (300, 4096), (1000, 8192), (1000, 16384)])
    func large(nodes: Int, partitions: Int) throws {
        var random = Seeded(UInt64(nodes))
        var cluster = RandomCluster(nodes...nodes, &random)
        cluster.partitions = partitions
        var claim = try Claim.make(members: cluster.members, partitions: partitions, placement: cluster.placement)
        #expect(cluster.oracle.faults(claim) == [], "\(cluster)")
        for _ in 0..<2 {
            let change = cluster.change(&random)
            claim = try check(claim, cluster, change)
        }
    }

    private func check(_ former: Claim, _ cluster: RandomCluster, _ change: String) throws -> Claim {
        let oracle = cluster.oracle
        let claim = try Claim.make(
            former: former, members: cluster.members, partitions: cluster.partitions, placement: cluster.placement)
        #expect(oracle.faults(claim) == [], "\(change): \(cluster)")
        let moves = RingOracle.moves(former, claim)
        var bound = oracle.fewestMoves(from: former)
        if Double(moves) > 1.1 * Double(bound) {
            bound = oracle.exactlyFewestMoves(from: former, startingWith: claim)
        }
        #expect(Double(moves) <= 1.1 * Double(bound), "\(change): \(moves) moves, \(bound) needed: \(cluster)")
        return claim
    }

    @Test("the order of members, of data centers and the run do not matter; names do not either")
    func determinism() throws {
        var random = Seeded(7)
        for _ in 0..<20 {
            let cluster = RandomCluster(3...20, &random)
            let claim = try Claim.make(
                members: cluster.members, partitions: cluster.partitions, placement: cluster.placement)
            var placement = cluster.placement
            if case .perDataCenter(let centers) = placement { placement = .perDataCenter(centers.reversed()) }
            let renamed = cluster.members.shuffled(using: &random).map { member in
                var member = member
                member.name += "x"
                return member
            }
            #expect(
                try Claim.make(members: renamed, partitions: cluster.partitions, placement: placement) == claim)
        }
    }

    @Test("a claim is the same on every machine and in every version")
    func golden() throws {
        let members = (1...5).map { Member(id: UInt32($0), name: "n\($0)", weight: $0, rack: "r\($0 % 2)") }
        let claim = try Claim.make(members: members, partitions: 64, placement: .count(3))
        let first = (0..<4).map { claim.owners(ofPartition: $0) }
        #expect(first == [[5, 4, 2], [5, 2, 4], [5, 1, 4], [5, 4, 3]])
    }

    @Test("a claim goes over to another placement and another number of partitions")
    func reshaped() throws {
        let members = (1...9).map {
            Member(id: UInt32($0), name: "n\($0)", rack: "r\($0 % 3)", dataCenter: $0 < 4 ? "west" : "east")
        }
        let placements: [Placement] = [
            .count(3), .count(5), .perDataCenter([.init("east", 2), .init("west", 1)]), .count(1),
            .perDataCenter([.init("east", 3)]), .count(9),
        ]
        var former: Claim?
        for placement in placements {
            for partitions in [256, 1024, 128] {
                let oracle = RingOracle(members, partitions, placement)
                let claim = try Claim.make(
                    former: former, members: members, partitions: partitions, placement: placement)
                #expect(oracle.faults(claim) == [], "\(placement) \(partitions)")
                if let former, former.partitions == partitions {
                    #expect(RingOracle.moves(former, claim) >= oracle.fewestMoves(from: former))
                }
                former = claim
            }
        }
    }

    @Test("nothing moves if nothing changes, and doubled partitions move nothing either")
    func stillness() throws {
        let members = (1...9).map { Member(id: UInt32($0), name: "n\($0)", weight: $0, rack: "r\($0 % 4)") }
        let claim = try Claim.make(members: members, partitions: 256, placement: .count(3))
        #expect(try Claim.make(former: claim, members: members, partitions: 256, placement: .count(3)) == claim)
        let doubled = try Claim.make(former: claim, members: members, partitions: 512, placement: .count(3))
        for partition in 0..<512 {
            #expect(Set(doubled.owners(ofPartition: partition)) == Set(claim.owners(ofPartition: partition / 2)))
        }
    }

    @Test("a node shares its partitions with many others, so that they share the load if it fails")
    func scatter() throws {
        let members = (1...30).map { Member(id: UInt32($0), name: "n\($0)", rack: "r\($0 % 3)") }
        let claim = try Claim.make(members: members, partitions: 1024, placement: .count(3))
        for member in members {
            var partners: [UInt32: Int] = [:]
            for partition in 0..<1024 {
                let owners = claim.owners(ofPartition: partition)
                guard owners.contains(member.id) else { continue }
                for owner in owners where owner != member.id { partners[owner, default: 0] += 1 }
            }
            // 20 nodes of other racks, 10 partitions each on average.
            #expect(partners.count >= 18 && partners.values.allSatisfy { $0 <= 50 }, "\(member.id): \(partners)")
        }
    }
}

/// A cluster drawn at random, and changes to it.
struct RandomCluster: CustomStringConvertible {
    var members: [Member] = []
    var partitions = 256
    var placement = Placement.count(1)
    private var racks = 1
    private var centers = 1
    private var heaviest = 1
    private var nextID: UInt32 = 1

    init(_ sizes: ClosedRange<Int>, _ random: inout Seeded) {
        racks = [1, 1, 2, 3, 3, 5, 12].randomElement(using: &random)!
        centers = [1, 1, 1, 2, 3].randomElement(using: &random)!
        heaviest = [1, 1, 4, 100].randomElement(using: &random)!
        for _ in 0..<Int.random(in: sizes, using: &random) { join(&random) }
        placement = .count(Int.random(in: 1...min(5, members.count), using: &random))
        if centers > 1, Bool.random(using: &random) {
            let named = Set(members.map(\.dataCenter)).sorted().map { name in
                let size = members.count { $0.dataCenter == name }
                return Placement.CenterReplicas(name, Int.random(in: 1...min(3, size), using: &random))
            }
            placement = .perDataCenter(named)
        }
        partitions = [256, 256, 512].randomElement(using: &random)!
    }

    var oracle: RingOracle { RingOracle(members, partitions, placement) }

    var description: String {
        "\(partitions) partitions, \(placement), "
            + (members.count > 40
                ? "\(members.count) nodes"
                : members.map { "\($0.id):\($0.weight)@\($0.dataCenter)/\($0.rack)" }.joined(separator: " "))
    }

    private mutating func join(_ random: inout Seeded) {
        let rack = Int.random(in: 1...racks, using: &random)
        members.insert(
            Member(
                id: nextID, name: "node\(nextID)", weight: Int.random(in: 1...heaviest, using: &random),
                rack: "rack\(rack)", dataCenter: "center\(Int.random(in: 1...centers, using: &random))"),
            at: Int.random(in: 0...members.count, using: &random))
        nextID += 1
    }

    /// Lets a node join or leave, or changes one's weight; says which.
    mutating func change(_ random: inout Seeded) -> String {
        let index = Int.random(in: 0..<members.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0 where (members.count + 1) * 8 <= partitions:
            join(&random)
            return "join"
        case 1 where canLeave(members[index]):
            members.remove(at: index)
            return "leave"
        default:
            members[index].weight = Int.random(in: 1...max(3, heaviest), using: &random)
            return "weight"
        }
    }

    private func canLeave(_ member: Member) -> Bool {
        switch placement {
        case .count(let count): members.count > count
        case .perDataCenter(let named):
            named.allSatisfy { center in
                center.dataCenter != member.dataCenter
                    || members.count { $0.dataCenter == center.dataCenter } > center.count
            }
        }
    }
}
