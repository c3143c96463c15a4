import MartletCore
import Testing

@Suite struct RingTopologyTests {
    static let members = [
        Member(id: 1, name: "a", weight: 2, rack: "r1", dataCenter: "east"),
        Member(id: 2, name: "b", weight: 2, rack: "r2", dataCenter: "east"),
        Member(id: 5, name: "c", weight: 1, rack: "r1", dataCenter: "west"),
    ]
    static let keyspaces = [
        KeyspaceDefinition(id: 0, name: "default", placement: .count(3)),
        KeyspaceDefinition(
            id: 4, name: "carts", placement: .perDataCenter([.init("west", 1), .init("east", 2)]),
            conflicts: .siblings, reads: .localQuorum, writes: .count(2)),
        KeyspaceDefinition(id: 2, name: "more", placement: .count(3), reads: .one, isSloppy: false),
    ]

    static func founding(
        cluster: String = "test", partitions: Int = 256, members: [Member] = members,
        keyspaces: [KeyspaceDefinition] = keyspaces
    ) throws -> FoundingDescription {
        try FoundingDescription(cluster: cluster, partitions: partitions, members: members, keyspaces: keyspaces)
    }

    @Test("the bytes are read back, and are the same however the file listed things")
    func roundTrip() throws {
        let founding = try Self.founding()
        let bytes = founding.encoded()
        let decoded = try withBytes(of: bytes) { try FoundingDescription(decoding: $0) }
        #expect(decoded == founding)
        var keyspaces = Array(Self.keyspaces.reversed())
        keyspaces[1].placement = .perDataCenter([.init("east", 2), .init("west", 1)])
        let listedOtherwise = try Self.founding(members: Self.members.reversed(), keyspaces: keyspaces)
        #expect(listedOtherwise == founding)
        #expect(listedOtherwise.encoded() == bytes)
        #expect(TopologyDigest(listedOtherwise) == TopologyDigest(founding))
        #expect(founding.firstDifference(from: listedOtherwise) == nil)
    }

    @Test(
        "bytes cut short, prolonged or damaged throw or are another valid description, and never trap", arguments: seeds
    )
    func damaged(seed: UInt64) throws {
        let bytes = try Self.founding().encoded()
        func decode(_ bytes: [UInt8]) throws -> FoundingDescription {
            try withBytes(of: bytes) { try FoundingDescription(decoding: $0) }
        }
        for count in 0..<bytes.count {
            #expect(throws: PlacementError.self) { try decode(Array(bytes.prefix(count))) }
        }
        #expect(throws: PlacementError.self) { try decode(bytes + [0]) }
        var random = Seeded(seed)
        for _ in 0..<2000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            do {
                let other = try decode(damaged)
                #expect(other.encoded() == damaged)
                #expect(
                    (FoundingDescription.firstDifference(bytes, damaged) == "the same founding settings")
                        == (damaged == bytes))
                _ = try Topology(founding: other)
            } catch let error as PlacementError {
                #expect(!error.message.isEmpty)
            }
        }
    }

    private typealias Change = (inout [Member], inout [KeyspaceDefinition]) -> Void

    @Test("every setting changes the digest and is named in words")
    func differences() throws {
        let changes: [(String, Change)] = [
            ("node d (id 3): there, not here", { m, _ in m.append(Member(id: 3, name: "d")) }),
            ("node d (id 9): there, not here", { m, _ in m.append(Member(id: 9, name: "d")) }),
            ("name of node 2: b here, x there", { m, _ in m[1].name = "x" }),
            ("weight of node b: 2 here, 1 there", { m, _ in m[1].weight = 1 }),
            ("rack of node c: r1 here, none there", { m, _ in m[2].rack = "" }),
            ("node b (id 2): here, not there", { m, _ in m[1].id = 7 }),
            ("keyspace more (id 2): here, not there", { _, k in k.remove(at: 2) }),
            (
                "keyspace x (id 9): there, not here",
                { _, k in k.append(KeyspaceDefinition(id: 9, name: "x", placement: .count(1))) }
            ),
            ("name of keyspace 0: default here, x there", { _, k in k[0].name = "x" }),
            ("replicas of keyspace default: 3 here, 2 there", { _, k in k[0].placement = .count(2) }),
            (
                "replicas of keyspace carts: 2 in east, 1 in west here, 1 in east there",
                { _, k in
                    k[1].placement = .perDataCenter([.init("east", 1)])
                    k[1].writes = .one
                }
            ),
            ("mode of keyspace carts: available here, consistent there", { _, k in k[1].mode = .consistent }),
            ("conflicts of keyspace carts: siblings here, latest there", { _, k in k[1].conflicts = .latest }),
            ("reads of keyspace carts: local_quorum here, 3 there", { _, k in k[1].reads = .count(3) }),
            ("writes of keyspace carts: 2 here, all there", { _, k in k[1].writes = .all }),
            ("sloppy of keyspace more: false here, true there", { _, k in k[2].isSloppy = true }),
        ]
        let here = try Self.founding()
        for (words, change) in changes {
            var members = Self.members
            var keyspaces = Self.keyspaces
            change(&members, &keyspaces)
            let there = try Self.founding(members: members, keyspaces: keyspaces)
            #expect(here.firstDifference(from: there) == words)
            #expect(FoundingDescription.firstDifference(here.encoded(), there.encoded()) == words)
            #expect(TopologyDigest(here) != TopologyDigest(there), "\(words)")
        }
        let other = try Self.founding(cluster: "other")
        #expect(here.firstDifference(from: other) == "cluster: test here, other there")
        let doubled = try Self.founding(partitions: 512)
        #expect(here.firstDifference(from: doubled) == "partitions: 256 here, 512 there")
        #expect(
            FoundingDescription.firstDifference(here.encoded(), [1, 2])
                == "the founding settings differ, and cannot be compared: no founding description: damaged at byte 2")
    }

    @Test("the digest is the same on every machine and in every version")
    func golden() throws {
        let digest = TopologyDigest(try Self.founding())
        #expect(digest.bytes.count == 16)
        #expect(digest.description == "7cc037b4807ee217")
    }

    @Test("keyspaces of one placement share a ring, and each finds its own")
    func rings() throws {
        let topology = try Topology(founding: Self.founding())
        #expect(topology.epoch == 1 && topology.rings.count == 2)
        for keyspace in topology.keyspaces {
            let place = try #require(topology.place(ofKeyspace: keyspace.id))
            #expect(topology.keyspaces[place] == keyspace)
            #expect(topology.ring(ofKeyspaceAt: place).claim.placement == keyspace.placement)
            for slot in [0, 77, 16383] as [UInt16] {
                let owners = Array(topology.owners(ofSlot: slot, keyspaceAt: place))
                #expect(owners.count == keyspace.placement.replicas)
                #expect(owners == Array(topology.ring(ofKeyspaceAt: place).owners(ofSlot: slot)))
            }
        }
        #expect(topology.place(ofKeyspace: 3) == nil)
    }

    @Test("what no cluster can be founded with is refused with a sentence")
    func refusals() {
        let long = String(repeating: "x", count: 256)
        func message(_ body: () throws -> FoundingDescription) -> String {
            do { return "\(try body())" } catch { return (error as? PlacementError)?.message ?? "\(error)" }
        }
        func keyspace(_ change: (inout [KeyspaceDefinition]) -> Void) -> String {
            var keyspaces = Self.keyspaces
            change(&keyspaces)
            return message { try Self.founding(keyspaces: keyspaces) }
        }
        #expect(message { try Self.founding(cluster: "") } == "the name of the cluster is empty")
        #expect(
            message { try Self.founding(cluster: long) } == "the name of the cluster has 256 bytes: use at most 255")
        #expect(keyspace { $0 = [] } == "a cluster needs at least one keyspace")
        #expect(keyspace { $0[1].id = 0 } == "keyspaces carts and default have the same id 0")
        #expect(keyspace { $0[1].name = "more" } == "keyspaces 2 and 4 have the same name more")
        #expect(
            keyspace { $0[0].placement = .count(4) }
                == "keyspace default: 4 replicas need 4 nodes, the cluster has 3")
        #expect(keyspace { $0[1].writes = .count(4) } == "keyspace carts: writes by 4 replicas: use 1 to 3")
        #expect(keyspace { $0[1].reads = .count(.min) } == "keyspace carts: reads by \(Int.min) replicas: use 1 to 3")
        let many = (0..<2048).map { index in
            let name = String(repeating: "y", count: 250) + String(index)
            return Member(id: UInt32(index), name: name, rack: name, dataCenter: "east")
        }
        #expect(
            message {
                try Self.founding(
                    partitions: 16384, members: many,
                    keyspaces: [KeyspaceDefinition(id: 0, name: "k", placement: .count(3))])
            } == "names, racks and data centers are too long: 524288 bytes in all")
    }
}
