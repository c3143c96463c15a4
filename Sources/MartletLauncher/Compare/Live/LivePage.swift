/// The report of a running cluster as one page that needs nothing from elsewhere.
struct LivePage {
    private let report: LiveReport

    static func render(_ report: LiveReport) -> String { LivePage(report: report).text }

    private var text: String {
        var page = Markup()
        page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">")
        page.element("title", text: "Martlet: replicas of \(report.cluster) compared")
        page.raw("<style>\(ReportStyle.sheet)</style></head><body>")
        writeHeader(to: &page)
        page.raw("<main>")
        writeGlance(to: &page)
        writeLatency("Replica writes", "from the request to the acknowledgement", \.writes, to: &page)
        writeLatency("Replica reads", "from the question to the answer", \.reads, to: &page)
        writeResources(to: &page)
        writeClients(to: &page)
        writeCounters(to: &page)
        writeMethod(to: &page)
        page.raw("</main></body></html>\n")
        return page.text
    }

    private func writeHeader(to page: inout Markup) {
        page.element("header") { header in
            header.element("h1", text: "Replicas compared, live")
            header.element("p", ["class": "muted"]) {
                $0.escaped(
                    "Martlet \(report.version) · cluster \(report.cluster) · \(report.began) · "
                        + "\(report.machine.processor), \(report.machine.cores) cores · watched for "
                        + "\(Figures.digits(report.seconds)) s")
            }
            header.element("ul", ["class": "legend"]) { legend in
                for (index, backend) in report.backends.enumerated() {
                    legend.element("li") { item in
                        item.element("span", ["class": "swatch b\(index % Chart.palette)"], text: "")
                        item.element("b", text: backend.name)
                        item.element("span", ["class": "muted"], text: backend.nodes.joined(separator: ", "))
                    }
                }
            }
        }
    }

    private func writeGlance(to page: inout Markup) {
        var table = ReportTable(columns: [
            "Replicas", "Durability", "Writes", "p50", "p99", "p99.9", "Reads", "p50", "p99", "p99.9", "CPU",
            "Resident",
            "On disk",
        ])
        for (index, backend) in report.backends.enumerated() {
            table.rows.append([
                .init(backend.name, series: index), .init(backend.durability),
                .init(Figures.count(Double(backend.writes.count))), .init(backend.writes.text(\.p50)),
                .init(backend.writes.text(\.p99)), .init(backend.writes.text(\.p999)),
                .init(Figures.count(Double(backend.reads.count))), .init(backend.reads.text(\.p50)),
                .init(backend.reads.text(\.p99)), .init(backend.reads.text(\.p999)),
                .init(Figures.percent(backend.processorSeconds / max(report.seconds, 1e-9))),
                .init(Figures.size(Double(backend.residentBytes))), .init(Figures.size(Double(backend.diskBytes))),
            ])
        }
        page.element("section") { section in
            section.element("h2", text: "At a glance")
            section.element("p", ["class": "verdict"], text: report.verdict)
            table.write(to: &section)
            for note in report.notes { section.element("p", ["class": "note"], text: note) }
        }
    }

    private func writeLatency(
        _ title: String, _ subtitle: String, _ latency: KeyPath<LiveReport.Backend, CompareReport.Latency>,
        to page: inout Markup
    ) {
        guard report.backends.contains(where: { $0[keyPath: latency].count > 0 }) else { return }
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped(title + " ")
                heading.element("small", text: subtitle + ", as the other nodes measured it")
            }
            section.element("div", ["class": "charts"]) { charts in
                bars("p50") {
                    Double($0[keyPath: latency].p50)
                } format: {
                    Figures.time($0)
                }.write(to: &charts)
                bars("p99") {
                    Double($0[keyPath: latency].p99)
                } format: {
                    Figures.time($0)
                }.write(to: &charts)
                LineChart(
                    title: "Distribution",
                    lines: report.backends.enumerated().map { index, backend in
                        .init(
                            name: backend.name, series: index,
                            points: backend[keyPath: latency].curve.map {
                                (GroupCharts.nines($0.percentile), Double($0.nanoseconds))
                            })
                    },
                    vertical: .logarithmic,
                    marks: GroupCharts.marks(for: report.backends.map { $0[keyPath: latency] }),
                    horizontalTitle: "percentile of requests", format: { Figures.time($0) }
                ).write(to: &charts)
            }
        }
    }

    private func bars(
        _ title: String, _ value: (LiveReport.Backend) -> Double, format: (Double) -> String
    ) -> BarChart {
        BarChart(
            title: title,
            bars: report.backends.enumerated().map { index, backend in
                .init(name: backend.name, series: index, value: value(backend), label: format(value(backend)))
            })
    }

    private func writeResources(to page: inout Markup) {
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("What it took ")
                heading.element("small", text: "all nodes of a backend together, clients and coordination included")
            }
            section.element("div", ["class": "charts"]) { charts in
                bars("Processor time meanwhile") {
                    $0.processorSeconds * 1e9
                } format: {
                    Figures.time($0)
                }
                .write(to: &charts)
                bars("Resident memory") {
                    Double($0.residentBytes)
                } format: {
                    Figures.size($0)
                }.write(to: &charts)
                bars("Bytes on disk") {
                    Double($0.diskBytes)
                } format: {
                    Figures.size($0)
                }.write(to: &charts)
                bars("Bytes the engine wrote meanwhile") {
                    Double($0.writtenBytes)
                } format: {
                    Figures.size($0)
                }
                .write(to: &charts)
            }
        }
    }

    private func writeClients(to page: inout Markup) {
        guard let load = report.load else { return }
        var table = ReportTable(columns: ["As clients saw it", "Requests", "p50", "p99", "p99.9", "max"])
        for (name, latency) in [("Writes", load.writes), ("Reads", load.reads)] {
            table.rows.append([
                .init(name), .init(Figures.count(Double(latency.count))), .init(Figures.time(latency.p50)),
                .init(Figures.time(latency.p99)), .init(Figures.time(latency.p999)), .init(Figures.time(latency.max)),
            ])
        }
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("The load ")
                heading.element(
                    "small",
                    text:
                        "\(Figures.count(load.requestsPerSecond)) requests a second over all nodes, half of them writes, "
                        + "on \(load.keys) values of \(load.valueBytes) bytes; \(load.errors) failed")
            }
            table.write(to: &section)
        }
    }

    private func writeCounters(to page: inout Markup) {
        page.element("section") { section in
            section.element("h2") { heading in
                heading.escaped("Counters ")
                heading.element("small", text: "how much each changed meanwhile")
            }
            for backend in report.backends {
                section.element("details") { details in
                    details.element("summary", text: backend.name)
                    details.element("dl", ["class": "counters"]) { list in
                        for counter in backend.counters {
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

    private func writeMethod(to page: inout Markup) {
        page.element("section") { section in
            section.element("h2", text: "How it was measured, and how to run it again")
            section.element("pre", text: report.command)
            for paragraph in [
                "A coordinator asks the owners of a key and notes how long each takes: from the turn of its loop in which "
                    + "the request was made to the turn in which the answer came in, the network between the two and both "
                    + "nodes' queues included. Each replica is measured by the other nodes only; what a node asks of its own "
                    + "replica is not counted, so that all backends are seen through the same link.",
                "Every write goes to every owner of its key, so the backends took the same writes; a read asks as many "
                    + "owners as it needs, which differ from key to key. A write to a backend that syncs waits for its disk.",
                "The nodes share this machine with each other: what one uses, the others miss.",
            ] {
                section.element("p", ["class": "muted"], text: paragraph)
            }
        }
    }
}
