/// One stream of random commands to two servers.
struct Stream {
    let seed: UInt64
    let reference: any Peer
    let subject: any Peer

    /// A command whose replies differ, with what it takes to see it again.
    struct Difference: CustomStringConvertible {
        var seed: UInt64
        var index: Int
        var step: Step
        var reference: Reply
        var subject: Reply

        var description: String {
            """
            seed \(seed), command \(index): \(step.description)
              redis:   \(reference)
              martlet: \(subject)
            """
        }
    }

    /// Runs `count` commands or a few more, then compares what both servers hold; the first difference or nil.
    func run(_ count: Int) throws -> Difference? {
        var generator = CommandGenerator(seed: seed)
        var cuts = Dice(seed: ~seed)
        var done = 0
        if let found = try compare([Self.step("FLUSHALL")], done, &cuts) { return found }
        while done < count {
            var steps: [Step] = []
            let length = Int.random(in: 1...60, using: &cuts)
            // what is silenced and what silences it go together
            while steps.count < length || steps.last?.isAnswered == false { steps.append(generator.next()) }
            if let found = try compare(steps, done, &cuts) { return found }
            done += steps.count
        }
        return try compareContents(done)
    }

    private func compare(_ steps: [Step], _ done: Int, _ cuts: inout Dice) throws -> Difference? {
        let expected = try reference.exchange(steps, &cuts)
        let found = try subject.exchange(steps, &cuts)
        let answered = steps.indices.filter { steps[$0].isAnswered }
        for (place, index) in answered.enumerated()
        where !steps[index].comparison.accepts(expected[place], found[place]) {
            return Difference(
                seed: seed, index: done + index, step: steps[index], reference: expected[place], subject: found[place])
        }
        return nil
    }

    /// All keys, and each one's value and end. Reading them all first makes Redis drop what has expired, so that the
    /// counts agree too.
    func compareContents(_ done: Int = 0) throws -> Difference? {
        var cuts = Dice(seed: seed)
        var steps = [Self.step("RESET"), Self.step("KEYS", "*", comparison: .unordered)]
        for key in CommandGenerator.keys {
            steps.append(Step(arguments: [Array("GET".utf8), key]))
            steps.append(Step(arguments: [Array("PEXPIRETIME".utf8), key], comparison: .near(3000)))
        }
        steps.append(Self.step("DBSIZE"))
        return try compare(steps, done, &cuts)
    }

    private static func step(_ words: String..., comparison: Comparison = .exact) -> Step {
        Step(arguments: words.map { Array($0.utf8) }, comparison: comparison)
    }
}
