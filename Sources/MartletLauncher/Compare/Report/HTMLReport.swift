/// The report as one page that needs nothing from elsewhere.
struct HTMLReport {
    private let report: CompareReport
    private var page = Markup()

    init(_ report: CompareReport) { self.report = report }

    /// The whole page.
    static func render(_ report: CompareReport) -> String {
        var writer = HTMLReport(report)
        writer.write()
        return writer.page.text
    }

    private mutating func write() {
        page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">")
        page.element("title", text: "Martlet: \(Verdict.list(report.backends.map(\.name))) compared")
        page.raw("<style>\(ReportStyle.sheet)</style></head><body>")
        writeHeader()
        page.raw("<main>")
        writeGlance()
        for group in report.groups { writeGroup(group) }
        writeDurability()
        writeResources()
        writeCounters()
        writeSettings()
        page.raw("</main></body></html>\n")
    }

    /// A backend's number: its colour everywhere.
    private func series(_ name: String) -> Int { report.backends.firstIndex { $0.name == name } ?? 0 }

    private mutating func writeHeader() {
        page.element("header") { [report] header in
            header.element("h1", text: "Backends compared")
            header.element("p", ["class": "muted"]) {
                $0.escaped(
                    "Martlet \(report.version) · \(report.began) · \(report.machine.processor), \(report.machine.cores) cores · "
                        + (report.isFull ? "full run" : "short run") + " of \(Figures.digits(report.seconds)) s")
            }
            header.element("ul", ["class": "legend"]) { legend in
                for (index, backend) in report.backends.enumerated() {
                    legend.element("li") { item in
                        item.element("span", ["class": "swatch b\(index % Chart.palette)"], text: "")
                        item.element("b", text: backend.name)
                        item.element("span", ["class": "muted"], text: backend.engine)
                    }
                }
            }
        }
    }

    private mutating func writeGlance() {
        let summary = Verdict.summary(of: report)
        let notes = report.notes
        let table = glance()
        page.element("section") { section in
            section.element("h2", text: "At a glance")
            if !summary.isEmpty { section.element("p", ["class": "verdict"], text: summary) }
            table.write(to: &section)
            for note in notes { section.element("p", ["class": "note"], text: note) }
        }
    }

    /// Requests a second by workload, one row for each backend, the best of a column marked.
    private func glance() -> ReportTable {
        let groups = report.groups
        var table = ReportTable(columns: ["Requests/s"] + groups.map { "\($0.title), \($0.dataSet.name)" })
        for (index, backend) in report.backends.enumerated() {
            var cells = [ReportTable.Cell(backend.name, series: index)]
            for group in groups {
                let found = group.measurements.first { $0.backend == backend.name }
                let best = group.measurements.map(\.throughput).max() ?? 0
                cells.append(
                    found.map { .init(Figures.count($0.throughput), isBest: $0.throughput >= best * 0.999) }
                        ?? .init("–"))
            }
            table.rows.append(cells)
        }
        return table
    }

    private mutating func writeGroup(_ group: CompareReport.Group) {
        let charts = GroupCharts(group: group, series: series)
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped(group.title + " ")
                heading.element(
                    "small",
                    text: "\(group.workload.summary) · data set \(group.dataSet.name): "
                        + "\(Figures.count(Double(group.dataSet.records))) values of \(Figures.size(UInt64(group.dataSet.valueBytes)))"
                        + ", record cache \(Figures.size(UInt64(group.dataSet.cacheBytes))) · durability \(group.durability)"
                )
            }
            section.element("p", ["class": "verdict"], text: Verdict.text(for: group))
            section.element("div", ["class": "charts"]) { charts.write(to: &$0) }
            section.element("details") { details in
                details.element("summary", text: "Figures")
                charts.table().write(to: &details)
            }
        }
    }

    private mutating func writeDurability() {
        guard !report.durability.isEmpty else { return }
        let report = report
        let bars = DurabilityCharts(report: report, series: series)
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("Durability ")
                heading.element("small", text: "what a write costs at each level, and what survives")
            }
            section.element("p", ["class": "verdict"], text: bars.verdict)
            section.element("div", ["class": "charts"]) { bars.write(to: &$0) }
            bars.table().write(to: &section)
        }
    }

    private mutating func writeResources() {
        let charts = ResourceCharts(report: report)
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("Memory, disk, start ")
                heading.element("small", text: "after the last workload of the first data set")
            }
            section.element("div", ["class": "charts"]) { charts.write(to: &$0) }
        }
    }

    private mutating func writeCounters() {
        let rows = report.measurements.filter { !$0.counters.isEmpty }
        guard !rows.isEmpty else { return }
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("The backends' own counters ")
                heading.element("small", text: "how much each changed over a workload")
            }
            for measurement in rows {
                section.element("details") { details in
                    details.element(
                        "summary",
                        text:
                            "\(measurement.backend) · \(measurement.workload.rawValue) · \(measurement.distribution.rawValue) · "
                            + measurement.dataSet)
                    details.element("dl", ["class": "counters"]) { list in
                        for counter in measurement.counters {
                            list.element("div") { pair in
                                pair.element("dt", text: counter.name)
                                pair.element("dd", text: String(counter.change))
                            }
                        }
                    }
                }
            }
        }
    }

    private mutating func writeSettings() {
        let report = report
        page.element("section") { section in
            section.element("h2", text: "Machine, settings, and how to run it again")
            section.element("dl", ["class": "settings"]) { list in
                func pair(_ name: String, _ value: String, _ list: inout Markup) {
                    list.element("dt", text: name)
                    list.element("dd", text: value)
                }
                pair("Processor", "\(report.machine.processor), \(report.machine.cores) cores", &list)
                pair("Memory", Figures.size(report.machine.memory), &list)
                pair("System", report.machine.system, &list)
                pair("Data on", report.machine.fileSystem, &list)
                for setting in report.settings { pair(setting.name, setting.value, &list) }
                for backend in report.backends {
                    let settings = backend.settings.map { "\($0.name): \($0.value)" }.joined(separator: ", ")
                    pair(backend.name, backend.engine + (settings.isEmpty ? "" : " (\(settings))"), &list)
                }
            }
            section.element("pre", text: report.commands.joined(separator: "\n"))
            for paragraph in ReportStyle.method { section.element("p", ["class": "muted"], text: paragraph) }
        }
    }
}

/// A table of the page, which scrolls by itself where it is too wide.
struct ReportTable {
    struct Cell {
        var text: String
        /// The backend a row is of.
        var series: Int?
        var isBest: Bool
        var isBad: Bool

        init(_ text: String, series: Int? = nil, isBest: Bool = false, isBad: Bool = false) {
            self.text = text
            self.series = series
            self.isBest = isBest
            self.isBad = isBad
        }
    }
    var columns: [String]
    var rows: [[Cell]] = []

    func write(to page: inout Markup) {
        page.element("div", ["class": "scroll"]) { box in
            box.element("table") { table in
                table.element("thead") { head in
                    head.element("tr") { row in for column in columns { row.element("th", text: column) } }
                }
                table.element("tbody") { body in
                    for cells in rows { body.element("tr") { row in for cell in cells { Self.write(cell, to: &row) } } }
                }
            }
        }
    }

    private static func write(_ cell: Cell, to row: inout Markup) {
        if let series = cell.series {
            row.element("th") { head in
                head.element("span", ["class": "swatch b\(series % Chart.palette)"], text: "")
                head.escaped(cell.text)
            }
        } else {
            row.element("td", ["class": cell.isBad ? "bad" : cell.isBest ? "best" : ""], text: cell.text)
        }
    }
}
