internal import Foundation

/// What `compare --live` found of a running cluster, as it stands in `report.json`.
///
/// Times are in nanoseconds where a name does not say otherwise, sizes in bytes.
struct LiveReport: Codable, Sendable, Equatable {
    /// Of this layout; raised when a field changes its meaning.
    var format = 1
    var version: String
    /// When it began, as 2026-01-31T12:00:00Z.
    var began: String
    /// How long was watched.
    var seconds: Double
    var cluster: String
    var machine: CompareReport.Machine
    var command: String
    /// Nil if no load was made.
    var load: Load?
    /// In the order of the cluster's nodes.
    var backends: [Backend]
    var notes: [String]

    /// The load that was made, and how it fared as its clients saw it.
    struct Load: Codable, Sendable, Equatable {
        var requestsPerSecond: Double
        var keys: Int
        var valueBytes: Int
        var errors: Int
        var firstError: String?
        var reads: CompareReport.Latency
        var writes: CompareReport.Latency
    }

    /// All nodes of one backend.
    struct Backend: Codable, Sendable, Equatable {
        var name: String
        var nodes: [String]
        var durability: String
        /// What their replicas were asked by other nodes, and how long that took those.
        var reads: CompareReport.Latency
        var writes: CompareReport.Latency
        /// Processor time of the nodes' processes meanwhile, in seconds.
        var processorSeconds: Double
        var residentBytes: Int
        var diskBytes: Int
        /// What the engine accounts for itself.
        var engineBytes: Int
        /// Bytes handed to the engine and bytes it wrote, meanwhile.
        var appliedBytes: Int
        var writtenBytes: Int
        /// The nodes' and the engine's counters that changed, and by how much.
        var counters: [CompareReport.Counter]
    }
}

extension LiveReport {
    /// Writes `report.json` and `report.html` into a directory, which is made.
    func write(to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(self).write(to: URL(fileURLWithPath: directory + "/report.json"), options: .atomic)
        try Data(LivePage.render(self).utf8).write(
            to: URL(fileURLWithPath: directory + "/report.html"), options: .atomic)
    }

    /// The main figures, a row for each backend.
    var table: String {
        var rows = [
            [
                "backend", "nodes", "durability", "writes", "p50", "p99", "p99.9", "reads", "p50", "p99", "p99.9",
                "CPU",
                "resident", "on disk",
            ]
        ]
        for backend in backends {
            rows.append([
                backend.name, backend.nodes.joined(separator: " "), backend.durability,
                Figures.count(Double(backend.writes.count)), backend.writes.text(\.p50),
                backend.writes.text(\.p99), backend.writes.text(\.p999),
                Figures.count(Double(backend.reads.count)), backend.reads.text(\.p50),
                backend.reads.text(\.p99), backend.reads.text(\.p999),
                Figures.percent(backend.processorSeconds / max(seconds, 1e-9)),
                Figures.size(Double(backend.residentBytes)), Figures.size(Double(backend.diskBytes)),
            ])
        }
        return TerminalTable.aligned(rows, left: 3)
    }

    /// One paragraph: whose replicas were fastest.
    var verdict: String {
        var sentences: [String] = []
        for (what, latency) in [("write", \Backend.writes), ("read", \Backend.reads)] {
            let asked = backends.filter { $0[keyPath: latency].count > 0 }
                .sorted { $0[keyPath: latency].p50 < $1[keyPath: latency].p50 }
            guard let best = asked.first, let last = asked.last, best.name != last.name else { continue }
            let ratio = Double(last[keyPath: latency].p50) / Double(max(1, best[keyPath: latency].p50))
            sentences.append(
                ratio < 1.1
                    ? "A replica's \(what) took all backends about \(Figures.time(best[keyPath: latency].p50))."
                    : "Half of a replica's \(what)s were answered within \(Figures.time(best[keyPath: latency].p50)) by "
                        + "\(best.name), within \(Figures.time(last[keyPath: latency].p50)) by \(last.name).")
        }
        if let load, load.errors > 0 {
            sentences.append("\(load.errors) requests failed, first: \(load.firstError ?? "").")
        }
        return sentences.joined(separator: " ")
    }
}

extension CompareReport.Latency {
    /// One of its figures; a dash where nothing was measured.
    func text(_ figure: KeyPath<Self, UInt64>) -> String { count == 0 ? "-" : Figures.time(self[keyPath: figure]) }
}
