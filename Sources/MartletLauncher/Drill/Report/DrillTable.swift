/// A drill's main figures as lines of text, and in words.
enum DrillTable {
    static func render(_ report: DrillReport) -> String {
        var rows = [
            [
                "cluster", "requests", "failed", "slowed", "p50", "p99", "detected after", "worst gap", "well again",
                "replicas equal", "lost",
            ]
        ]
        for run in report.runs { rows.append([run.name] + cells(run)) }
        var text = TerminalTable.aligned(rows, left: 1)
        for run in report.runs where run.phases.count <= 12 {
            var phases = [
                [
                    "from", "phase of \(run.name)", "requests", "answered a second", "failed", "slowed", "p50", "p99",
                    "max",
                ]
            ]
            for phase in run.phases {
                phases.append([
                    Figures.digits(phase.from) + " s", phase.text, "\(phase.requests)",
                    Figures.digits(phase.answeredPerSecond), "\(phase.failed)", "\(phase.slowed)",
                    Figures.time(phase.p50), Figures.time(phase.p99), Figures.time(phase.max),
                ])
            }
            text += "\n" + TerminalTable.aligned(phases, left: 2)
        }
        return text
    }

    /// A run's figures in the order of the table's columns.
    static func cells(_ run: DrillReport.Run) -> [String] {
        let detected = run.detections.compactMap(\.first).max()
        let gap = run.gaps.map(\.worst).max()
        return [
            "\(run.requests)", "\(run.failed)", "\(run.slowed)", Figures.time(run.latency.p50),
            Figures.time(run.latency.p99), detected.map(seconds) ?? "-", gap.map(seconds) ?? "-",
            run.wellAfter.map(seconds) ?? "never", run.equalAfter.map(seconds) ?? "never", "\(run.lost)",
        ]
    }

    static func seconds(_ value: Double) -> String { Figures.time(max(0, value) * 1e9) }

    /// What a person has to know first.
    static func verdict(_ run: DrillReport.Run, slow: UInt64) -> String {
        var sentences: [String] = []
        let share = Double(run.failed) / Double(max(1, run.requests))
        sentences.append(
            run.failed == 0
                ? "None of \(run.requests) requests failed"
                : "\(run.failed) of \(run.requests) requests failed (\(Figures.digits(share * 100)) %: \(run.unknown) of "
                    + "unknown outcome, \(run.refused) refused, \(run.unsent) found no node)")
        sentences[0] += ", \(run.slowed) took longer than \(Figures.time(slow))."
        // Of many faults the worst tells enough; the others stand in the table of what happened.
        var (detections, gaps) = (run.detections, run.gaps.filter { $0.partitions > 0 })
        if detections.count > 3 { detections = detections.max { ($0.first ?? 0) < ($1.first ?? 0) }.map { [$0] } ?? [] }
        if gaps.count > 3 { gaps = gaps.max { $0.worst < $1.worst }.map { [$0] } ?? [] }
        for detection in detections {
            guard let first = detection.first else { continue }
            let all = detection.all.map { ", by all after \(seconds($0))" } ?? ""
            sentences.append("\"\(detection.event)\" was noticed by a node after \(seconds(first))\(all).")
        }
        for gap in gaps {
            sentences.append(
                "Of the \(gap.partitions) partitions that \"\(gap.event)\" concerns, by way of the other nodes none waited "
                    + "longer than \(seconds(gap.worst)) for an acknowledged write (before: \(seconds(gap.usual))).")
        }
        if run.recoveries.count <= 3 {
            for recovery in run.recoveries {
                guard let time = recovery.seconds else { continue }
                let ratio = Double(recovery.p99) / Double(max(1, recovery.usualP99))
                sentences.append(
                    "After \"\(recovery.event)\" all was whole within \(seconds(time)); the p99 meanwhile was "
                        + "\(Figures.time(recovery.p99)), \(Figures.ratio(ratio)) that before the first fault.")
            }
        }
        for relief in run.reliefs {
            let time = relief.seconds.map { "within \(seconds($0))" } ?? "never, in the time there was,"
            sentences.append(
                "After the overload (\(relief.event)) the p99 of any five seconds was \(time) at most 1.5 times the usual "
                    + "\(Figures.time(relief.usualP99)) again.")
        }
        if let hints = run.mostHints, hints > 0 { sentences.append("At most \(hints) hints waited at one time.") }
        sentences.append(
            run.equalAfter.map { "All owners held the same \(seconds($0)) after the load ended." }
                ?? "\(run.divergentPartitions) partitions still differed between their owners a minute after the load.")
        sentences.append(
            run.lost == 0
                ? "Of \(run.acknowledgedWrites) acknowledged writes none was lost."
                : "ACKNOWLEDGED WRITES WERE LOST: of \(run.lost) keys.")
        let others = run.violations.count - run.lost
        if others > 0 { sentences.append("The checkers found \(others) more faults.") }
        return sentences.joined(separator: " ")
    }
}
