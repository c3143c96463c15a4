import MartletRuntime
import MartletSimulator
import Testing

/// Clusters that are left alone: the very actors, without clients. Larger ones run with
/// `martlet simulate Configs/simulations/idle.yaml`.
@Suite struct IdleTests {
    @Test func nobodyOfFiveIsHeldForDeadInHalfAnHour() {
        var settings = IdleSettings(sizes: [5])
        settings.span = .seconds(1800)
        settings.loss = 5
        let result = IdleSimulation.run(settings, nodes: 5, seed: 1)
        #expect(result.violations.isEmpty && result.falseDeaths == 0, "\(result)")
        #expect(result.allKnew.map { $0 <= .seconds(5) } == true, "\(result)")
    }

    @Test func whatANodeSendsDoesNotGrowWithTheCluster() {
        let results = [5, 20, 60].map { nodes in
            var settings = IdleSettings(sizes: [nodes])
            settings.span = .seconds(30)
            let result = IdleSimulation.run(settings, nodes: nodes, seed: 2)
            #expect(result.violations.isEmpty, "\(result)")
            return result
        }
        // A probe and an answer for each of 3.3 periods a second, those of others, and now and then a digest.
        for result in results { #expect(result.mostPerSecond < 12, "\(result)") }
    }

    @Test func boundsGrowWithTheLogarithm() {
        let settings = IdleSettings(sizes: [5])
        #expect(settings.bound(nodes: 3) == .seconds(5) && settings.bound(nodes: 5) == .seconds(5))
        #expect(settings.bound(nodes: 25) > .seconds(9) && settings.bound(nodes: 1000) < .seconds(23))
    }

    @Test func sameSeedSameTrace() {
        var settings = IdleSettings(sizes: [7])
        (settings.span, settings.loss) = (.seconds(10), 5)
        #expect(IdleSimulation.run(settings, nodes: 7, seed: 3) == IdleSimulation.run(settings, nodes: 7, seed: 3))
    }
}
