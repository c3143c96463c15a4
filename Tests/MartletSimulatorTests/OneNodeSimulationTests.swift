import MartletSimulator
import Testing

/// Whole simulations of one node alone under its faults.
@Suite struct OneNodeSimulationTests {
    /// With fewer requests than a run from the command line makes.
    static let settings = {
        var settings = SimulationSettings.oneNode
        settings.workload.thinkTime = .milliseconds(160)
        return settings
    }()

    @Test func seedsHold() {
        var summary = SimulationSummary()
        for seed in 1...24 as ClosedRange<UInt64> {
            let result = Simulation.run(Self.settings, seed: seed)
            #expect(result.violations.isEmpty, "seed \(seed), \(result.world): \(result.violations.prefix(3))")
            summary.add(result)
        }
        #expect(summary.vacuity(of: SimulationSettings.oneNodeFaults) == [])
        #expect(summary.counted >= 22)
        #expect(summary.rarePaths["killed before a sync"] ?? 0 > 0 && summary.rarePaths["killed after a sync"] ?? 0 > 0)
        #expect(summary.rarePaths["unsynced batch lost at a crash"] ?? 0 > 0)
    }

    @Test func sameSeedSameTrace() {
        for seed in [3, 4, 9] as [UInt64] {
            #expect(
                Simulation.run(Self.settings, seed: seed) == Simulation.run(Self.settings, seed: seed), "seed \(seed)")
        }
    }

    /// Processes hash the standard library's collections by different keys; the trace must not show it.
    @Test func processesAgree() async throws {
        let here = [5, 6].map { Simulation.run(Self.settings, seed: $0).traceHash }
        let child = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            print("traces=\([5, 6].map { Simulation.run(OneNodeSimulationTests.settings, seed: $0).traceHash })=")
        }
        let text = String(decoding: try #require(child).standardOutputContent, as: UTF8.self)
        #expect(text.split(separator: "=").dropFirst().first.map(String.init) == "\(here)")
    }

    /// Without faults every request is answered and every counter is exact.
    @Test func withoutFaultsAllIsWell() {
        var settings = Self.settings
        settings.faults.rates = []
        for seed in 1...5 as ClosedRange<UInt64> {
            let result = Simulation.run(settings, seed: seed)
            #expect(result.violations.isEmpty, "seed \(seed): \(result.violations.prefix(3))")
            #expect(result.acknowledged == result.operations)
            #expect(result.vacuity == "only 0 faults fired")
        }
    }

    @Test(arguments: PlantedBug.ofOneNode) func plantedBugsAreCaught(_ bug: PlantedBug) {
        var settings = Self.settings
        settings.plantedBug = bug
        let caught = (1...60 as ClosedRange<UInt64>).first { !Simulation.run(settings, seed: $0).violations.isEmpty }
        #expect(caught != nil, "\(bug) was not caught by 60 seeds")
    }
}
