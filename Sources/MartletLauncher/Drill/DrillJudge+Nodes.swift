internal import MartletConfiguration
internal import MartletRuntime

/// What the nodes said.
extension DrillJudge {
    // MARK: Finding back

    var recoveries: [DrillReport.Recovery] {
        let first = events.first { $0.action.isFault }?.at ?? end
        var usual = LatencyHistogram()
        for operation in operations where operation.due < first { usual.record(operation.latency) }
        return events.enumerated().compactMap { index, event in
            guard !event.action.isFault, event.at < end else { return nil }
            let next = index + 1 < events.count ? events[index + 1].at : UInt64.max
            let whole = whole(after: event.at, before: next)
            let until = max(whole ?? min(next, end), event.at + 1_000_000_000)
            var meanwhile = LatencyHistogram()
            for operation in operations where operation.due >= event.at && operation.due < until {
                meanwhile.record(operation.latency)
            }
            return DrillReport.Recovery(
                event: event.action.text, seconds: whole.map { Double($0 - event.at) / 1e9 },
                p99: meanwhile.percentile(99), usualP99: usual.percentile(99))
        }
    }

    /// When all nodes first were well again, as they say: what they said before the time given counts for nothing.
    private func whole(after time: UInt64, before end: UInt64) -> UInt64? {
        var latest: [Int: DrillSample.View] = [:]
        for sample in found.samples where sample.at >= time && sample.at < end {
            latest[sample.node] = sample.view
            let isWhole =
                latest.count == members.count
                && latest.values.allSatisfy { $0.inNeed == 0 && ($0.hints ?? 0) == 0 && $0.doubted.isEmpty }
            if isWhole { return sample.at }
        }
        return nil
    }

    // MARK: Counters

    var mostHints: Int? {
        guard found.samples.contains(where: { $0.view?.hints != nil }) else { return nil }
        var latest: [Int: Int] = [:]
        var most = 0
        for sample in found.samples {
            latest[sample.node] = sample.view?.hints ?? 0
            most = max(most, latest.values.reduce(0, +))
        }
        return most
    }

    var changes: [CompareReport.Counter] {
        var names: Set<String> = []
        for own in found.after.values { names.formUnion(own.keys) }
        return names.sorted().compactMap { name in
            let change = members.reduce(0) { sum, member in
                let to = found.after[member.name]?[name] ?? 0
                let from = found.before[member.name]?[name] ?? 0
                return sum + (to < from ? to : to - from)  // a node that was started again counts from 0
            }
            return change == 0 ? nil : .init(name: name, change: change)
        }
    }
}
