import MartletCore
import Testing

@Suite struct ReadOperationModelTests {
    struct Shape: CustomTestStringConvertible {
        var owners: Int
        var needed: Int
        var isSloppy: Bool
        var mode: ReadOperation.Mode
        var testDescription: String { "N=\(owners)+2 R=\(needed) \(isSloppy ? "sloppy" : "strict") \(mode)" }
    }

    static let shapes: [Shape] = (1...3).flatMap { owners in
        (1...owners).flatMap { needed in
            [false, true].flatMap { isSloppy in
                [ReadOperation.Mode.data, .digests].map {
                    Shape(owners: owners, needed: needed, isSloppy: isSloppy, mode: $0)
                }
            }
        }
    }

    /// What owners and fallbacks may hold at first.
    static func contents(owners: Int) -> [[UInt64]] {
        switch owners {
        case 1: [[0, 0, 0], [1, 2, 0]]
        case 2: [[0, 0, 0, 0], [1, 1, 0, 2], [1, 2, 3, 0], [0, 2, 0, 1]]
        default: [[0, 0, 0, 0, 0], [1, 1, 1, 0, 2], [1, 2, 3, 0, 0], [0, 2, 0, 0, 2], [1, 1, 2, 3, 0]]
        }
    }

    @Test("in every order of events: R owners hold what is answered, once, by the deadline", arguments: shapes)
    func everyOrder(shape: Shape) throws {
        var exploration = ReadExploration()
        var contents = Self.contents(owners: shape.owners)
        if shape.isSloppy { contents = Array(contents.suffix(shape.needed == 3 ? 1 : 2)) }
        for stored in contents {
            var model = ReadModel(
                owners: shape.owners, stored: stored, needed: shape.needed, isSloppy: shape.isSloppy, mode: shape.mode)
            model.isBrief = shape.owners == 3
            try exploration.explore(model, reachable: PositionSet(0..<5))
        }
        #expect(exploration.values > 0 && exploration.refusals > 0)
    }

    @Test("bugs that are planted are found", arguments: ReadModel.Bug.allCases)
    func planted(bug: ReadModel.Bug) {
        #expect(throws: Violation.self) {
            var exploration = ReadExploration()
            for stored in Self.contents(owners: 3) {
                var model = ReadModel(owners: 3, stored: stored, needed: 2, isSloppy: true, mode: .data, bug: bug)
                model.isBrief = true
                try exploration.explore(model, reachable: PositionSet(0..<5))
            }
        }
    }

    @Test("random runs over longer lists", arguments: seeds)
    func longer(seed: UInt64) throws {
        var random = Seeded(seed)
        var values = 0
        for _ in 0..<200 {
            let owners = Int.random(in: 1...9, using: &random)
            let fallbacks = Int.random(in: 0...(Bool.random(using: &random) ? 55 : 3), using: &random)
            var model = ReadModel(
                owners: owners, stored: (0..<owners + fallbacks).map { _ in random.next() % 4 },
                needed: Int.random(in: 1...owners, using: &random), isSloppy: Bool.random(using: &random),
                mode: Bool.random(using: &random) ? .data : .digests)
            let reachable = PositionSet(mask: random.next() | random.next() | random.next())
            try model.start(reachable: reachable, preferring: PositionSet(mask: random.next() & random.next()))
            var failures = Int.random(in: 0...6, using: &random)
            while !model.isFinished {
                let isDue = Int.random(in: 0..<100, using: &random) == 0
                let event = isDue ? .deadline : model.events.dropFirst().randomElement(using: &random) ?? .deadline
                switch event {
                case .unknownHere, .damaged, .lost, .notSent, .failWriteBack:
                    if failures == 0 { continue }
                    failures -= 1
                default: break
                }
                try model.receive(event)
            }
            if case .value = model.answer { values += 1 }
        }
        #expect(values > 50)
    }
}
