internal import Glibc

/// The charts and figures of one workload.
struct GroupCharts {
    var group: CompareReport.Group
    /// The number of a backend.
    var series: (String) -> Int

    func write(to page: inout Markup) {
        bars("Requests a second, all windows full", { $0.throughput }, { Figures.count($0) }).write(to: &page)
        bars("Processor time per request", { $0.processorMicroseconds * 1000 }, { Figures.time($0) }).write(to: &page)
        bars("p99 at the steady rate", { Double($0.latency.p99) }, { Figures.time($0) }).write(to: &page)
        distribution.write(to: &page)
        LineChart(
            title: "p99 over time at the steady rate",
            lines: lines { $0.latencyTimeline.map { ($0.seconds, Double($0.p99)) } },
            vertical: .logarithmic, marks: seconds(group.measurements.map(\.latencyTimeline)),
            horizontalTitle: "seconds", format: { Figures.time($0) }
        ).write(to: &page)
        LineChart(
            title: "Requests a second over time, all windows full",
            lines: lines { $0.capacityTimeline.map { ($0.seconds, $0.throughput) } },
            vertical: .linear, marks: seconds(group.measurements.map(\.capacityTimeline)),
            horizontalTitle: "seconds", format: { Figures.count($0) }
        ).write(to: &page)
    }

    private func bars(
        _ title: String, _ value: (CompareReport.Measurement) -> Double, _ format: (Double) -> String
    ) -> BarChart {
        BarChart(
            title: title,
            bars: group.measurements.map {
                .init(name: $0.backend, series: series($0.backend), value: value($0), label: format(value($0)))
            })
    }

    private var distribution: LineChart {
        LineChart(
            title: "Latency from when each request was due",
            lines: group.measurements.map { measurement in
                .init(
                    name: "\(measurement.backend) at \(Figures.count(measurement.targetRate))/s",
                    series: series(measurement.backend),
                    points: measurement.latency.curve.map { (Self.nines($0.percentile), Double($0.nanoseconds)) })
            },
            vertical: .logarithmic, marks: nines, horizontalTitle: "percentile of requests",
            format: { Figures.time($0) })
    }

    private func lines(_ points: (CompareReport.Measurement) -> [(Double, Double)]) -> [LineChart.Line] {
        group.measurements.map { .init(name: $0.backend, series: series($0.backend), points: points($0)) }
    }

    /// Where a percentile lies: each nine is one further.
    static func nines(_ percentile: Double) -> Double { -log10(max(1e-9, (100 - percentile) / 100)) }

    private var nines: [(x: Double, label: String)] { Self.marks(for: group.measurements.map(\.latency)) }

    /// The marks of an axis of percentiles.
    static func marks(for latencies: [CompareReport.Latency]) -> [(x: Double, label: String)] {
        let furthest = latencies.flatMap { $0.curve.map { nines($0.percentile) } }.max() ?? 3
        return [("0", 0), ("90", 1), ("99", 2), ("99.9", 3), ("99.99", 4), ("99.999", 5)].filter {
            $0.1 <= furthest + 0.01
        }
        .map { ($0.1, $0.0) }
    }

    private func seconds(_ timelines: [[Timeline.Slice]]) -> [(x: Double, label: String)] {
        let last = timelines.compactMap { $0.last?.seconds }.max() ?? 1
        let step = [0.25, 0.5, 1, 2, 5, 10, 20, 60].first { last / $0 <= 6 } ?? 120
        return (0...Int(last / step + 0.001)).map { (Double($0) * step, Figures.digits(Double($0) * step)) }
    }

    /// All figures of the workload.
    func table() -> ReportTable {
        var table = ReportTable(columns: [
            "Backend", "Requests/s", "CPU/request", "Steady rate", "p50", "p95", "p99", "p99.9", "max", "Resident",
            "On disk",
            "Write amplification", "Driver busy", "Faults",
        ])
        for measurement in group.measurements {
            let faults = measurement.errors + measurement.wrong + measurement.missing + measurement.abandoned
            table.rows.append([
                .init(measurement.backend, series: series(measurement.backend)),
                .init(Figures.count(measurement.throughput)),
                .init(Figures.time(measurement.processorMicroseconds * 1000)),
                .init(Figures.count(measurement.targetRate) + "/s"),
                .init(Figures.time(measurement.latency.p50)),
                .init(Figures.time(measurement.latency.p95)),
                .init(Figures.time(measurement.latency.p99)),
                .init(Figures.time(measurement.latency.p999)),
                .init(Figures.time(measurement.latency.max)),
                .init(Figures.size(measurement.residentBytes)),
                .init(measurement.diskBytes.map { Figures.size($0) } ?? "–"),
                .init(measurement.writeAmplification.map { Figures.ratio($0) } ?? "–"),
                .init(Figures.percent(measurement.driverBusy)),
                .init(String(faults), isBad: faults > 0),
            ])
        }
        return table
    }
}
