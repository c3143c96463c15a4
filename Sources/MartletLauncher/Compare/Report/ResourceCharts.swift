/// Memory, disk, write amplification, start and recovery, by backend.
struct ResourceCharts {
    var report: CompareReport

    func write(to page: inout Markup) {
        bars("Resident memory", { last($0).map { Double($0.residentBytes) } }, { Figures.size($0) }).write(to: &page)
        bars("Bytes on disk", { last($0)?.diskBytes.map { Double($0) } }, { Figures.size($0) }).write(to: &page)
        bars("Bytes written per byte of user data", { amplification($0) }, { Figures.ratio($0) }).write(to: &page)
        bars("Start of an empty node", { backend($0)?.startSeconds }, { Figures.time($0 * 1e9) }).write(to: &page)
        bars("Start after kill -9, until ready", { backend($0)?.recoverySeconds }, { Figures.time($0 * 1e9) }).write(
            to: &page)
    }

    private func backend(_ name: String) -> CompareReport.Backend? { report.backends.first { $0.name == name } }

    private func last(_ name: String) -> CompareReport.Measurement? {
        let first = report.dataSets.first?.name
        return report.measurements.last { $0.backend == name && $0.dataSet == first }
    }

    /// Of the workload of inserts, or else of the first that wrote.
    private func amplification(_ name: String) -> Double? {
        let own = report.measurements.filter { $0.backend == name }
        return
            (own.first { $0.workload == .load && $0.writeAmplification != nil }
            ?? own.first { $0.writeAmplification != nil })?
            .writeAmplification
    }

    private func bars(_ title: String, _ value: (String) -> Double?, _ format: (Double) -> String) -> BarChart {
        BarChart(
            title: title,
            bars: report.backends.enumerated().map { index, backend in
                let value = value(backend.name)
                return .init(name: backend.name, series: index, value: value, label: value.map(format) ?? "–")
            })
    }
}

/// What writes cost at each durability level, and what a kill and a power cut took.
struct DurabilityCharts {
    var report: CompareReport
    var series: (String) -> Int

    private var levels: [String] {
        var levels: [String] = []
        for result in report.durability where !levels.contains(result.level) { levels.append(result.level) }
        return levels
    }

    func write(to page: inout Markup) {
        for level in levels {
            BarChart(
                title: "Writes a second, durability \(level)",
                bars: report.durability.filter { $0.level == level }.map {
                    .init(
                        name: $0.backend, series: series($0.backend), value: $0.writesPerSecond,
                        label: Figures.count($0.writesPerSecond))
                }
            ).write(to: &page)
        }
    }

    /// What was lost, in words.
    var verdict: String {
        let killed = report.durability.filter { $0.lostAfterKill != nil }
        let losers = killed.filter { ($0.lostAfterKill ?? 0) > 0 }
        var sentences: [String] = []
        if !killed.isEmpty {
            let total = killed.reduce(0) { $0 + $1.acknowledged }
            sentences.append(
                losers.isEmpty
                    ? "After kill -9 under write load all of the \(Figures.count(Double(total))) acknowledged writes were there again, at every level."
                    : "After kill -9, "
                        + Verdict.list(
                            losers.map {
                                "\($0.backend) at \($0.level) had lost \($0.lostAfterKill ?? 0) of \($0.acknowledged)"
                            })
                        + " acknowledged writes.")
        }
        let cut = report.durability.filter { $0.lostAfterPowerCut != nil }
        let always = cut.filter { $0.level == "always" }
        let bad = always.filter { ($0.lostAfterPowerCut ?? 0) > 0 }
        if !bad.isEmpty {
            sentences.append(
                "A power cut took writes acknowledged under always from \(Verdict.list(bad.map(\.backend))).")
        } else if !always.isEmpty {
            sentences.append("A power cut took no write acknowledged under always.")
        }
        if cut.contains(where: { $0.level != "always" && ($0.lostAfterPowerCut ?? 0) > 0 }) {
            sentences.append(
                "Below that it takes what was not synced yet, as these levels say: interval syncs once a second, none when "
                    + "the engine or the system chooses; the cut comes early in the run, so that may be all.")
        }
        return sentences.joined(separator: " ")
    }

    func table() -> ReportTable {
        var table = ReportTable(columns: [
            "Backend", "Level", "Writes/s", "p99", "Acknowledged, then kill -9", "Lost", "Ready again after",
            "Lost at a power cut",
        ])
        for result in report.durability {
            table.rows.append([
                .init(result.backend, series: series(result.backend)),
                .init(result.level),
                .init(Figures.count(result.writesPerSecond)),
                .init(Figures.time(result.p99)),
                .init(result.lostAfterKill == nil ? "–" : String(result.acknowledged)),
                .init(
                    result.lostAfterKill.map(String.init) ?? result.remark ?? "–",
                    isBad: (result.lostAfterKill ?? 0) > 0),
                .init(result.recoverySeconds.map { Figures.time($0 * 1e9) } ?? "–"),
                .init(
                    result.lostAfterPowerCut.map { "\($0) of \(result.acknowledgedBeforeCut ?? 0)" } ?? "–",
                    isBad: result.level == "always" && (result.lostAfterPowerCut ?? 0) > 0),
            ])
        }
        return table
    }
}
