import MartletCore
import Testing

@Suite struct RingTests {
    @Test("partitions are equal arcs of slots", arguments: [8, 256, 2048, 16384])
    func arcs(partitions: Int) throws {
        let ring = try Ring(
            members: [Member(id: 1, name: "a")], partitions: partitions, placement: .count(1))
        for partition in 0..<partitions {
            for slot in ring.slots(ofPartition: partition) {
                #expect(ring.partition(ofSlot: UInt16(slot)) == partition)
            }
        }
        #expect(ring.slots(ofPartition: partitions - 1).upperBound == Slot.count)
    }

    @Test("look-ups agree with the claim, and fallbacks with the walk", arguments: seeds)
    func lookups(seed: UInt64) throws {
        var random = Seeded(seed)
        let cluster = RandomCluster(3...32, &random)
        let ring = try Ring(
            members: cluster.members, partitions: cluster.partitions, placement: cluster.placement)
        #expect(ring.members.map(\.id) == cluster.members.map(\.id).sorted())
        for (index, member) in ring.members.enumerated() { #expect(ring.index(ofNode: member.id) == index) }
        #expect(ring.index(ofNode: .max) == nil)
        let racks = ring.members.map { [$0.dataCenter, $0.rack] }
        let used = Set((0..<ring.partitions).flatMap { Array(ring.owners(ofPartition: $0)) }.map { racks[$0] })
        for partition in 0..<ring.partitions {
            let owners = Array(ring.owners(ofPartition: partition))
            #expect(owners.map { ring.members[$0].id } == ring.claim.owners(ofPartition: partition))
            let slot = UInt16(ring.slots(ofPartition: partition).lowerBound)
            #expect(Array(ring.owners(ofSlot: slot)) == owners)
            for (place, node) in owners.enumerated() {
                #expect(ring.owner(place, ofPartition: partition) == node)
                #expect(ring.place(of: node, inPartition: partition) == place)
            }
            let list = ring.preferenceList(ofPartition: partition)
            #expect(list.sorted() == Array(ring.members.indices))
            let known = owners + Array(ring.fallbacks(ofPartition: partition))
            #expect(Array(list.prefix(ring.replicas + ring.depth)) == known)
            for node in list.dropFirst(ring.replicas) {
                #expect(ring.place(of: node, inPartition: partition) == nil)
            }
            // As many of the next nodes as there are racks without an owner lie in those, each in another.
            let free = used.subtracting(owners.map { racks[$0] })
            #expect(Set(list.dropFirst(ring.replicas).prefix(free.count).map { racks[$0] }) == free)
        }
    }

    @Test("without racks the walk goes clockwise over the owners of the partitions that follow")
    func walk() throws {
        let members = (0..<40).map { Member(id: UInt32($0), name: "n\($0)", weight: 1 + $0 % 3) }
        let ring = try Ring(members: members, partitions: 512, placement: .count(3))
        for partition in [0, 1, 255, 510, 511] {
            var expected: [Int] = []
            for step in 0..<512 {
                for node in ring.owners(ofPartition: (partition + step) % 512) where !expected.contains(node) {
                    expected.append(node)
                }
            }
            #expect(ring.preferenceList(ofPartition: partition) == expected)
        }
        let whole = try Ring(members: members, claim: ring.claim, depth: .max)
        #expect(whole.depth == 37)
        for partition in 0..<512 {
            let list = whole.preferenceList(ofPartition: partition)
            #expect(list == ring.preferenceList(ofPartition: partition))
            #expect(Array(whole.fallbacks(ofPartition: partition)) == Array(list.dropFirst(3)))
        }
    }

    @Test("a ring takes only the members that its claim was made for")
    func foreignClaim() throws {
        let claim = try Claim.make(members: [Member(id: 1, name: "a")], placement: .count(1))
        #expect(throws: PlacementError.self) { try Ring(members: [Member(id: 2, name: "a")], claim: claim) }
    }

    static let refused: [(String, [Member], Int, Placement)] = {
        func nodes(_ count: Int) -> [Member] { (0..<count).map { Member(id: UInt32($0), name: "n\($0)") } }
        func node(_ id: UInt32, _ name: String, weight: Int = 1, center: String = "") -> Member {
            Member(id: id, name: name, weight: weight, dataCenter: center)
        }
        let east = [node(1, "a", center: "east"), node(2, "b", center: "east"), node(3, "c", center: "west")]
        return [
            ("a cluster needs at least one node", [], 256, .count(1)),
            ("3 replicas need 3 nodes, the cluster has 2", nodes(2), 256, .count(3)),
            ("0 replicas: use 1 to 64", nodes(2), 256, .count(0)),
            ("-1 replicas: use 1 to 64", nodes(2), 256, .count(-1)),
            ("65 replicas: use 1 to 64", nodes(100), 1024, .count(65)),
            ("100 partitions: use a power of two, as 256", nodes(2), 100, .count(1)),
            ("0 partitions: use a power of two, as 256", nodes(2), 0, .count(1)),
            ("\(Int.min) partitions: use a power of two, as 256", nodes(2), .min, .count(1)),
            ("32768 partitions: use at most 16384, one a slot", nodes(2), 32768, .count(1)),
            ("256 partitions are too few for 33 nodes: use at least 8 a node, 512", nodes(33), 256, .count(1)),
            ("2049 nodes: 16384 partitions serve at most 2048", nodes(2049), 16384, .count(1)),
            ("node a: weight 0: use 1 to 1000000", [node(1, "a", weight: 0)], 256, .count(1)),
            ("node a: weight 1000001: use 1 to 1000000", [node(1, "a", weight: 1_000_001)], 256, .count(1)),
            ("node a: weight \(Int.max): use 1 to 1000000", [node(1, "a", weight: .max)], 256, .count(1)),
            ("nodes a and b have the same id 1", [node(1, "b"), node(2, "c"), node(1, "a")], 256, .count(1)),
            ("nodes 1 and 2 have the same name a", [node(2, "a"), node(1, "a")], 256, .count(1)),
            (
                "no node is in data center north: the nodes are in east, west", east, 256,
                .perDataCenter([.init("east", 1), .init("north", 1)])
            ),
            (
                "2 replicas in data center west need as many nodes there, it has 1", east, 256,
                .perDataCenter([.init("east", 1), .init("west", 2)])
            ),
            ("data center east is named twice", east, 256, .perDataCenter([.init("east", 1), .init("east", 1)])),
            (
                "\(Int.max) replicas in data center east: use 1 to 64", east, 256,
                .perDataCenter([.init("east", .max), .init("west", .max)])
            ),
            ("replicas per data center: name at least one data center", east, 256, .perDataCenter([])),
        ]
    }()

    @Test("what cannot be placed is refused with a sentence", arguments: refused.indices)
    func refusals(index: Int) {
        let (message, members, partitions, placement) = Self.refused[index]
        #expect {
            try Claim.make(members: members, partitions: partitions, placement: placement)
        } throws: {
            ($0 as? PlacementError)?.message == message
        }
    }

    @Test("the extremes of what is allowed are placed")
    func extremes() throws {
        let most = (0..<2048).map {
            Member(id: .max - UInt32($0), name: "n\($0)", weight: $0 % 3 == 0 ? Member.maximumWeight : 1)
        }
        let claim = try Claim.make(members: most, partitions: 16384, placement: .count(2))
        #expect(RingOracle(most, 16384, .count(2)).faults(claim) == [])
        let copies = try Claim.make(
            members: Array(most.prefix(64)), partitions: 512, placement: .count(Placement.maximumReplicas))
        #expect(copies.owners(ofPartition: 511).sorted() == most.prefix(64).map(\.id).sorted())
        let few = [Member(id: 0, name: "a", weight: Member.maximumWeight), Member(id: 1, name: "b")]
        #expect(
            RingOracle(few, 16, .count(1)).faults(
                try Claim.make(members: few, partitions: 16, placement: .count(1))) == [])
    }
}
