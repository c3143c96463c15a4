import MartletCore
import Testing

/// Whole clusters of detectors in virtual time.
@Suite struct FailureDetectorTests {
    static let second = FailureHarness.second

    static func lossy(_ percent: UInt64) -> (UInt32, UInt32, inout Seeded) -> Bool {
        { _, _, random in random.next() % 100 < percent }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func nobodyDiesOfLostMessages(seed: UInt64) {
        var cluster = FailureHarness(5, seed: seed)
        cluster.loses = Self.lossy(5)
        cluster.run(until: 1800 * Self.second)
        #expect(cluster.deaths().isEmpty)
        #expect(cluster.machines.allSatisfy { $0.counters.probes > 4000 })
        // Not for lack of suspicion.
        #expect(cluster.machines.contains { $0.counters.failedProbes > 0 })
        #expect(cluster.machines.contains { $0.counters.refutations > 0 })
    }

    /// A machine that vanished: no link closes.
    static func silentDeath(among count: Int, seed: UInt64) -> (first: UInt64, all: UInt64)? {
        var cluster = FailureHarness(count, seed: seed)
        cluster.run(until: 5 * second)
        let start = cluster.now
        let victim = UInt32(seed % UInt64(count))
        cluster.kill(victim, closesLinks: false)
        cluster.told = []
        var left = count - 1
        var seen = 0
        cluster.run(for: 120 * second) { cluster in
            for told in cluster.told[seen...] where told.action == .changed(victim, .dead) { left -= 1 }
            seen = cluster.told.count
            return left == 0
        }
        let deaths = cluster.deaths()
        guard left == 0, let first = deaths.first, deaths.allSatisfy({ $0.action == .changed(victim, .dead) })
        else { return nil }
        return (first.time - start, cluster.now - start)
    }

    @Test func oneOfFiveThatVanishesIsDeadToAllWithinFiveSeconds() throws {
        for seed in UInt64(1)...40 {
            let times = try #require(Self.silentDeath(among: 5, seed: seed))
            #expect(times.all < 5 * Self.second, "seed \(seed): \(times)")
        }
    }

    @Test(arguments: [16, 64, 256]) func theTimeForAllToKnowGrowsWithTheLogarithm(count: Int) throws {
        let times = try #require(Self.silentDeath(among: count, seed: 3))
        // Of five's five seconds, by the binary logarithm, rounded down.
        let logarithm = UInt64(count.trailingZeroBitCount)
        #expect(times.all < 5 * Self.second * logarithm / 2, "\(times)")
    }

    /// Too long for every run: set MARTLET_THOROUGH.
    @Test(.enabled(if: isThorough)) func theTimeForAThousandToKnow() throws {
        let times = try #require(Self.silentDeath(among: 1000, seed: 3))
        #expect(times.all < 5 * Self.second * 10 / 2, "\(times)")
    }

    @Test func aKilledNodeIsGoneRoundAtOnceAndDeadSoon() throws {
        for seed in UInt64(1)...10 {
            var cluster = FailureHarness(5, seed: seed)
            cluster.run(until: 3 * Self.second)
            cluster.told = []
            let start = cluster.now
            cluster.kill(2, closesLinks: true)
            for node in [0, 1, 3, 4] as [UInt32] {
                #expect(cluster.told.contains { $0.node == node && $0.action == .avoid(2, true) && $0.time == start })
            }
            cluster.run(for: Self.second / 10)
            #expect(cluster.views(of: 2) == [.suspect, .suspect, .suspect, .suspect])
            cluster.run(for: 2 * Self.second)
            #expect(cluster.views(of: 2) == [.dead, .dead, .dead, .dead])
            #expect(cluster.deaths().count == 4)
        }
    }

    @Test func whoReturnsWithOtherDataIsAliveToAllAgain() throws {
        for (seed, closes) in [(1, true), (2, false), (3, true)] as [(UInt64, Bool)] {
            var cluster = FailureHarness(5, seed: seed)
            cluster.run(until: 3 * Self.second)
            cluster.kill(4, closesLinks: closes)
            cluster.kill(3, closesLinks: closes)
            cluster.run(for: 8 * Self.second)
            #expect(cluster.views(of: 4) == [.dead, .dead, .dead])
            cluster.start(4)
            cluster.run(for: Self.second)
            #expect(cluster.views(of: 4) == [.alive, .alive, .alive])
            for node in 0..<3 {
                let member = try #require(cluster.machines[node].member(4))
                #expect(member.incarnation == 2 && member.refutation == 1 && !member.isAvoided)
            }
            // It asked what the others know, rather than finding out by itself.
            #expect(cluster.machines[4].member(3)?.liveness == .dead)
            #expect(cluster.machines[4].member(0)?.liveness == .alive)
        }
    }

    @Test func aQuickRestartIsTellableByItsIncarnationOnly() throws {
        var cluster = FailureHarness(5, seed: 9)
        cluster.run(until: 3 * Self.second)
        cluster.told = []
        cluster.kill(1, closesLinks: false)
        cluster.start(1)
        cluster.run(for: 2 * Self.second)
        #expect(cluster.deaths().isEmpty)
        for node in [0, 2, 3, 4] { #expect(cluster.machines[node].member(1)?.incarnation == 2) }
    }

    @Test func aSlowNodeRefutesInTime() throws {
        var cluster = FailureHarness(5, seed: 4)
        // For a while most of what it sends or gets is late beyond all timeouts, which is as good as lost.
        cluster.loses = { from, to, random in (from == 3 || to == 3) && random.next() % 100 < 60 }
        cluster.run(until: 60 * Self.second)
        #expect(cluster.machines[3].counters.refutations > 3)
        #expect(cluster.machines[3].refutation > 3)
        #expect(cluster.deaths(of: 3).isEmpty)
        cluster.loses = { _, _, _ in false }
        cluster.run(for: 5 * Self.second)
        #expect(cluster.views(of: 3) == [.alive, .alive, .alive, .alive])
        #expect(cluster.machines.allSatisfy { $0.members.allSatisfy { !$0.isAvoided } })
    }

    @Test func aOneWayPartitionBetweenTwoIsGoneRoundByOneAndKillsNobody() throws {
        var cluster = FailureHarness(5, seed: 5)
        cluster.loses = { from, to, _ in from == 1 && to == 0 }
        cluster.run(until: 60 * Self.second)
        #expect(cluster.deaths().isEmpty)
        #expect(cluster.machines[0].member(1)?.isAvoided == true)
        #expect(cluster.machines[0].member(1)?.liveness == .alive)
        for node in [2, 3, 4] { #expect(cluster.machines[node].member(1)?.isAvoided == false) }
        cluster.loses = { _, _, _ in false }
        cluster.run(for: 2 * Self.second)
        #expect(cluster.machines[0].member(1)?.isAvoided == false)
    }

    @Test func aNodeThatIsHeardByNobodyDiesAloneAndBuriesNobodyWhenItReturns() throws {
        for mute in [true, false] {  // it cannot send, or cannot hear
            var cluster = FailureHarness(7, seed: 6)
            cluster.run(until: 2 * Self.second)
            cluster.loses = { from, to, _ in mute ? from == 6 : to == 6 }
            cluster.run(for: 60 * Self.second)
            #expect(cluster.views(of: 6) == Array(repeating: .dead, count: 6))
            #expect(cluster.deaths().allSatisfy { $0.node == 6 || $0.action == .changed(6, .dead) })
            cluster.loses = { _, _, _ in false }
            cluster.told = []
            cluster.run(for: 10 * Self.second)
            #expect(cluster.deaths().isEmpty)
            for node in cluster.nodes {
                #expect(cluster.views(of: node) == Array(repeating: .alive, count: 6), "\(node)")
            }
        }
    }

    @Test func halvesThatMeetAgainAreOneCluster() throws {
        var cluster = FailureHarness(8, seed: 7)
        cluster.run(until: 2 * Self.second)
        for a in UInt32(0)..<4 { for b in UInt32(4)..<8 { cluster.link(a, b, isOpen: false) } }
        cluster.loses = { from, to, _ in (from < 4) != (to < 4) }
        cluster.run(for: 60 * Self.second)
        #expect(cluster.machines[0].members.count { $0.liveness == .dead } == 4)
        cluster.loses = { _, _, _ in false }
        cluster.told = []
        for a in UInt32(0)..<4 { for b in UInt32(4)..<8 { cluster.link(a, b, isOpen: true) } }
        cluster.run(for: 5 * Self.second)
        #expect(cluster.deaths().isEmpty)
        #expect(cluster.machines.allSatisfy { $0.members.allSatisfy { !$0.isAvoided } })
    }

    @Test(arguments: [1, 3, 10, 60] as [UInt64]) func whoStoodStillAccusesNobody(seconds: UInt64) throws {
        for seed in UInt64(1)...10 {
            var cluster = FailureHarness(5, seed: seed)
            cluster.run(until: 3 * Self.second + seed * FailureHarness.millisecond * 37)
            cluster.told = []
            cluster.pause(2, for: seconds * Self.second)
            cluster.run(for: seconds * Self.second + 20 * Self.second)
            #expect(cluster.deaths().allSatisfy { $0.action == .changed(2, .dead) })
            let accusations = cluster.told.filter {
                if case .changed(let peer, .suspect) = $0.action { peer != 2 } else { false }
            }
            #expect(accusations.isEmpty)
            #expect(cluster.machines[2].counters.stalls > 0)
            #expect(cluster.machines.allSatisfy { $0.members.allSatisfy { !$0.isAvoided } })
        }
    }

    /// Bytes that a node sends in a period, by the size of the cluster.
    static func load(_ count: Int, isBusy: Bool) -> (mean: Double, most: Double) {
        var cluster = FailureHarness(count, seed: 8)
        cluster.run(until: 20 * second)
        if isBusy { for node in UInt32(0)..<2 { cluster.kill(node, closesLinks: false) } }
        let before = cluster.bytes
        let periods = 40
        cluster.run(for: cluster.settings.period * UInt64(periods))
        let sent = zip(cluster.bytes, before).dropFirst(2).map { Double($0 - $1) / Double(periods) }
        return (sent.reduce(0, +) / Double(sent.count), sent.max() ?? 0)
    }

    @Test func aNodesLoadDoesNotGrowWithTheCluster() {
        let (small, large) = (Self.load(8, isBusy: false), Self.load(128, isBusy: false))
        #expect(small.mean > 100 && small.mean < 400, "\(small)")
        #expect(large.mean < small.mean * 1.1 && large.most < small.mean * 2, "\(small) \(large)")
        let (busy, busier) = (Self.load(8, isBusy: true), Self.load(128, isBusy: true))
        #expect(busier.mean < busy.mean * 1.5 && busier.most < 3000, "\(busy) \(busier)")
    }

    @Test func theSameSeedDoesTheSame() {
        func trace() -> [String] {
            var cluster = FailureHarness(9, seed: 12)
            cluster.loses = Self.lossy(20)
            cluster.run(until: 20 * Self.second)
            cluster.kill(3, closesLinks: false)
            cluster.run(for: 20 * Self.second)
            return cluster.told.map { "\($0)" } + cluster.bytes.map(String.init)
        }
        #expect(trace() == trace())
    }
}

extension FailureDetectorTests {
    /// Figures, not promises: MARTLET_THOROUGH prints them.
    @Test(.enabled(if: isThorough)) func figures() {
        for count in [3, 5, 16, 64, 256] {
            let times = (1...(count < 10 ? 500 : 10)).compactMap { Self.silentDeath(among: count, seed: $0)?.all }
            let sorted = times.sorted().map { Double($0) / 1e9 }
            print("\(count) nodes: median \(sorted[sorted.count / 2]) s, worst \(sorted.last!) s of \(sorted.count)")
            print("  \(Self.load(count, isBusy: false).mean) bytes per period")
        }
    }
}
