/// What a comparison says in words.
enum Verdict {
    /// Rates nearer than this are called level: one run cannot tell them apart.
    private static let level = 1.1

    /// One paragraph on one workload.
    static func text(for group: CompareReport.Group) -> String {
        let ranked = group.measurements.sorted { $0.throughput > $1.throughput }
        guard let best = ranked.first, best.throughput > 0 else { return "No backend came through this workload." }
        guard ranked.count > 1 else {
            return "\(best.backend) takes \(Figures.count(best.throughput)) requests a second"
                + ", with a p99 of \(Figures.time(best.latency.p99)) at \(Figures.count(best.targetRate))/s."
        }
        var sentences: [String] = [capacity(ranked)]
        let fastest = group.measurements.min { $0.latency.p99 < $1.latency.p99 } ?? best
        let slowest = group.measurements.max { $0.latency.p99 < $1.latency.p99 } ?? best
        if fastest.backend != slowest.backend, fastest.latency.p99 > 0 {
            let ratio = Double(slowest.latency.p99) / Double(fastest.latency.p99)
            sentences.append(
                ratio < level
                    ? "Their p99 are level at \(Figures.time(fastest.latency.p99))."
                    : "At its steady rate \(fastest.backend) has the shortest p99, \(Figures.time(fastest.latency.p99)); "
                        + "that of \(slowest.backend), \(Figures.time(slowest.latency.p99)), is the longest.")
        }
        let thrifty = group.measurements.filter { $0.processorMicroseconds > 0 }
            .sorted { $0.processorMicroseconds < $1.processorMicroseconds }
        if let least = thrifty.first, let most = thrifty.last, least.backend != most.backend {
            let ratio = most.processorMicroseconds / least.processorMicroseconds
            sentences.append(
                ratio < level
                    ? "A request costs all of them about \(Figures.time(least.processorMicroseconds * 1000)) of processor time."
                    : "A request costs \(least.backend) \(Figures.time(least.processorMicroseconds * 1000)) of processor time"
                        + " and \(most.backend) \(Figures.time(most.processorMicroseconds * 1000)).")
        }
        sentences += faults(group.measurements)
        return sentences.joined(separator: " ")
    }

    /// `lmdb is fastest with 412k requests a second, 1.8x rocksdb (229k) and ...`
    private static func capacity(_ ranked: [CompareReport.Measurement]) -> String {
        let best = ranked[0]
        let peers = ranked.dropFirst().filter { best.throughput / max($0.throughput, 1e-9) < level }
        let behind = ranked.dropFirst(1 + peers.count)
        var sentence =
            peers.isEmpty
            ? "\(best.backend) is fastest with \(Figures.count(best.throughput)) requests a second"
            : "\(list([best.backend] + peers.map(\.backend))) are level at about \(Figures.count(best.throughput)) requests a second"
        if !behind.isEmpty {
            sentence +=
                ": "
                + list(
                    behind.map {
                        "\(Figures.ratio(best.throughput / max($0.throughput, 1e-9))) \($0.backend) (\(Figures.count($0.throughput)))"
                    })
        }
        return sentence + "."
    }

    /// What a reader must not overlook.
    private static func faults(_ measurements: [CompareReport.Measurement]) -> [String] {
        var sentences: [String] = []
        let bound = measurements.filter { $0.driverBusy > 0.9 }.map(\.backend)
        if !bound.isEmpty {
            sentences.append(
                "The load driver was busy all the time against \(list(bound)): \(bound.count == 1 ? "it" : "they") may be able to do more."
            )
        }
        for measurement in measurements {
            let bad = measurement.errors + measurement.wrong + measurement.missing
            if bad > 0 {
                sentences.append(
                    "\(measurement.backend) gave \(measurement.errors) errors, \(measurement.wrong) wrong values and "
                        + "\(measurement.missing) times none for a record that was written"
                        + (measurement.firstError.map { " (\"\($0)\")" } ?? "") + ".")
            }
            if measurement.abandoned > 0 {
                sentences.append(
                    "\(measurement.backend) did not keep up with its steady rate: \(measurement.abandoned) requests were never sent."
                )
            }
        }
        return sentences
    }

    /// The first paragraph: reads, writes and what they cost, of the backends that keep their data.
    static func summary(of report: CompareReport) -> String {
        var sentences: [String] = []
        for (word, workload) in [("Reads", Workload.c), ("Mixed reads and updates", .a), ("Inserts", .load)] {
            guard let group = report.groups.first(where: { $0.workload == workload }) else { continue }
            let ranked = group.measurements.filter { $0.throughput > 0 }.sorted { $0.throughput > $1.throughput }
            guard ranked.count > 1 else { continue }
            sentences.append("\(word) (\(group.title)): " + capacity(ranked))
        }
        let lost = report.durability.filter { ($0.lostAfterKill ?? 0) + ($0.lostAfterPowerCut ?? 0) > 0 }
        let always = report.durability.filter { $0.level == "always" && $0.lostAfterKill != nil }
        if lost.contains(where: { $0.level == "always" }) {
            let names = lost.filter { $0.level == "always" }.map(\.backend)
            sentences.append("\(list(names)) LOST WRITES that were acknowledged under always.")
        } else if !always.isEmpty {
            sentences.append("No write acknowledged under always was lost, on \(list(always.map(\.backend))).")
        }
        return sentences.joined(separator: " ")
    }

    /// `a`, `a and b`, `a, b and c`.
    static func list(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " and " + last
    }
}
