internal import MartletRuntime

/// `martlet compare`: on nodes of its own, or live on a running cluster.
enum CompareVerb: CommandLineCommand {
    static let name = "compare"
    static let usage = "compare [FILE]"
    static let purpose = "Run the same work on every backend, or watch a running cluster, and write a report."
    static let details = """
        Without --live: workloads on a fresh node of each backend, one after the other.

        With --live: a running cluster's replicas of the same keys, which may lie on different backends: how long each
        backend's replicas take to answer the other nodes, as these measure it, with space and counters, while a small
        load runs on all nodes (1000 keys that are deleted afterwards).

        martlet compare --out report
        martlet compare --live --at 127.0.0.1:7001
        martlet compare --live --no-load --seconds 60
        """
    static let options = [
        CommandLineOption("out", "DIR", "where report.html and report.json go (default: compare-report)"),
        CommandLineOption("full", nil, "larger data sets, longer measurements"),
        CommandLineOption("live", nil, "watch the running cluster of the node at --at"),
        NodeCall.at,
        CommandLineOption("seconds", "NUMBER", "with --live: how long to watch (default: 10)"),
        CommandLineOption("rate", "NUMBER", "with --live: requests a second over all nodes (default: 1000)"),
        CommandLineOption("no-load", nil, "with --live: watch only what others do"),
    ]
    static let operands = 0...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let ofLive = ["at", "seconds", "rate", "no-load"].filter { given.has($0) }
        guard given.has("live") else {
            if let option = ofLive.first {
                Terminal.error("martlet compare: --\(option) goes with --live")
                return ExitCode.usage
            }
            return CompareCommand.run(arguments: given.arguments, kinds: backends, version: Launcher.version)
        }
        guard given.operands.isEmpty, !given.has("full") else {
            Terminal.error("martlet compare: --live takes no FILE and no --full")
            return ExitCode.usage
        }
        guard let seconds = Double(given["seconds"] ?? "10"), seconds >= 0.1, seconds <= 86400,
            let rate = Double(given["rate"] ?? "1000"), rate >= 1, rate <= 1_000_000
        else {
            Terminal.error("martlet compare: --seconds is a number from 0.1 to 86400, --rate one from 1 to 1000000")
            return ExitCode.usage
        }
        let comparison = LiveComparison(
            address: given["at"] ?? "127.0.0.1:7001", out: given["out"] ?? "compare-report", seconds: seconds,
            requestsPerSecond: given.has("no-load") ? nil : rate,
            command: (["./martlet", "compare"] + given.arguments).joined(separator: " "))
        return await comparison.run()
    }
}
