internal import MartletConfiguration
internal import MartletCore
internal import MartletRuntime
internal import MartletSimulator

/// Makes a report's figures of what a drill left.
struct DrillJudge {
    let drill: DrillConfiguration
    let variant: DrillConfiguration.Variant?
    let members: [DrillCluster.Member]
    let events: [DrillRun.Event]
    let found: DrillRun.Evidence
    let start: UInt64
    let end: UInt64

    init(
        _ drill: DrillConfiguration, _ variant: DrillConfiguration.Variant?, _ members: [DrillCluster.Member],
        _ events: [DrillRun.Event], _ found: DrillRun.Evidence
    ) {
        self.drill = drill
        self.variant = variant
        self.members = members
        self.events = events
        self.found = found
        start = found.record.start
        end = found.record.end
    }

    private func seconds(_ time: UInt64) -> Double { time > start ? Double(time - start) / 1e9 : 0 }
    var operations: [DrillOperation] { found.record.operations }
    private var slow: UInt64 { UInt64(clamping: drill.load.slow.inNanoseconds) }

    func run(named name: String) -> DrillReport.Run {
        var latency = LatencyHistogram()
        for operation in operations { latency.record(operation.latency) }
        var run = DrillReport.Run(
            name: name, cluster: cluster, nodes: DrillLanes(self).nodes(seconds), seconds: seconds(end),
            events: told, slices: slices, phases: phases, latency: CompareReport.Latency(latency))
        for operation in operations {
            run.requests += 1
            switch operation.outcome {
            case .ok:
                run.answered += 1
                if operation.kind != .read { run.acknowledgedWrites += 1 }
                if operation.latency > slow { run.slowed += 1 }
            case .notApplied: run.refused += 1
            case .unknown: run.unknown += 1
            case .unsent: run.unsent += 1
            }
        }
        run.detections = detections
        run.gaps = gaps
        run.recoveries = recoveries
        run.reliefs = reliefs
        run.mostHints = mostHints
        run.counters = changes
        run.refusals =
            (found.record.refusals.map { ($0.key, $0.value) } + found.record.losses.map { ($0.key, $0.value) })
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }.prefix(20).map { .init(name: $0.0, change: $0.1) }
        run.wellAfter = found.wellAfter
        run.equalAfter = found.equalAfter
        run.divergentPartitions = found.divergent
        let evidence = evidence
        run.lost = AcknowledgedWrites.violations(in: evidence).count
        run.violations = Checkers.violations(in: evidence)
        return run
    }

    // MARK: What the checkers of simulations say

    private var evidence: Evidence {
        var evidence = Evidence(
            History(operations.compactMap { $0.inHistory(found.record.keys) }.sorted { $0.invoked < $1.invoked }))
        evidence.finals = found.finals
        evidence.isReplicated = true
        evidence.setsAreAtomic = false
        let meets = Self.readsMeetWrites(variant)
        evidence.readsAreRegular = meets
        evidence.readsGoForward = meets
        var spread = 0
        for event in events {
            if case .skew(_, let milliseconds) = event.action { spread = max(spread, abs(milliseconds)) }
        }
        evidence.clockSpread = .milliseconds(spread)
        // As in simulations: stamps follow the clocks, which may be ahead by the lease that a restart goes on from.
        evidence.orderTolerance = evidence.clockSpread + .milliseconds(800)
        return evidence
    }

    /// Whether any R owners have one among any W: never where others may stand in for owners.
    static func readsMeetWrites(_ variant: DrillConfiguration.Variant?) -> Bool {
        guard let keyspace = variant?.cluster.keyspaces.first?.definition, !keyspace.isSloppy,
            case .count(let count) = keyspace.placement
        else { return false }
        let placement = ReplicaPlacement(owners: count, count: count)
        guard let read = try? Quorum(keyspace.reads, in: placement),
            let write = try? Quorum(keyspace.writes, in: placement)
        else { return false }
        return read.needed + write.needed > count
    }

    private var cluster: String {
        guard let variant, let keyspace = variant.cluster.keyspaces.first?.definition else { return "as it runs" }
        var backends: [String] = []
        for node in variant.cluster.nodes {
            let text = "\(node.backend) (\(node.durability.name))"
            if !backends.contains(text) { backends.append(text) }
        }
        return "\(variant.cluster.nodes.count) nodes, N=\(keyspace.placement.text), R=\(keyspace.reads.name), "
            + "W=\(keyspace.writes.name), \(keyspace.isSloppy ? "sloppy" : "strict"), \(Verdict.list(backends))"
    }

    // MARK: Over time

    /// What was done, and what was seen of it.
    private var told: [DrillReport.Event] {
        var told = events.map {
            DrillReport.Event(seconds: seconds($0.at), text: $0.action.text, isFault: $0.action.isFault, isStep: true)
        }
        for detection in detections {
            guard let first = detection.first else { continue }
            let at = events.first { $0.action.text == detection.event }.map { seconds($0.at) } ?? 0
            told.append(
                .init(seconds: at + first, text: "seen by a node: \(detection.event)", isFault: false, isStep: false))
            if let all = detection.all, all > first {
                told.append(
                    .init(seconds: at + all, text: "known to all: \(detection.event)", isFault: false, isStep: false))
            }
        }
        if let well = found.wellAfter {
            told.append(.init(seconds: seconds(end) + well, text: "all nodes are well", isFault: false, isStep: false))
        }
        if let equal = found.equalAfter {
            told.append(
                .init(seconds: seconds(end) + equal, text: "all owners hold the same", isFault: false, isStep: false))
        }
        return told.sorted { $0.seconds < $1.seconds }
    }

    private var slices: [DrillReport.Slice] {
        let total = end - start
        // About 240 points whatever the length.
        let length = max(100_000_000, (total / 240 + 99_999_999) / 100_000_000 * 100_000_000)
        let count = Int(total / length)
        guard count > 0 else { return [] }
        var answered = Array(repeating: 0, count: count)
        var failed = answered
        var latencies = Array(repeating: [UInt64](), count: count)
        for operation in operations {
            let end = Int((max(operation.returned, start) - start) / length)
            if end < count {
                if operation.outcome == .ok { answered[end] += 1 } else { failed[end] += 1 }
            }
            let due = Int((max(operation.due, start) - start) / length)
            if due < count { latencies[due].append(operation.latency) }
        }
        let perSecond = 1e9 / Double(length)
        var latest: [Int: DrillSample.View] = [:]
        var sample = 0
        return (0..<count).map { index in
            let until = start + UInt64(index + 1) * length
            while sample < found.samples.count, found.samples[sample].at < until {
                latest[found.samples[sample].node] = found.samples[sample].view
                sample += 1
            }
            let sorted = latencies[index].sorted()
            func percentile(_ share: Double) -> UInt64 {
                sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
            }
            return DrillReport.Slice(
                seconds: Double(UInt64(index + 1) * length) / 1e9, answered: Double(answered[index]) * perSecond,
                failed: Double(failed[index]) * perSecond, p50: percentile(0.5), p99: percentile(0.99),
                hints: latest.values.reduce(0) { $0 + ($1.hints ?? 0) },
                inNeed: latest.values.reduce(0) { $0 + $1.inNeed })
        }
    }

    private var phases: [DrillReport.Phase] {
        var marks: [(at: UInt64, text: String)] = [(start, "before")]
        for event in events where event.at < end {
            // Steps at the same time are one.
            if event.at < marks[marks.count - 1].at + 50_000_000, marks.count > 1 {
                marks[marks.count - 1].text += "; " + event.action.text
            } else {
                marks.append((event.at, event.action.text))
            }
        }
        var histograms = Array(repeating: LatencyHistogram(), count: marks.count)
        var phases = marks.indices.map { index in
            DrillReport.Phase(
                from: seconds(marks[index].at), to: seconds(index + 1 < marks.count ? marks[index + 1].at : end),
                text: marks[index].text, requests: 0, failed: 0, slowed: 0, p50: 0, p99: 0, max: 0)
        }
        for operation in operations {
            let index = max(0, marks.partitioningIndex { $0.at > operation.due } - 1)
            phases[index].requests += 1
            if operation.outcome != .ok {
                phases[index].failed += 1
            } else if operation.latency > slow {
                phases[index].slowed += 1
            }
            histograms[index].record(operation.latency)
        }
        for index in phases.indices {
            phases[index].p50 = histograms[index].percentile(50)
            phases[index].p99 = histograms[index].percentile(99)
            phases[index].max = histograms[index].maximum
        }
        return phases
    }

    // MARK: How soon it was known

    private var detections: [DrillReport.Detection] {
        events.compactMap { event in
            guard event.action.isFault, !event.action.nodes.isEmpty else { return nil }
            switch event.action {
            case .slowDisk, .skew, .limitCPU, .rate: return nil
            default: break
            }
            let victims = Set(event.action.nodes)
            let until = events.first { $0.at > event.at }?.at ?? end
            var known: [Int: UInt64] = [:]
            let others = members.indices.filter { !victims.contains(members[$0].name) }
            for sample in found.samples where sample.at >= event.at && sample.at < until {
                guard others.contains(sample.node), known[sample.node] == nil, let view = sample.view else { continue }
                if victims.isSubset(of: view.doubted) { known[sample.node] = sample.at }
            }
            func since(_ time: UInt64?) -> Double? { time.map { Double($0 - event.at) / 1e9 } }
            return DrillReport.Detection(
                event: event.action.text, first: since(known.values.min()),
                all: known.count == others.count ? since(known.values.max()) : nil)
        }
    }

    // MARK: Gaps

    private var gaps: [DrillReport.Gap] {
        let first = events.first { $0.action.isFault }?.at ?? end
        return events.enumerated().compactMap { index, event in
            let victims = Set(event.action.nodes.compactMap { name in members.firstIndex { $0.name == name } })
            guard event.action.isFault, !victims.isEmpty else { return nil }
            switch event.action {
            case .skew, .limitCPU, .rate: return nil
            default: break
            }
            let names = Set(victims.map { members[$0].name })
            let until = events[(index + 1)...].first { !$0.action.isFault }?.at ?? end
            let concerned = (0..<found.ring.partitions).filter {
                !names.isDisjoint(with: found.ring.owners(ofPartition: $0))
            }
            let worst = gap(concerned, from: event.at, to: until, without: victims)
            return DrillReport.Gap(
                event: event.action.text, partitions: concerned.count, worst: worst,
                usual: gap(concerned, from: start, to: first, without: victims))
        }
    }

    /// The longest that any partition went without an acknowledged write from when one was due, in seconds, as far as
    /// it reaches into the time given; of what went by way of other nodes.
    private func gap(_ partitions: [Int], from: UInt64, to: UInt64, without nodes: Set<Int>) -> Double {
        let concerned = Set(partitions)
        var moments: [(at: UInt64, partition: Int, isDone: Bool)] = []
        for operation in operations where operation.kind != .read && operation.node >= 0 {
            let partition = found.record.keys[Int(operation.key)].partition
            guard !nodes.contains(Int(operation.node)), concerned.contains(partition) else { continue }
            moments.append((operation.due, partition, false))
            if operation.outcome == .ok { moments.append((operation.returned, partition, true)) }
        }
        var awaited: [Int: UInt64] = [:]
        var worst: UInt64 = 0
        for moment in moments.sorted(by: { $0.at < $1.at }) {
            if !moment.isDone {
                if awaited[moment.partition] == nil { awaited[moment.partition] = moment.at }
            } else if let since = awaited.removeValue(forKey: moment.partition), moment.at >= from, since < to {
                worst = max(worst, moment.at - since)
            }
        }
        for since in awaited.values where since < to && end > since { worst = max(worst, end - since) }
        return Double(worst) / 1e9
    }
}

extension Array {
    /// The first place whose element is such, all after it being such too. O(log count).
    fileprivate func partitioningIndex(_ isSuch: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isSuch(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
