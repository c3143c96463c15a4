internal import Foundation
internal import MartletIO
internal import MartletRuntime
internal import MartletSimulator

/// A run of many seeds over child processes, so that a seed that traps ends only its own, and memory of crashed nodes,
/// whose tasks can never end, is given back.
struct SimulateSession {
    let settings: SimulationSettings
    let path: String
    let jobs: Int
    private var summary = SimulationSummary()
    private var hashes: [UInt64: UInt64] = [:]
    private var replayed = 0
    private var mismatches: [UInt64] = []
    private var trapped: [(seed: UInt64, end: String)] = []

    /// Seeds that one process runs.
    private static let share = 25

    init(settings: SimulationSettings, path: String, jobs: Int) {
        self.settings = settings
        self.path = path
        self.jobs = max(1, jobs)
    }

    mutating func run(_ seeds: [UInt64], replays: Int) -> Int32 {
        let clock = SystemClock()
        let begin = clock.monotonic
        Terminal.line("simulating \(seeds.count) seeds from \(seeds.first ?? 0) of \(path), \(jobs) at a time")
        pool(seeds) { $0.take($1) }
        let seconds = Double(clock.monotonic.since(begin).inNanoseconds) / 1e9
        pool(Array(seeds.prefix(max(0, replays)))) { $0.compare($1) }
        report(seconds: seconds, only: seeds.count == 1 ? seeds[0] : nil)
        let isVacuous = seeds.count > 1 && !summary.vacuity(of: settings.faults).isEmpty
        let hasFailed = !summary.failures.isEmpty || !trapped.isEmpty || !mismatches.isEmpty || isVacuous
        return hasFailed ? ExitCode.failed : ExitCode.ok
    }

    private mutating func take(_ result: SimulationResult) {
        summary.add(result)
        hashes[result.seed] = result.traceHash
        if !result.violations.isEmpty { Terminal.line("seed \(result.seed) failed: \(result.violations[0])") }
        if summary.results % 200 == 0 { Terminal.line("\(summary.results) seeds, \(summary.failures.count) failed") }
    }

    private mutating func compare(_ result: SimulationResult) {
        replayed += 1
        if let hash = hashes[result.seed], hash != result.traceHash { mismatches.append(result.seed) }
    }

    // MARK: Processes

    /// Runs the seeds, `jobs` processes at a time; results are heard in the order they come.
    private mutating func pool(_ seeds: [UInt64], _ hear: (inout Self, SimulationResult) -> Void) {
        let size = max(1, min(Self.share, (seeds.count + jobs - 1) / jobs))
        var shares = stride(from: 0, to: seeds.count, by: size).map { seeds[$0..<min($0 + size, seeds.count)] }
        var children: [SimulateChild] = []
        while !shares.isEmpty || !children.isEmpty {
            while children.count < jobs, !shares.isEmpty {
                let share = shares.removeFirst()
                guard let child = SimulateChild(path: path, first: share[share.startIndex], count: share.count) else {
                    trapped.append((share[share.startIndex], "its process could not be started"))
                    continue
                }
                children.append(child)
            }
            SimulateChild.awaitInput(of: children)
            for child in children {
                for line in child.readLines() {
                    guard let result = try? JSONDecoder().decode(SimulationResult.self, from: Data(line.utf8)) else {
                        continue
                    }
                    child.note(result.seed)
                    hear(&self, result)
                }
            }
            for child in children where child.hasEnded {
                guard let seed = child.unfinished else { continue }
                trapped.append((seed, child.end))
                let left = child.rest(after: seed)
                if !left.isEmpty { shares.append(left) }
            }
            children.removeAll(where: \.hasEnded)
        }
    }

    // MARK: The report

    private func report(seconds: Double, only seed: UInt64?) {
        for failure in summary.failures.prefix(5) { report(failure) }
        for (seed, end) in trapped {
            Terminal.line("\nseed \(seed) FAILED: I12 no trap: \(end)\n  replay: \(replay(seed))")
        }
        for seed in mismatches {
            Terminal.line("\nseed \(seed) FAILED: it did something else in another process\n  replay: \(replay(seed))")
        }
        Terminal.line("")
        table("faults that fired", settings.faults.rates.map { ($0.kind.name, summary.fired[$0.kind.name] ?? 0) })
        table("rare paths taken", summary.rarePaths.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        if seed == nil { for reason in summary.vacuity(of: settings.faults) { Terminal.line("FAILED: \(reason)") } }
        for (seed, reason) in summary.vacuous.prefix(5) { Terminal.line("seed \(seed) proves nothing: \(reason)") }
        if let seed, let hash = hashes[seed] { Terminal.line("trace \(String(hash, radix: 16))") }
        let failed = summary.failures.count + trapped.count + mismatches.count
        let speed = summary.simulatedSeconds / max(seconds, 0.001)
        Terminal.line(
            "\(summary.results) seeds, \(summary.counted) count, \(failed) failed, \(replayed) replayed alike but for "
                + "\(mismatches.count); \(summary.operations) operations, \(summary.acknowledged) ok; "
                + "\(Int(summary.simulatedSeconds)) simulated seconds in \(Int(seconds.rounded())) s, "
                + "\(Int(speed)) a second")
    }

    private func table(_ title: String, _ rows: [(name: String, count: Int)]) {
        Terminal.line(title)
        let width = rows.map(\.name.count).max() ?? 0
        for row in rows {
            Terminal.line("  \(row.name)\(String(repeating: " ", count: width - row.name.count + 2))\(row.count)")
        }
    }

    private func replay(_ seed: UInt64) -> String { "./martlet simulate \(path) --seed \(seed)" }

    /// A failed seed: what broke, how to see it again, and the fewest faults found that still make it fail.
    private func report(_ failure: SimulationResult) {
        Terminal.line("\nseed \(failure.seed) FAILED: \(failure.world)")
        for violation in failure.violations.prefix(10) { Terminal.line("  \(violation)") }
        if failure.violations.count > 10 { Terminal.line("  and \(failure.violations.count - 10) more") }
        Terminal.line("  replay: \(replay(failure.seed))")
        let faults = FaultMinimiser.minimise(failure.plan, budget: 60) { faults in
            !Simulation.run(settings, seed: failure.seed, faults: faults).violations.isEmpty
        }
        Terminal.line("  faults that are enough (\(faults.count) of \(failure.plan.count)):")
        for fault in faults { Terminal.line("    \(fault)") }
        Terminal.line("  last events:")
        for event in failure.lastEvents { Terminal.line("    \(event)") }
    }
}
