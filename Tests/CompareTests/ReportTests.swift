import Foundation
import MartletRuntime
import Testing

@testable import MartletLauncher

@Suite struct ReportTests {
    /// A result in which every field is filled, and names that would break a careless page.
    static func report(names: [String] = ["memory", "lmdb", "<b>rocks & \"db\"</b>'"]) -> CompareReport {
        func measurement(_ index: Int, _ workload: Workload, throughput: Double) -> CompareReport.Measurement {
            var histogram = LatencyHistogram()
            for value in HistogramTests.samples(5000, seed: UInt64(index)) { histogram.record(value) }
            let slices = (1...10).map {
                Timeline.Slice(seconds: Double($0) / 10, throughput: throughput, p50: 1000, p99: UInt64(9000 * $0))
            }
            return CompareReport.Measurement(
                backend: names[index], dataSet: "small", workload: workload,
                distribution: workload.usualDistribution, durability: "interval", throughput: throughput,
                targetRate: throughput * 0.7, latency: CompareReport.Latency(histogram), capacityTimeline: slices,
                latencyTimeline: slices, processorMicroseconds: 1.25 * Double(index + 1), residentBytes: 7 << 20,
                diskBytes: index == 0 ? nil : 3 << 20, writeAmplification: index == 0 ? nil : 2.5, driverBusy: 0.5,
                errors: 0, wrong: 0, missing: 0, abandoned: 0, firstError: nil,
                counters: [.init(name: "reads<disk>", change: 12)])
        }
        return CompareReport(
            version: "1.2.3", began: "2026-01-31T12:00:00Z", seconds: 61.5, isFull: false,
            machine: .init(
                processor: "A <processor>", cores: 2, memory: 8 << 30, system: "Linux 6.1", fileSystem: "ext4"),
            commands: ["./martlet compare \"a & b.yaml\""], settings: [.init(name: "Load", value: "16 & 8")],
            backends: names.map {
                .init(
                    name: $0, engine: "Engine 1 <x>", settings: [.init(name: "log", value: "true")],
                    startSeconds: 0.1, recoverySeconds: 0.2, recoveredRecords: 10)
            },
            dataSets: [.init(name: "small", records: 1000, valueBytes: 100, cacheBytes: 1 << 20)],
            measurements: [
                measurement(0, .a, throughput: 300_000), measurement(1, .a, throughput: 150_000),
                measurement(2, .a, throughput: 140_000), measurement(0, .load, throughput: 50_000),
            ],
            durability: [
                .init(
                    backend: names[1], level: "always", writesPerSecond: 9000, p99: 2_000_000, acknowledged: 500,
                    lostAfterKill: 0, acknowledgedBeforeCut: 40, lostAfterPowerCut: 0, recoverySeconds: 0.3,
                    remark: nil)
            ], notes: ["a note with <markup>"])
    }

    @Test func jsonComesBackAsItWas() throws {
        let report = Self.report()
        #expect(try ReportFiles.read(ReportFiles.json(report)) == report)
    }

    @Test func thePageIsWellFormed() throws {
        var page = HTMLReport.render(Self.report())
        #expect(page.hasPrefix("<!DOCTYPE html>"))
        // Apart from the doctype and the void element `meta` the page is XML: a strict parser takes it.
        page.removeFirst("<!DOCTYPE html>".count)
        let xml = page.replacing(#/<meta [^>]*>/#) { "\($0.output.dropLast())/>" }
        #expect(try Self.elements(of: xml) > 300)
    }

    @Test func thePageNeedsNothingFromElsewhere() {
        let page = HTMLReport.render(Self.report()).lowercased()
        for word in ["http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe"] {
            #expect(!page.contains(word), "\(word)")
        }
    }

    @Test func whatComesFromOutsideIsEscaped() {
        let page = HTMLReport.render(Self.report())
        for text in ["<b>rocks", "<markup>", "<processor>", "reads<disk>", "Engine 1 <x>", "a & b.yaml"] {
            #expect(!page.contains(text), "\(text)")
        }
        #expect(page.contains("&lt;b&gt;rocks &amp; &quot;db&quot;&lt;/b&gt;&#39;"))
        #expect(Markup.escape("a\u{0}\u{7}\n") == "a\u{fffd}\u{fffd}\n")
    }

    @Test func thePageKnowsLightAndDarkAndSmallScreens() {
        let page = HTMLReport.render(Self.report())
        #expect(page.contains("prefers-color-scheme:dark"))
        #expect(page.contains("width=device-width"))
    }

    @Test func anEmptyResultIsStillAPage() {
        var report = Self.report()
        report.measurements = []
        report.durability = []
        report.backends = []
        #expect(HTMLReport.render(report).hasSuffix("</html>\n"))
        #expect(TerminalTable.render(report).contains("workload"))
    }

    @Test func theVerdictSaysWhoIsFasterByHowMuch() throws {
        let report = Self.report(names: ["memory", "lmdb", "rocksdb"])
        let group = try #require(report.groups.first { $0.workload == .a })
        let text = Verdict.text(for: group)
        #expect(text.contains("memory is fastest with 300k requests a second: 2x lmdb (150k) and 2.1x rocksdb (140k)."))
        #expect(Verdict.summary(of: report).contains("No write acknowledged under always was lost, on lmdb."))
        var lost = report
        lost.durability[0].lostAfterKill = 3
        #expect(Verdict.summary(of: lost).contains("LOST WRITES"))
        #expect(lost.hasFaults)
        #expect(!report.hasFaults)
    }

    @Test func theTableHasARowForEachWorkload() {
        let lines = TerminalTable.render(Self.report(names: ["memory", "lmdb", "rocksdb"])).split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[1].contains("Workload A · zipfian") && lines[1].contains("300k/s") && lines[1].contains("140k/s"))
        #expect(lines[2].contains("50k/s"))
        #expect(lines[0].count == lines[1].count)
    }

    @Test func figuresHaveThreeDigitsAndAUnit() {
        #expect(
            [0.0, 7, 950, 12_345, 1_054_000, 2.5e9].map(Figures.count) == ["0", "7", "950", "12.3k", "1.05M", "2.5G"])
        #expect(
            [850.0, 12_340, 1_050_000, 2_400_000_000].map { Figures.time($0) } == [
                "850 ns", "12.3 µs", "1.05 ms", "2.4 s",
            ])
        #expect([512.0, 12_595, 67_108_864].map { Figures.size($0) } == ["512 B", "12.3 KiB", "64 MiB"])
        #expect([1.84, 12.04, 3].map(Figures.ratio) == ["1.8x", "12x", "3x"])
    }

    /// The number of elements of an XML text; throws where it is not well formed.
    static func elements(of text: String) throws -> Int {
        var open: [Substring] = []
        var count = 0
        for match in text.matches(
            of: #/<(/?)([a-zA-Z0-9]+)((?:\s+[a-zA-Z-]+[0-9]*="[^"<]*")*)\s*(/?)>|<|&(?!amp;|lt;|gt;|quot;|#39;)/#)
        {
            guard let name = match.output.2, let end = match.output.1, let alone = match.output.4 else {
                throw DriverError("stray \(match.output.0) at \(text[match.range.lowerBound...].prefix(60))")
            }
            if end == "/" {
                guard open.popLast() == name else { throw DriverError("</\(name)> closes nothing") }
            } else {
                count += 1
                if alone != "/" { open.append(name) }
            }
        }
        guard open.isEmpty else { throw DriverError("not closed: \(open)") }
        return count
    }
}
