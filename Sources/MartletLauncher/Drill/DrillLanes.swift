internal import MartletConfiguration

/// What each node was over the time of a drill: what was done to it, and what was seen.
struct DrillLanes {
    private let judge: DrillJudge

    init(_ judge: DrillJudge) { self.judge = judge }

    func nodes(_ seconds: (UInt64) -> Double) -> [DrillReport.Node] {
        judge.members.enumerated().map { index, member in
            let own = judge.found.samples.filter { $0.node == index }
            var states: [DrillReport.Span] = []
            var doubts: [DrillReport.Span] = []
            var views: [Int: DrillSample.View] = [:]
            var others = 0
            let all = judge.found.samples
            for sample in own {
                while others < all.count, all[others].at <= sample.at {
                    views[all[others].node] = all[others].view
                    others += 1
                }
                let at = seconds(sample.at)
                Self.extend(&states, at, state(of: member.name, at: sample))
                let count = views.count { $0.key != index && $0.value.doubted.contains(member.name) }
                Self.extend(&doubts, at, count == 0 ? "" : "\(count) of \(judge.members.count - 1)")
            }
            return DrillReport.Node(
                name: member.name, backend: judge.variant?.cluster.nodes[index].backend ?? "",
                states: states, doubts: doubts.filter { !$0.text.isEmpty })
        }
    }

    private static func extend(_ spans: inout [DrillReport.Span], _ at: Double, _ text: String) {
        if let last = spans.indices.last {
            spans[last].to = at
            if spans[last].text == text { return }
        }
        spans.append(.init(from: at, to: at, text: text))
    }

    /// What was done to it counts before what it says.
    private func state(of name: String, at sample: DrillSample) -> String {
        var (isDown, isPaused, isCut) = (false, false, false)
        var (isSlow, isWrong) = (false, false)
        for event in judge.events where event.at <= sample.at {
            switch event.action {
            case .kill(let nodes), .wipe(let nodes): isDown = isDown || nodes.contains(name)
            case .restart(let nodes): isDown = isDown && !nodes.contains(name)
            case .pause(let nodes): isPaused = isPaused || nodes.contains(name)
            case .resume(let nodes): isPaused = isPaused && !nodes.contains(name)
            case .partition: isCut = isCut || event.action.nodes.contains(name)
            case .oneWay(let from, _): isCut = isCut || from.contains(name)
            case .heal: isCut = false
            case .slowDisk(let nodes, let time): if nodes.contains(name) { isSlow = time > .zero }
            case .skew(let nodes, let time): if nodes.contains(name) { isWrong = time != 0 }
            case .limitCPU, .rate: break
            }
        }
        if isDown { return "down" }
        if isPaused { return "paused" }
        if isCut { return "cut off" }
        guard let view = sample.view else { return "starting" }
        if view.inNeed > 0 { return "catching up" }
        return isSlow ? "slow disk" : isWrong ? "wrong clock" : "up"
    }
}
