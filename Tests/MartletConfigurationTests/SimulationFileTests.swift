import MartletRuntime
import Testing

@testable import MartletConfiguration

/// Simulation files: what they mean, and what is said of bad ones.
@Suite struct SimulationFileTests {
    static let kinds = ["crash", "pause", "full-disk"]

    static func parse(_ text: String) -> Result<SimulationConfiguration, ConfigurationFaults> {
        Result { () throws(ConfigurationFaults) in
            try SimulationConfiguration.parse(Array(text.utf8), file: "f", kinds: kinds)
        }
    }

    @Test func readsAll() throws {
        let text = """
            simulation: s
            nodes: [1, 5]
            loose: 7
            workers: 3
            volatile: 0
            durability: [always, none]
            fault_time: 2m
            liveness_time: 10s
            longest_fault: 500ms
            workload:
              clients: 9
              keys: 5
              think_time: 10ms
              patience: 1s
              mix: {get: 1, set: 2}
            faults: {full-disk: 4, crash: 1}
            """
        let found = try Self.parse(text).get()
        #expect(found.nodes == [1, 5] && found.loose == 7)
        #expect(found.name == "s" && found.workers == 3 && found.volatile == 0)
        #expect(found.durabilities == [.always, .none])
        #expect(found.faultTime == .seconds(120) && found.livenessTime == .seconds(10))
        #expect(found.longestFault == .milliseconds(500))
        #expect(found.clients == 9 && found.keys == 5)
        #expect(found.thinkTime == .milliseconds(10) && found.patience == .seconds(1))
        #expect(found.mix == [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(found.faults.map(\.kind) == ["crash", "full-disk"] && found.faults.map(\.perMinute) == [1, 4])
    }

    @Test func readsHowClustersAreLeftAlone() throws {
        let found = try Self.parse("simulation: s\nnodes: [5, 1000]\nidle: {span: 30m, loss: 5}\n").get()
        #expect(found.nodes == [5, 1000] && found.idle == .init(span: .seconds(1800), loss: 5))
        #expect(try Self.parse("simulation: s\n").get().idle == nil)
        guard case .failure(let faults) = Self.parse("simulation: s\nnodes: 1001\nidle:\n  loss: 60\n") else {
            Issue.record("taken")
            return
        }
        #expect(faults.faults.count == 2, "\(faults)")
    }

    @Test func defaultsAreThoseSaid() throws {
        let found = try Self.parse("simulation: s\n").get()
        #expect(found.workers == 4 && found.volatile == 15 && found.clients == 6 && found.keys == 60)
        #expect(found.faultTime == .seconds(60) && found.mix == SimulationFileSettings.requests.map(\.weight))
        #expect(found.faults.isEmpty)
    }

    @Test(
        arguments: [
            ("nodes: 1\n", ["f:1: simulation: '': missing: a name"]),
            (
                "simulation: s\nnodes: 0\nfault_time: 60\n",
                [
                    "f:2: nodes: '0': a whole number from 1 to 64, or a list of them",
                    "f:3: fault_time: '60': a time from 1000ms to 86400000ms, as in 200ms or 1s",
                ]
            ),
            (
                "simulation: s\ndurability: always\nfaults:\n  crashs: 1\n  pause: -1\n",
                [
                    "f:2: durability: 'always': a list of always, interval, none",
                    "f:4: faults.crashs: 'crashs': not a setting here; did you mean crash?",
                    "f:5: faults.pause: '-1': a whole number from 0 to 1000",
                ]
            ),
            (
                "simulation: s\nworkload:\n  mix: {get: 0}\n  keys: none\n",
                [
                    "f:3: workload.mix: 'a mapping': at least one request with a weight above 0",
                    "f:4: workload.keys: 'none': a whole number from 1 to 100000",
                ]
            ),
        ] as [(String, [String])]) func listsAllFaults(text: String, lines: [String])
    {
        guard case .failure(let faults) = Self.parse(text) else {
            Issue.record("taken: \(text)")
            return
        }
        #expect(faults.faults.map(\.description) == lines)
    }
}
