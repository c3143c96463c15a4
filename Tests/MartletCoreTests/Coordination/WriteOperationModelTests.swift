import MartletCore
import Testing

@Suite struct WriteOperationModelTests {
    struct Shape: CustomTestStringConvertible {
        var owners: Int
        var fallbacks: Int
        var needed: Int
        var isSloppy: Bool
        var testDescription: String { "N=\(owners)+\(fallbacks) W=\(needed) \(isSloppy ? "sloppy" : "strict")" }
    }

    static let shapes: [Shape] = (1...3).flatMap { owners in
        (1...owners).flatMap { needed in
            [
                Shape(owners: owners, fallbacks: 2, needed: needed, isSloppy: false),
                Shape(owners: owners, fallbacks: 2, needed: needed, isSloppy: true),
            ]
        }
    }

    @Test("in every order of events the answer is right, given once, and given by the deadline", arguments: shapes)
    func everyOrder(shape: Shape) throws {
        var exploration = Exploration()
        var model = WriteModel(
            owners: shape.owners, fallbacks: shape.fallbacks, needed: shape.needed, isSloppy: shape.isSloppy)
        model.isBrief = shape.owners == 3 && shape.isSloppy
        try exploration.explore(model, reachable: PositionSet(0..<5), able: PositionSet(0..<5))
        #expect(exploration.states >= 8)
        for answer in ["applied", "not applied", "unknown"] { #expect(exploration.answers[answer, default: 0] > 0) }
    }

    @Test("whoever cannot be reached or is not durable enough from the start")
    func everyBeginning() throws {
        var refusals = 0
        for shape in Self.shapes where shape.owners == 3 {
            for reach in 0..<32 where reach.nonzeroBitCount < 4 {
                for able in [0, 0b11111, 0b00110, 0b01001] {
                    var model = WriteModel(owners: 3, fallbacks: 2, needed: shape.needed, isSloppy: shape.isSloppy)
                    let reachable = PositionSet(mask: UInt64(reach))
                    let ableSet = PositionSet(mask: UInt64(able))
                    try model.start(reachable: reachable, able: ableSet)
                    let hopeful = PositionSet(0..<(shape.isSloppy ? 5 : 3)).intersection(reachable)
                        .intersection(ableSet).count
                    if model.isFinished {
                        #expect(hopeful < shape.needed || able == 0b01001 || able == 0b00110, "\(reach) \(able)")
                        refusals += 1
                        guard case .notApplied = model.answer else {
                            Issue.record("refused before it was sent, but \(model.answer as Any)")
                            return
                        }
                    } else {
                        #expect(hopeful >= shape.needed)
                    }
                    while let event = model.events.last, !model.isFinished { try model.receive(event) }
                }
            }
        }
        #expect(refusals > 50)
    }

    @Test("bugs that are planted are found", arguments: WriteModel.Bug.allCases)
    func planted(bug: WriteModel.Bug) {
        let isSloppy = bug != .hintsInStrict
        let model = WriteModel(owners: 3, fallbacks: 2, needed: 2, isSloppy: isSloppy, bug: bug)
        var exploration = Exploration()
        #expect(throws: Violation.self) {
            try exploration.explore(model, reachable: PositionSet(0..<5), able: PositionSet(0..<5))
        }
    }

    @Test("random runs over longer lists", arguments: seeds)
    func longer(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<300 {
            let owners = Int.random(in: 1...9, using: &random)
            var model = WriteModel(
                owners: owners, fallbacks: Int.random(in: 0...(Bool.random(using: &random) ? 55 : 3), using: &random),
                needed: Int.random(in: 1...owners, using: &random), isSloppy: Bool.random(using: &random))
            let reachable = PositionSet(mask: random.next() | random.next() | random.next())
            try model.start(reachable: reachable, able: PositionSet(mask: .max))
            while !model.isFinished {
                let deadlineIsNear = Int.random(in: 0..<200, using: &random) == 0
                let events = deadlineIsNear ? [.deadline] : Array(model.events.dropFirst())
                try model.receive(events.randomElement(using: &random) ?? .deadline)
            }
        }
    }
}
