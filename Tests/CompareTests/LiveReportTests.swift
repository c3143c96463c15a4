import Foundation
import MartletRuntime
import Testing

@testable import MartletClient
@testable import MartletLauncher

/// What `compare --live` makes of what nodes counted.
@Suite struct LiveReportTests {
    private static func map(_ pairs: KeyValuePairs<String, Reply>) -> Reply {
        .map(pairs.map { Reply.Entry(key: .simple($0), value: $1) })
    }

    /// A node that was answered by `peer` so often in so long.
    private static func node(_ peer: String, _ buckets: [(Int64, Int64)], figures: String) -> LiveObservation.Node {
        let numbers = Reply.array(buckets.flatMap { [.integer($0.0), .integer($0.1)] })
        return LiveObservation.Node(
            figures,
            .array([map(["name": .simple(peer), "reads": map(["buckets": numbers]), "writes": map([:])])]))
    }

    @Test func onlyWhatWasAnsweredMeanwhileCounts() {
        var before = LiveObservation()
        var after = LiveObservation()
        before.nodes = ["b": Self.node("a", [(100, 5)], figures: ""), "c": Self.node("a", [(100, 9)], figures: "")]
        // The third node was started again meanwhile: it counts from 0.
        after.nodes = [
            "b": Self.node("a", [(100, 7), (5000, 1)], figures: ""), "c": Self.node("a", [(100, 2)], figures: ""),
        ]
        let histogram = LiveObservation.latency(of: "a", \.reads, from: before, to: after)
        #expect(histogram.count == 5)
        #expect(histogram.percentile(50) == 100)
        #expect(histogram.maximum >= 5000)
        #expect(LiveObservation.latency(of: "b", \.reads, from: before, to: after).count == 0)
    }

    @Test func figuresAreReadFromInformation() {
        let node = Self.node("a", [], figures: "# Memory\r\nused_memory_rss:42\r\nrole:master\r\nused_cpu_user:1.5\r\n")
        #expect(node.figure("used_memory_rss") == 42)
        #expect(node.figure("used_cpu_user") == 1.5)
        #expect(node.figure("role") == 0)
    }

    private static func latency(_ nanoseconds: UInt64) -> CompareReport.Latency {
        var histogram = LatencyHistogram()
        for step in 1...1000 { histogram.record(nanoseconds * UInt64(step) / 500) }
        return CompareReport.Latency(histogram)
    }

    static let report = LiveReport(
        version: "1.2.3", began: "2026-01-31T12:00:00Z", seconds: 10, cluster: "three <&>",
        machine: .init(processor: "A <processor>", cores: 2, memory: 8 << 30, system: "Linux", fileSystem: "ext4"),
        command: "./martlet compare --live --out \"a & b\"",
        load: .init(
            requestsPerSecond: 999, keys: 1000, valueBytes: 100, errors: 1, firstError: "<none>",
            reads: latency(300_000), writes: latency(900_000)),
        backends: [("memory", 100_000), ("rocks<db>", 2_000_000)].map { name, nanoseconds in
            LiveReport.Backend(
                name: name, nodes: ["n1 & n2"], durability: "always", reads: latency(nanoseconds / 2),
                writes: latency(nanoseconds), processorSeconds: 1.5, residentBytes: 1 << 20, diskBytes: 0,
                engineBytes: 5, appliedBytes: 6, writtenBytes: 7, counters: [.init(name: "a<b", change: 3)])
        }, notes: ["a <note>"])

    @Test func thePageIsWellFormedAndEscaped() throws {
        var page = LivePage.render(Self.report)
        #expect(!page.contains("<processor>") && !page.contains("rocks<db>") && !page.contains("<note>"))
        page.removeFirst("<!DOCTYPE html>".count)
        let xml = page.replacing(#/<meta [^>]*>/#) { "\($0.output.dropLast())/>" }
        #expect(try ReportTests.elements(of: xml) > 200)
        for word in ["http://", "https://", "src=", "href=", "url(", "<script"] { #expect(!page.contains(word)) }
    }

    @Test func wordsAndTableSayWhoIsFaster() throws {
        #expect(Self.report.verdict.contains("write") && Self.report.verdict.contains("by memory, within"))
        #expect(Self.report.verdict.contains("1 requests failed, first: <none>."))
        let lines = Self.report.table.split(separator: "\n")
        #expect(lines.count == 3 && lines[1].hasPrefix("memory"))
        let encoder = JSONEncoder()
        #expect(try JSONDecoder().decode(LiveReport.self, from: encoder.encode(Self.report)) == Self.report)
    }
}
