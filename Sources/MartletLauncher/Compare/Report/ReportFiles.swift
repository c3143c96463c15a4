internal import Foundation

/// The report's files.
enum ReportFiles {
    /// Writes `report.json` and `report.html` into a directory that exists.
    static func write(_ report: CompareReport, to directory: String) throws {
        try json(report).write(to: URL(fileURLWithPath: directory + "/report.json"), options: .atomic)
        try Data(HTMLReport.render(report).utf8).write(
            to: URL(fileURLWithPath: directory + "/report.html"), options: .atomic)
    }

    static func json(_ report: CompareReport) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(report)
    }

    static func read(_ data: Data) throws -> CompareReport { try JSONDecoder().decode(CompareReport.self, from: data) }

    /// A moment as 2026-01-31T12:00:00Z.
    static func day(microseconds: Int64) -> String {
        ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: Double(microseconds) / 1e6))
    }
}

extension CompareReport {
    /// Whether a reply was wrong or a write that was promised to last was lost.
    var hasFaults: Bool {
        measurements.contains { $0.errors + $0.wrong + $0.missing > 0 }
            || durability.contains { $0.level == "always" && ($0.lostAfterKill ?? 0) + ($0.lostAfterPowerCut ?? 0) > 0 }
    }
}
