import MartletCore
import MartletRuntime
import Testing

@testable import MartletClient
@testable import MartletConfiguration
@testable import MartletLauncher
@testable import MartletSimulator

/// What a drill makes of what its load and its nodes said.
@Suite struct DrillFigureTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func keysGoRoundThePartitions() {
        let keys = DrillKey.make(130, partitions: 64)
        #expect(keys.count == 130)
        #expect(keys.prefix(64).map(\.partition) == Array(0..<64))
        #expect(keys[64..<128].map(\.partition) == Array(0..<64))
        #expect(Set(keys.map(\.number)).count == 130)
        for key in keys { #expect(withBytes(of: key.wire) { Int(Slot.of($0)) } / 256 == key.partition) }
    }

    @Test func aValueIsKnownOnlyByItsKeyAndWrite() {
        let (key, other) = (DrillKey(number: 7, partition: 0, wire: []), DrillKey(number: 8, partition: 0, wire: []))
        var value = key.value(123, bytes: 50)
        #expect(value.count == 50)
        #expect(withBytes(of: value) { key.write(of: $0, bytes: 50) } == 123)
        #expect(withBytes(of: value) { other.write(of: $0, bytes: 50) } == nil)
        value[30] ^= 1
        #expect(withBytes(of: value) { key.write(of: $0, bytes: 50) } == nil)
        #expect(withBytes(of: Array(value.prefix(20))) { key.write(of: $0, bytes: 50) } == nil)
    }

    /// Two nodes, a write each tenth of a second to the only key; node-1 is killed from second 2 to 5, and a write of
    /// second 4 was acknowledged by nobody.
    private static func evidence(final: UInt64) -> (DrillConfiguration, [DrillRun.Event], DrillRun.Evidence) {
        let text = "drill: d\ncluster: {nodes: 2, n: 2, w: one, r: one, partitions: 16}\nload: {slow: 50ms}\n"
        let kinds = [
            BackendKind(
                name: "memory", summary: "", version: "", needsDirectory: { _ in false }, settings: [],
                open: { _ throws(StorageError) in throw StorageError(.unsupported, "") })
        ]
        guard
            let drill = try? DrillConfiguration.parse(Array(text.utf8), file: "f", kinds: kinds, contents: { _ in nil })
        else { preconditionFailure("the drill is a good one") }
        let key = DrillKey.make(1, partitions: 1)
        var record = DrillRecord(keys: key, start: second, end: 11 * second)
        for tenth in 0..<100 {
            let at = second + UInt64(tenth) * second / 10
            let isLost = (40..<50).contains(tenth)
            record.operations.append(
                DrillOperation(
                    kind: .write, outcome: isLost ? .unknown : .ok, key: 0, node: 1, connection: Int32(tenth),
                    session: 1,
                    value: UInt64(tenth + 1), due: at, invoked: at, returned: at + (isLost ? second : second / 100)))
        }
        let ring = ClusterRing(
            .map([
                .init(key: .simple("partitions"), value: .integer(1)),
                .init(
                    key: .simple("ranges"),
                    value: .array([
                        .array([.integer(0), .integer(16383), .simple("node-1"), .simple("node-2")])
                    ])),
            ]))
        let events: [DrillRun.Event] = [
            .init(at: 3 * second, action: .kill(["node-1"])), .init(at: 6 * second, action: .restart(["node-1"])),
        ]
        let samples = (0..<20).map { half in
            let at = second + UInt64(half) * second / 2
            let isSeen = at >= 3 * second + second / 2 && at < 6 * second
            return DrillSample(at: at, node: 1, view: .init(inNeed: 0, doubted: isSeen ? ["node-1"] : [], hints: half))
        }
        let found = DrillRun.Evidence(
            record: record, ring: ring, samples: samples, before: [:], after: ["node-2": ["hints_sent": 3]],
            wellAfter: 1, equalAfter: 2, divergent: 0, finals: [key[0].inHistory: .content(.value(final))])
        return (drill, events, found)
    }

    private static func run(final: UInt64) -> DrillReport.Run {
        let (drill, events, found) = evidence(final: final)
        let members = ["node-1", "node-2"].map {
            DrillCluster.Member(name: $0, address: SocketAddress(host: "127.0.0.1", port: 1))
        }
        return DrillJudge(drill, drill.variants.first, members, events, found).run(named: "two")
    }

    @Test func figuresAreThoseOfTheHistory() throws {
        let run = Self.run(final: 100)
        #expect(run.requests == 100 && run.answered == 90 && run.unknown == 10 && run.failed == 10)
        #expect(run.slowed == 0 && run.lost == 0 && run.violations == [])
        #expect(run.acknowledgedWrites == 90 && run.mostHints == 19)
        #expect(run.counters == [.init(name: "hints_sent", change: 3)])
        let gap = try #require(run.gaps.first)
        #expect(gap.partitions == 1)
        #expect(abs(gap.worst - 1.01) < 0.001 && abs(gap.usual - 0.01) < 0.001)
        #expect(run.detections == [.init(event: "kill -9 node-1", first: 0.5, all: 0.5)])
        #expect(run.phases.map(\.requests) == [20, 30, 50] && run.phases.map(\.failed) == [0, 10, 0])
        #expect(run.recoveries.map(\.event) == ["start node-1 again"])
        #expect(run.isGood)
    }

    @Test func aLostWriteIsFound() {
        #expect(Self.run(final: 10).lost == 1)
        #expect(!Self.run(final: 10).isGood)
        #expect(Self.run(final: 50).lost == 0)  // nobody knows when it was done, if it was
    }

    @Test func thePageShowsAllRunsAndNothingFromElsewhere() {
        var bad = Self.run(final: 100)
        bad.name = "<b>bad</b>"
        bad.lost = 2
        bad.violations = ["I1 & co"]
        let report = DrillReport(
            version: "1", began: "now",
            machine: .init(processor: "p", cores: 2, memory: 1, system: "s", fileSystem: "f"), drill: "d",
            shows: "much",
            command: "./martlet drill", load: [], slow: 1, runs: [Self.run(final: 100), bad], notes: ["a note"])
        let page = DrillPage.render(report)
        #expect(page.contains("&lt;b&gt;bad&lt;/b&gt;") && !page.contains("<b>bad"))
        #expect(page.contains("ACKNOWLEDGED WRITES WERE LOST: of 2 keys.") && page.contains("I1 &amp; co"))
        #expect(page.contains("a note") && page.contains("prefers-color-scheme:dark"))
        #expect(!page.contains("<script") && !page.contains("http"))
        #expect(DrillTable.render(report).contains("kill -9 node-1"))
    }

    @Test func chaosIsDrawnFromItsSeed() {
        let chaos = DrillConfiguration.Chaos(
            rounds: 18, seed: 4, kinds: DrillSettings.chaosKinds, fault: .seconds(2), calm: .zero)
        var plans = (0..<2).map { _ in ChaosPlan(chaos, nodes: ["a", "b", "c"]) }
        var kinds: [String] = []
        for _ in 0..<18 {
            let (kind, steps) = plans[0].next()
            #expect(steps == plans[1].next().steps)
            #expect(steps.first?.action.isFault == true && steps.last?.action.isFault == false)
            kinds.append(kind)
        }
        #expect(Set(kinds.prefix(9)) == Set(DrillSettings.chaosKinds) && Set(kinds.suffix(9)).count == 9)
    }
}
