import MartletRuntime
import MartletSimulator
import Testing

/// Plans of faults, how they are carried out, and how they are made small.
@Suite struct FaultPlanTests {
    static let settings = FaultPlan.Settings(
        rates: [(.crash, 5), (.pause, 10), (.fullDisk, 20), (.bitFlip, 0)], minimum: 12, longest: .seconds(2))

    static func draw(_ seed: UInt64) -> FaultPlan {
        FaultPlan.draw(settings, nodes: 3, span: .seconds(60), random: SeededRandomSource(seed: seed))
    }

    @Test func plansAreDrawnFromTheSeed() {
        var subsets: Set<Set<FaultKind>> = []
        for seed in 0..<200 as Range<UInt64> {
            let plan = Self.draw(seed)
            #expect(plan == Self.draw(seed))
            #expect(plan.faults.count >= 12)
            #expect(plan.faults.allSatisfy { $0.at < .seconds(60) && $0.duration <= .seconds(2) && $0.node < 3 })
            #expect(plan.faults.map(\.at) == plan.faults.map(\.at).sorted())
            subsets.insert(Set(plan.faults.map(\.kind)))
        }
        #expect(subsets.count == 7, "every subset of the kinds with a rate but the empty one")
        #expect(!subsets.contains { $0.contains(.bitFlip) })
    }

    @Test func faultsBeginEndAndAreCounted() {
        let executor = SimulationExecutor(seed: 1)
        let injector = FaultInjector(executor)
        let events = Box<[String]>([])
        injector.register(.crash) { fault in
            events.value.append("begin \(fault.node)")
            return { events.value.append("end \(fault.node)") }
        }
        injector.register(.pause) { _ in nil }
        injector.begin(
            FaultPlan([
                PlannedFault(.crash, at: .seconds(2), duration: .seconds(10), node: 2),
                PlannedFault(.crash, at: .seconds(1), duration: .seconds(3), node: 1),
                PlannedFault(.pause, at: .seconds(1), duration: .seconds(1)),
                PlannedFault(.bitFlip, at: .seconds(1), duration: .seconds(1)),
                PlannedFault(.crash, at: .seconds(20), duration: .seconds(1), node: 3),
            ]))
        executor.run(for: .seconds(6))
        #expect(events.value == ["begin 1", "begin 2", "end 1"])
        injector.heal()
        executor.run(for: .seconds(60))
        #expect(events.value == ["begin 1", "begin 2", "end 1", "end 2"])
        #expect(injector.fired == [.crash: 2], "one that could not be done has not fired")
    }

    /// The faults that matter are found among many that do not.
    @Test func minimiserFindsWhatMatters() {
        let faults = (0..<40).map { PlannedFault(.crash, at: .seconds($0), duration: .seconds(1)) }
        for needed in [[7], [0, 39], [3, 17, 18]] {
            var runs = 0
            let found = FaultMinimiser.minimise(faults, budget: 500) { part in
                runs += 1
                return needed.allSatisfy { part.contains(faults[$0]) }
            }
            #expect(found == needed.map { faults[$0] })
            #expect(runs < 200)
        }
        #expect(FaultMinimiser.minimise(faults) { _ in true }.isEmpty, "it fails without any")
        var runs = 0
        let found = FaultMinimiser.minimise(faults, budget: 3) { part in
            runs += 1
            return part.contains(faults[5])
        }
        #expect(runs == 3 && found.contains(faults[5]), "what is left when the budget is used up still fails")
    }

    /// A real failure is made small: a lie about syncs needs a crash, and little else.
    @Test func aPlantedBugIsMadeSmall() throws {
        var settings = SimulationSettings.oneNode
        settings.plantedBug = .acknowledgedBeforeSync
        settings.durabilities = [.always]
        settings.volatile = 0
        settings.workload.thinkTime = .milliseconds(300)
        settings.faults.rates = [(.crash, 8), (.pause, 8), (.connectionReset, 10)]
        settings.faults.minimum = 8
        let failure = try #require(
            (1...20 as ClosedRange<UInt64>).lazy.map { Simulation.run(settings, seed: $0) }.first {
                !$0.violations.isEmpty
            })
        #expect(!failure.lastEvents.isEmpty)
        let faults = FaultMinimiser.minimise(failure.plan, budget: 12) {
            !Simulation.run(settings, seed: failure.seed, faults: $0).violations.isEmpty
        }
        #expect(faults.count < failure.plan.count)
        #expect(faults.contains { $0.kind == .crash })
    }
}
