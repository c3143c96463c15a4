internal import MartletConfiguration

/// Draws faults from a seed: each kind in turn, in an order drawn anew whenever all have had theirs.
struct ChaosPlan {
    private let chaos: DrillConfiguration.Chaos
    private let nodes: [String]
    private var random: WorkloadRandom
    private var kinds: [String] = []

    init(_ chaos: DrillConfiguration.Chaos, nodes: [String]) {
        self.chaos = chaos
        self.nodes = nodes
        random = WorkloadRandom(seed: UInt64(chaos.seed))
    }

    /// The next round's kind and steps, from the fault to its end, their times since the round's begin.
    mutating func next() -> (kind: String, steps: [DrillConfiguration.Step]) {
        if kinds.isEmpty { kinds = chaos.kinds.shuffled(using: &random) }
        let kind = kinds.removeLast()
        let order = nodes.shuffled(using: &random)
        let victim = [order[0]]
        let end = chaos.fault
        func steps(_ fault: DrillConfiguration.Action, _ cure: DrillConfiguration.Action) -> [DrillConfiguration.Step] {
            [.init(at: .zero, fault), .init(at: end, cure)]
        }
        let made: [DrillConfiguration.Step] =
            switch kind {
            case "kill": steps(.kill(victim), .restart(victim))
            case "wipe": steps(.wipe(victim), .restart(victim))
            case "pause": steps(.pause(victim), .resume(victim))
            case "halves":
                steps(.partition([Array(order[..<(order.count / 2)]), Array(order[(order.count / 2)...])]), .heal)
            case "isolate": steps(.partition([victim, Array(order[1...])]), .heal)
            case "one_way":
                steps(.oneWay(from: victim, to: Array(order[1...].prefix(1 + random.below(order.count - 1)))), .heal)
            case "flap":
                DrillConfiguration.flapping(
                    victim, of: nodes, from: .zero, every: .milliseconds(100 + random.below(600)), for: end)
            case "slow_disk":
                steps(.slowDisk(victim, .milliseconds(20 + random.below(400))), .slowDisk(victim, .zero))
            default:
                steps(
                    .skew(victim, milliseconds: (random.below(2) == 0 ? 1 : -1) * (50 + random.below(1500))),
                    .skew(victim, milliseconds: 0))
            }
        return (kind, made)
    }
}
