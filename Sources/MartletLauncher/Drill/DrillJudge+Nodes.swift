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
            switch event.action {
            case .rate, .limitCPU: return nil
            default: break
            }
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

    // MARK: Overload

    /// Over how long latencies are taken together, in nanoseconds.
    private static let window: UInt64 = 5_000_000_000

    /// After each step that lowered the rate, how long clients still waited longer than they did before the first
    /// one that raised it.
    var reliefs: [DrillReport.Relief] {
        var rates: [(at: UInt64, rate: Int)] = [(start, drill.load.rate)]
        for event in events { if case .rate(let rate) = event.action { rates.append((event.at, rate)) } }
        guard let first = rates.indices.dropFirst().first(where: { rates[$0].rate > rates[$0 - 1].rate }) else {
            return []
        }
        // What begins, as the nodes do, is not usual yet.
        let usual = p99(from: rates[first - 1].at + (rates[first].at - rates[first - 1].at) / 2, to: rates[first].at)
        return rates.indices.dropFirst().filter { $0 > first && rates[$0].rate < rates[$0 - 1].rate }.map { index in
            let (from, until) = (rates[index].at, index + 1 < rates.count ? rates[index + 1].at : end)
            var normal: UInt64 = from
            var at = from
            while at + Self.window <= until {
                if p99(from: at, to: at + Self.window) > usual + usual / 2 + 1_000_000 { normal = at + 1_000_000_000 }
                at += 1_000_000_000
            }
            return DrillReport.Relief(
                event: "\(rates[index].rate) requests a second, after \(rates[index - 1].rate)",
                seconds: normal + Self.window > until ? nil : Double(normal - from) / 1e9, usualP99: usual,
                p99: p99(from: normal, to: until))
        }
    }

    /// Of the requests due in a time.
    private func p99(from: UInt64, to: UInt64) -> UInt64 {
        var latency = LatencyHistogram()
        for operation in operations where operation.due >= from && operation.due < to {
            latency.record(operation.latency)
        }
        return latency.percentile(99)
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
