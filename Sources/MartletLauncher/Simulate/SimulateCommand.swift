internal import Foundation
internal import MartletConfiguration
internal import MartletIO
internal import MartletRuntime
internal import MartletSimulator

/// `martlet simulate [FILE] [--seed S] [--count N]`: whole clusters in virtual time, under faults, judged.
enum SimulateCommand: CommandLineCommand {
    static let name = "simulate"
    static let usage = "simulate [FILE]"
    static let purpose = "Run seeds of a simulation: the very node in virtual time, under faults, with checkers."
    static let details = """
        Each seed draws a world, a workload and a plan of faults from FILE (Configs/simulations/one-node.yaml without
        one), runs it, and judges what clients saw. A seed that fails is printed with the command that replays it, its
        last events, and the fewest faults found that make it fail.

        martlet simulate
        martlet simulate Configs/simulations/replicated.yaml --count 2000
        martlet simulate --seed 42
        """
    static let options = [
        CommandLineOption("seed", "S", "the first seed (default: a random one, which is printed)"),
        CommandLineOption("count", "N", "how many seeds (default: 1 with --seed, else 20)"),
        CommandLineOption("jobs", "N", "processes that run seeds (default: one for each core)"),
        CommandLineOption(
            "replay", "N", "seeds run once more in another process, for an equal trace (default: a tenth)"),
        CommandLineOption("json", nil, "one JSON object a line for each seed, run in this process, no table"),
    ]
    static let operands = 0...1
    static let usualFile = "Configs/simulations/one-node.yaml"

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let path = given.operands.first ?? usualFile
        var numbers: [String: UInt64] = [:]
        for option in ["seed", "count", "jobs", "replay"] {
            guard let text = given[option] else { continue }
            guard let number = UInt64(text), option == "seed" || number < 1 << 40 else {
                Terminal.error("martlet simulate: --\(option) takes a whole number, not '\(text)'")
                return ExitCode.usage
            }
            numbers[option] = number
        }
        guard let settings = read(path) else { return ExitCode.configuration }
        let count = numbers["count"] ?? (numbers["seed"] == nil ? 20 : 1)
        let first = numbers["seed"] ?? SystemRandomSource().next() % 1_000_000_000
        let seeds = (0..<count).map { first &+ $0 }
        if let idle = settings.idle { return IdleReport.run(idle, seeds) }
        if given.has("json") { return runHere(settings, seeds) }
        var session = SimulateSession(
            settings: settings, path: path, jobs: Int(numbers["jobs"] ?? UInt64(ProcessInfo.processInfo.processorCount))
        )
        return session.run(seeds, replays: Int(numbers["replay"] ?? count / 10))
    }

    /// What a file asks for; nil if it has faults, which have been printed, one a line.
    static func read(_ path: String) -> SimulationSettings? {
        guard let text = FileManager.default.contents(atPath: path) else {
            Terminal.error("\(path): cannot be read")
            return nil
        }
        do throws(ConfigurationFaults) {
            let kinds = SimulationSettings.allKinds.map(\.name)
            return SimulationSettings(try SimulationConfiguration.parse(Array(text), file: path, kinds: kinds))
        } catch {
            Terminal.error(error.description)
            return nil
        }
    }

    /// Runs the seeds in this process; a line for each when it begins, and its result when it ends.
    private static func runHere(_ settings: SimulationSettings, _ seeds: [UInt64]) -> Int32 {
        var hasFailed = false
        for seed in seeds {
            Terminal.line("{\"begins\":\(seed)}")
            let result = Simulation.run(settings, seed: seed)
            hasFailed = hasFailed || !result.violations.isEmpty
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            if let line = try? encoder.encode(result) { Terminal.line(String(decoding: line, as: UTF8.self)) }
        }
        return hasFailed ? ExitCode.failed : ExitCode.ok
    }
}

extension SimulationSettings {
    /// What a file asks for.
    init(_ configuration: SimulationConfiguration) {
        self.init(
            name: configuration.name,
            faults: FaultPlan.Settings(
                rates: configuration.faults.map { (FaultKind($0.kind), $0.perMinute) },
                longest: configuration.longestFault))
        faultTime = configuration.faultTime
        livenessTime = configuration.livenessTime
        nodes = configuration.nodes
        if let asked = configuration.idle {
            var idle = IdleSettings(sizes: configuration.nodes)
            (idle.span, idle.loss) = (asked.span, asked.loss)
            self.idle = idle
        }
        loose = configuration.loose
        sloppy = configuration.sloppy
        centers = configuration.centers
        workers = 1...configuration.workers
        durabilities = configuration.durabilities
        volatile = configuration.volatile
        workload.clients = configuration.clients
        workload.keys = configuration.keys
        workload.thinkTime = configuration.thinkTime
        workload.patience = configuration.patience
        workload.mix = configuration.mix
    }
}
