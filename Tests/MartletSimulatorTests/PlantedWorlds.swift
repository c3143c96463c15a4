import MartletRuntime
import MartletSimulator

/// Worlds in which a planted bug shows soon: few keys, used much, and the faults that it needs.
enum PlantedWorlds {
    static func settings(for bug: PlantedBug) -> SimulationSettings {
        var settings = SimulationSettings.replicated
        settings.plantedBug = bug
        settings.faultTime = .seconds(20)
        settings.nodes = [3]
        settings.workers = 1...1
        settings.loose = 0
        settings.sloppy = 0
        settings.centers = 0
        settings.siblings = 0
        settings.volatile = 0
        settings.workload.clients = 8
        settings.workload.keys = 12
        settings.workload.thinkTime = .milliseconds(40)
        settings.workload.mix = [40, 40, 4, 0, 0, 0, 0, 0, 0, 0]
        settings.faults = FaultPlan.Settings(rates: faults(for: bug), minimum: 10, longest: .seconds(4))
        switch bug {
        case .acknowledgedBeforeSync: settings.durabilities = [.always]
        case .countersReset, .siblingDropped:
            settings.siblings = 1
            settings.workload.mix = [0, 0, 0, 0, 0, 0, 0, 0, 40, 60]
        case .dotsReused:
            settings.siblings = 1
            settings.volatile = 100
            settings.workload.mix = [0, 0, 0, 0, 0, 0, 0, 0, 40, 60]
        case .caughtUpFromOne: settings.volatile = 100
        case .foreignEpochAccepted: settings.nodes = [5, 6, 7]
        case .hintCountedInStrict: settings.nodes = [5, 6]
        case .expiredForgotten: settings.workload.mix = [0, 0, 0, 0, 50, 50, 0, 0, 0, 0]
        case .tokenIgnored: settings.workload.mix = [40, 20, 0, 0, 0, 0, 0, 0, 0, 0, 40]
        case .writeBackSkipped:
            settings.nodes = [5]
            settings.workload.keys = 3
            settings.workload.clients = 12
            settings.workload.thinkTime = .milliseconds(20)
            settings.workload.mix = [70, 30, 0, 0, 0, 0, 0, 0, 0, 0]
        case .bucketSkipped:
            // Few keys are read, or written again, after an owner missed them.
            settings.workload.keys = 300
            settings.workload.mix = [5, 60, 4, 0, 0, 0, 0, 0, 0, 0]
        case .fallbackRepaired: settings.nodes = [5]
        case .collectedByTime, .hintReplayedAfterCollection:
            settings.nodes = [bug == .collectedByTime ? 3 : 5]
            settings.sloppy = bug == .collectedByTime ? 0 : 100
            settings.durabilities = [.always]
            settings.collectionAges = [2_000]
            settings.hintRates = [512]
            settings.faultTime = .seconds(40)
            // Keys that are deleted and then left alone.
            settings.workload.keys = 300
            settings.workload.mix = [20, 20, 60, 0, 0, 0, 0, 0, 0, 0]
        case .acknowledgedOneEarly, .damagedIsAbsent, .refusedIsApplied, .suspectRemoved: break
        }
        return settings
    }

    /// The faults of every seed where they have to come together; nil where each seed may draw its own.
    static func plan(for bug: PlantedBug) -> [PlannedFault]? {
        func fault(_ kind: FaultKind, _ at: Double, _ seconds: Double, _ node: Int) -> PlannedFault {
            PlannedFault(
                kind, at: .milliseconds(Int(at * 1000)), duration: .milliseconds(Int(seconds * 1000)), node: node)
        }
        switch bug {
        case .acknowledgedOneEarly:
            return (0..<3).map { fault(.isolation, 1 + 6.5 * Double($0), 6, $0) }
        case .caughtUpFromOne:
            // One misses what the two others take; one of these loses it, and finds the one that missed it first.
            return [
                fault(.isolation, 1, 8, 2), fault(.isolation, 8.9, 4, 1), fault(.crash, 8.9, 0.05, 0),
            ]
        case .hintReplayedAfterCollection:
            // One misses values that are deleted once it is back, while hints of them are slow to come.
            return (0..<3).map { fault(.isolation, 1 + 13 * Double($0), 9, $0) }
        default: return nil
        }
    }

    /// Those that are tried, from one on that is known to show it soon.
    static func seeds(for bug: PlantedBug) -> ClosedRange<UInt64> {
        switch bug {
        case .writeBackSkipped: 12...31
        case .countersReset, .dotsReused, .damagedIsAbsent: 2...21
        case .acknowledgedOneEarly, .caughtUpFromOne, .expiredForgotten, .hintReplayedAfterCollection: 3...22
        default: 1...20
        }
    }

    /// What a seed breaks.
    static func fails(_ settings: SimulationSettings, _ bug: PlantedBug, seed: UInt64) -> [String] {
        Simulation.run(settings, seed: seed, faults: plan(for: bug)).violations
    }

    private static func faults(for bug: PlantedBug) -> [(kind: FaultKind, perMinute: Int)] {
        let links: [(kind: FaultKind, perMinute: Int)] = [(.isolation, 30), (.oneWay, 30), (.linkBreaks, 20)]
        switch bug {
        case .acknowledgedBeforeSync: return [(.crashAll, 20)]
        case .writeBackSkipped: return [(.linkBreaks, 200)]
        case .acknowledgedOneEarly: return [(.isolation, 30), (.clog, 40)]
        case .countersReset: return links + [(.crash, 40)]
        case .dotsReused: return links + [(.crash, 40)]
        case .caughtUpFromOne: return links + [(.crash, 30)]
        case .siblingDropped: return links
        case .foreignEpochAccepted: return [(.foreignEpoch, 30)]
        case .expiredForgotten, .bucketSkipped, .fallbackRepaired, .collectedByTime: return links
        case .hintReplayedAfterCollection: return [(.isolation, 30), (.partition, 20)]
        case .tokenIgnored: return [(.connectionReset, 60), (.linkBreaks, 20)]
        case .damagedIsAbsent: return links + [(.bitFlip, 200)]
        case .refusedIsApplied: return [(.fullDisk, 20)]
        case .hintCountedInStrict: return [(.partition, 40), (.isolation, 20)]
        case .suspectRemoved: return [(.isolation, 30), (.partition, 20)]
        }
    }
}
