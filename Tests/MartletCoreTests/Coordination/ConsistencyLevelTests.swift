import MartletCore
import Testing

@Suite struct ConsistencyLevelTests {
    @Test("names are read in any case, numbers within reason")
    func parsing() throws {
        let levels: [(String, ConsistencyLevel)] = [
            ("one", .one), ("Quorum", .quorum), ("ALL", .all), ("local_QUORUM", .localQuorum),
            ("each_quorum", .eachQuorum), ("1", .count(1)), ("64", .count(64)), ("007", .count(7)),
        ]
        for (text, level) in levels {
            #expect(try ConsistencyLevel(parsing: text) == level)
            #expect(try ConsistencyLevel(parsing: level.name.uppercased()) == level)
            #expect(ConsistencyLevel(code: level.code) == level)
        }
        for text in ["", "two", "-1", "+1", "1.5", " 1", "quorum ", "99999999999999999999", "１"] {
            #expect(throws: ConsistencyFault.unknownLevel(text)) { try ConsistencyLevel(parsing: text) }
        }
        for count in [0, 65] {
            #expect(throws: ConsistencyFault.impossibleCount(count)) { try ConsistencyLevel(parsing: String(count)) }
        }
        for code in [0, 65, 127, 133, 255] as [UInt8] { #expect(ConsistencyLevel(code: code) == nil) }
        let message = ConsistencyFault.unknownLevel("two").message
        #expect(message.contains("'two'") && message.contains("local_quorum"))
    }

    @Test("what a level needs of so many owners")
    func resolving() throws {
        let needs: [(ConsistencyLevel, [Int])] = [
            (.one, [1, 1, 1, 1, 1]), (.quorum, [1, 2, 2, 3, 3]), (.all, [1, 2, 3, 4, 5]),
            (.localQuorum, [1, 2, 2, 3, 3]), (.eachQuorum, [1, 2, 2, 3, 3]),
        ]
        for (level, needed) in needs {
            for owners in 1...5 {
                let quorum = try Quorum(level, in: ReplicaPlacement(owners: owners, count: 8))
                #expect(quorum.needed == needed[owners - 1], "\(level) of \(owners)")
                #expect(quorum.isMet(by: PositionSet(0..<quorum.needed)))
                #expect(!quorum.isMet(by: PositionSet(0..<quorum.needed - 1)))
            }
        }
        let placement = ReplicaPlacement(owners: 3, count: 5)
        #expect(try Quorum(.count(3), in: placement).needed == 3)
        #expect(throws: ConsistencyFault.tooFewOwners(needed: 4, owners: 3)) { try Quorum(.count(4), in: placement) }
        #expect(throws: ConsistencyFault.impossibleCount(0)) { try Quorum(.count(0), in: placement) }
    }

    @Test("data centers: a majority here, or in each")
    func centers() throws {
        // Owners 0...5: three in a (0, 2, 4), two in b (1, 3), one in c (5); fallbacks 6 in a, 7 in d.
        let centers: [PositionSet] = [[0, 2, 4, 6], [1, 3], [5], [7]]
        var placement = ReplicaPlacement(owners: 6, count: 8, centers: centers, localCenter: 0)
        let local = try Quorum(.localQuorum, in: placement)
        #expect(local.needed == 2)
        #expect(local.isMet(by: [0, 4]) && local.isMet(by: [2, 6]) && !local.isMet(by: [0, 1, 3, 5]))
        let each = try Quorum(.eachQuorum, in: placement)
        #expect(each.needed == 5)
        #expect(each.isMet(by: [0, 2, 1, 3, 5]) && !each.isMet(by: [0, 2, 4, 1, 3]) && !each.isMet(by: [0, 2, 1, 5]))
        placement.localCenter = 3
        #expect(throws: ConsistencyFault.noLocalOwner) { try Quorum(.localQuorum, in: placement) }
        placement.localCenter = nil
        #expect(throws: ConsistencyFault.noLocalOwner) { try Quorum(.localQuorum, in: placement) }
        #expect(try Quorum(.quorum, in: placement).needed == 4)
    }

    @Test("sets of positions are sets", arguments: seeds)
    func positionSets(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<200 {
            let (a, b) = (PositionSet(mask: random.next() & random.next()), PositionSet(mask: random.number()))
            let (setA, setB) = (Set(a), Set(b))
            #expect(Set(a.union(b)) == setA.union(setB) && Set(a.intersection(b)) == setA.intersection(setB))
            #expect(Set(a.subtracting(b)) == setA.subtracting(setB) && a.isSubset(of: b) == setA.isSubset(of: setB))
            #expect(a.count == setA.count && Array(a) == setA.sorted() && a.first == setA.min())
            let count = Int.random(in: -1...70, using: &random)
            #expect(Array(a.prefix(count)) == Array(setA.sorted().prefix(max(0, count))))
            let (lower, upper) = (Int.random(in: -2...64, using: &random), Int.random(in: 64...70, using: &random))
            #expect(Array(PositionSet(lower..<upper)) == Array(max(0, lower)..<64))
        }
        #expect(PositionSet(64).isEmpty && PositionSet(-1).isEmpty && !PositionSet(63).isEmpty)
        #expect(PositionSet(3..<5) == [3, 4] && "\(PositionSet(3..<5))" == "{3,4}")
    }
}
