/// The report of a drill as one page that needs nothing from elsewhere.
struct DrillPage {
    private let report: DrillReport

    static func render(_ report: DrillReport) -> String { DrillPage(report: report).text }

    private static let style = """
        svg.wide{max-width:none;min-width:760px}
        .up{fill:var(--s2);opacity:.55}.down{fill:var(--bad)}.paused{fill:var(--s1)}.cut{fill:var(--s3)}
        .other{fill:var(--s4)}.doubt{fill:var(--muted)}
        .event{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3;opacity:.6}
        .steps td,.steps th{text-align:left;white-space:normal}
        .phases td:first-child{text-align:left;white-space:normal;min-width:200px}.phases th:first-child{text-align:left}
        .key{display:inline-block;min-width:1.4em;font-weight:700}
        """

    private var text: String {
        var page = Markup()
        page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">")
        page.element("title", text: "Martlet: drill \(report.drill)")
        page.raw("<style>\(ReportStyle.sheet)\(Self.style)</style></head><body>")
        writeHeader(to: &page)
        page.raw("<main>")
        writeGlance(to: &page)
        writeCharts(to: &page)
        for run in report.runs { writeRun(run, to: &page) }
        writeMethod(to: &page)
        page.raw("</main></body></html>\n")
        return page.text
    }

    private func writeHeader(to page: inout Markup) {
        page.element("header") { header in
            header.element("h1", text: "Drill: \(report.drill)")
            if !report.shows.isEmpty { header.element("p", text: report.shows) }
            header.element("p", ["class": "muted"]) {
                $0.escaped(
                    "Martlet \(report.version) · \(report.began) · \(report.machine.processor), "
                        + "\(report.machine.cores) cores")
            }
            header.element("ul", ["class": "legend"]) { legend in
                for (index, run) in report.runs.enumerated() {
                    legend.element("li") { item in
                        item.element("span", ["class": "swatch b\(index % Chart.palette)"], text: "")
                        item.element("b", text: run.name)
                        item.element("span", ["class": "muted"], text: run.cluster)
                    }
                }
            }
        }
    }

    private func writeGlance(to page: inout Markup) {
        var table = ReportTable(columns: [
            "Cluster", "Requests", "Failed", "Slowed", "p50", "p99", "Detected after", "Worst gap", "Well again",
            "Replicas equal", "Lost",
        ])
        for (index, run) in report.runs.enumerated() {
            let cells = DrillTable.cells(run)
            table.rows.append(
                [.init(run.name, series: index)]
                    + cells.enumerated().map { place, text in
                        let isBad = place == cells.count - 1 ? run.lost > 0 : text == "never"
                        return ReportTable.Cell(text, isBad: isBad)
                    })
        }
        page.element("section") { section in
            section.element("h2", text: "At a glance")
            for run in report.runs {
                section.element("p", ["class": "verdict"]) { line in
                    if report.runs.count > 1 { line.element("b", text: run.name + ": ") }
                    line.escaped(DrillTable.verdict(run, slow: report.slow))
                }
            }
            table.write(to: &section)
            for note in report.notes { section.element("p", ["class": "note"], text: note) }
        }
    }

    // MARK: All runs over each other

    private func writeCharts(to page: inout Markup) {
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("As clients saw it ")
                heading.element(
                    "small", text: "latencies by when a request was due; the letters are the steps below")
            }
            section.element("div", ["class": "charts"]) { charts in
                chart("Answered a second", .linear, { $0.answered }, { Figures.count($0) }).write(to: &charts)
                chart("Failed a second", .linear, { $0.failed }, { Figures.count($0) }).write(to: &charts)
                chart("p99", .logarithmic, { Double($0.p99) }, { Figures.time($0) }).write(to: &charts)
                chart("p50", .logarithmic, { Double($0.p50) }, { Figures.time($0) }).write(to: &charts)
                if report.runs.contains(where: { ($0.mostHints ?? 0) > 0 }) {
                    chart("Hints waiting, all nodes", .linear, { Double($0.hints) }, { Figures.count($0) })
                        .write(to: &charts)
                }
                if report.runs.contains(where: { $0.slices.contains { $0.inNeed > 0 } }) {
                    chart("Replicas not caught up, all nodes", .linear, { Double($0.inNeed) }, { Figures.count($0) })
                        .write(to: &charts)
                }
            }
        }
    }

    private func chart(
        _ title: String, _ scale: LineChart.Scale, _ value: (DrillReport.Slice) -> Double,
        _ format: @escaping (Double) -> String
    ) -> LineChart {
        let steps = report.runs.first.map { DrillSteps($0) }
        let marks = (steps?.letters ?? []).map { (x: $0.seconds, label: $0.letter) }
        let end = report.runs.map(\.seconds).max() ?? 1
        return LineChart(
            title: title,
            lines: report.runs.enumerated().map { index, run in
                .init(name: run.name, series: index, points: run.slices.map { ($0.seconds, value($0)) })
            },
            vertical: scale, marks: marks.count <= 16 ? marks : [],
            horizontalTitle: "0 to \(Figures.digits(end)) seconds", format: format)
    }

    // MARK: One run

    private func writeRun(_ run: DrillReport.Run, to page: inout Markup) {
        let steps = DrillSteps(run)
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("What happened: \(run.name) ")
                heading.element("small", text: run.cluster)
            }
            section.element("div", ["class": "scroll"]) { DrillTimeline(run: run, steps: steps).write(to: &$0) }
            writeEvents(run, steps, to: &section)
            if run.phases.count <= 16 { writePhases(run, to: &section) }
            writeFaults(run, to: &section)
            section.element("details") { details in
                details.element("summary", text: "Counters of all nodes, how much each changed")
                Self.list(run.counters, to: &details)
            }
            if !run.refusals.isEmpty {
                section.element("details") { details in
                    details.element("summary", text: "What failed requests were told, and why connections were lost")
                    Self.list(run.refusals, to: &details)
                }
            }
        }
    }

    private static func list(_ counters: [CompareReport.Counter], to page: inout Markup) {
        page.element("dl", ["class": "counters"]) { list in
            for counter in counters {
                list.element("div") { pair in
                    pair.element("dt", text: counter.name)
                    pair.element("dd", text: String(counter.change))
                }
            }
        }
    }

    private func writeEvents(_ run: DrillReport.Run, _ steps: DrillSteps, to page: inout Markup) {
        page.element("div", ["class": "scroll steps"]) { box in
            box.element("table") { table in
                table.element("tbody") { body in
                    for event in run.events.prefix(400) {
                        body.element("tr") { row in
                            row.element("td") { cell in
                                let letter = event.isStep ? steps.letter(at: event.seconds) ?? "" : ""
                                cell.element("span", ["class": "key"], text: letter)
                                cell.escaped(String(Figures.digits(event.seconds)) + " s")
                            }
                            row.element(
                                "td", ["class": event.isFault ? "bad" : event.isStep ? "" : "muted"], text: event.text)
                        }
                    }
                }
            }
        }
    }

    private func writePhases(_ run: DrillReport.Run, to page: inout Markup) {
        var table = ReportTable(columns: [
            "Since", "Seconds", "Requests", "Answered a second", "Failed", "Slowed", "p50", "p99", "Longest",
        ])
        for phase in run.phases {
            table.rows.append([
                .init(phase.text), .init(Figures.digits(phase.to - phase.from)), .init("\(phase.requests)"),
                .init(Figures.digits(phase.answeredPerSecond)),
                .init("\(phase.failed)", isBad: phase.failed > 0), .init("\(phase.slowed)"),
                .init(Figures.time(phase.p50)), .init(Figures.time(phase.p99)), .init(Figures.time(phase.max)),
            ])
        }
        page.element("details", ["class": "phases", "open": ""]) { details in
            details.element("summary", text: "Between the steps")
            table.write(to: &details)
        }
    }

    private func writeFaults(_ run: DrillReport.Run, to page: inout Markup) {
        guard !run.violations.isEmpty else { return }
        page.element("p", ["class": "bad"], text: "The checkers found \(run.violations.count) faults:")
        page.element("pre", text: run.violations.prefix(50).joined(separator: "\n"))
    }

    private func writeMethod(to page: inout Markup) {
        page.element("section") { section in
            section.element("h2", text: "How it was measured, and how to run it again")
            section.element("dl", ["class": "settings"]) { list in
                for setting in report.load {
                    list.element("dt", text: setting.name)
                    list.element("dd", text: setting.value)
                }
            }
            section.element("pre", text: report.command)
            for paragraph in Self.method { section.element("p", ["class": "muted"], text: paragraph) }
        }
    }

    private static let method = [
        "Requests are due at even distances, whatever the cluster does, and a latency counts from when its request was due "
            + "(no coordinated omission). A client that is not answered in time gives the request up: its outcome is unknown. "
            + "It then goes round that node until it answers again.",
        "Every request and its answer are kept. When all is healed, every key is read, and the checkers of the simulator judge "
            + "the whole history: no acknowledged write lost, nothing read that was never written, nothing refused that was "
            + "done, and, where R + W > N and nobody stands in for owners, no stale read. The owners of each partition are "
            + "compared by their digests.",
        "A gap is the longest time from when a write was due until one was acknowledged in the same partition, over all "
            + "partitions of which a node that the fault concerns is an owner, by way of the other nodes.",
        "Nodes were asked for their view ten times a second: what is seen is known to a tenth of a second. The nodes and the "
            + "load share this machine.",
    ]
}
