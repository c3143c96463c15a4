import MartletRuntime
import MartletSimulator
import Testing

/// Whole simulations of clusters of several nodes under their faults.
@Suite struct SwarmTests {
    /// Shorter than a run from the command line, with fewer requests.
    static let settings = {
        var settings = SimulationSettings.replicated
        settings.faultTime = .seconds(20)
        settings.workload.keys = 30
        settings.workload.thinkTime = .milliseconds(160)
        return settings
    }()

    @Test func seedsHold() {
        for seed in 1...6 as ClosedRange<UInt64> {
            let result = Simulation.run(Self.settings, seed: seed)
            #expect(result.violations.isEmpty, "seed \(seed), \(result.world): \(result.violations.prefix(3))")
            #expect(result.acknowledged > 300 && result.faultsFired >= 5, "seed \(seed) proves nothing")
        }
    }

    @Test func sameSeedSameTrace() {
        for seed in [3, 4] as [UInt64] {
            #expect(
                Simulation.run(Self.settings, seed: seed) == Simulation.run(Self.settings, seed: seed), "seed \(seed)")
        }
    }

    /// Without faults every request is answered and every counter is exact.
    @Test func withoutFaultsAllIsWell() {
        var settings = Self.settings
        settings.faults.rates = []
        settings.loose = 0
        settings.sloppy = 0
        for seed in 1...3 as ClosedRange<UInt64> {
            let result = Simulation.run(settings, seed: seed)
            #expect(result.violations.isEmpty, "seed \(seed): \(result.violations.prefix(3))")
            #expect(result.acknowledged == result.operations)
        }
    }

    @Test(arguments: PlantedBug.ofClusters)
    func plantedBugsAreCaught(_ bug: PlantedBug) {
        let settings = PlantedWorlds.settings(for: bug)
        let caught = PlantedWorlds.seeds(for: bug).first { !PlantedWorlds.fails(settings, bug, seed: $0).isEmpty }
        #expect(caught != nil, "\(bug) was not caught by 20 seeds")
    }

    /// Quorums go on without a minority, and that is seen: some absences last until all know of them and beyond.
    @Test func aMinorityIsNotMissed() {
        var settings = Self.settings
        settings.nodes = [3, 5]
        (settings.loose, settings.volatile, settings.durabilities) = (0, 0, [.always])
        settings.centers = 0
        settings.faults = FaultPlan.Settings(rates: [(.outage, 30)], longest: .seconds(12))
        var known = 0
        for seed in 1...6 as ClosedRange<UInt64> {
            let result = Simulation.run(settings, seed: seed)
            #expect(result.violations.isEmpty, "seed \(seed), \(result.world): \(result.violations.prefix(3))")
            known += result.rarePaths["absence of a minority known to all"] ?? 0
        }
        #expect(known > 3)
    }

    /// The worlds that the bugs are planted in have no others.
    @Test func worldsOfPlantedBugsHoldWithoutThem() {
        for bug in PlantedBug.ofClusters {
            var settings = PlantedWorlds.settings(for: bug)
            settings.plantedBug = nil
            let violations = PlantedWorlds.fails(settings, bug, seed: 1)
            #expect(violations.isEmpty, "\(bug): \(violations.prefix(3))")
        }
    }
}
