/// The comparison's main figures as lines of text.
enum TerminalTable {
    /// Requests a second and the steady p99, a row for each workload and a column for each backend.
    static func render(_ report: CompareReport) -> String {
        var rows = [["workload", "data set"] + report.backends.flatMap { [$0.name, "p99", "CPU"] }]
        for group in report.groups {
            var row = [group.title, group.dataSet.name]
            for backend in report.backends {
                if let found = group.measurements.first(where: { $0.backend == backend.name }) {
                    row += [
                        Figures.count(found.throughput) + "/s", Figures.time(found.latency.p99),
                        Figures.time(found.processorMicroseconds * 1000),
                    ]
                } else {
                    row += ["-", "-", "-"]
                }
            }
            rows.append(row)
        }
        var text = aligned(rows)
        guard !report.durability.isEmpty else { return text }
        var levels = [
            ["durability", "backend", "writes", "p99", "lost after kill -9", "recovery", "lost at a power cut"]
        ]
        for result in report.durability {
            levels.append([
                result.level, result.backend, Figures.count(result.writesPerSecond) + "/s", Figures.time(result.p99),
                result.lostAfterKill.map { "\($0) of \(result.acknowledged)" } ?? "-",
                result.recoverySeconds.map { Figures.time($0 * 1e9) } ?? "-",
                result.lostAfterPowerCut.map { "\($0) of \(result.acknowledgedBeforeCut ?? 0)" } ?? "-",
            ])
        }
        text += "\n" + aligned(levels)
        return text
    }

    /// Columns as wide as their widest cell; the first ones to the left, numbers to the right.
    static func aligned(_ rows: [[String]], left: Int = 2) -> String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < left ? cell + padding : padding + cell
            }
            let line = cells.joined(separator: "  ")
            return line.prefix(line.count - line.reversed().prefix { $0 == " " }.count) + "\n"
        }.joined()
    }
}
