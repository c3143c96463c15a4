internal import Foundation
internal import Glibc
internal import MartletClient
internal import MartletConfiguration
internal import MartletIO
internal import MartletRuntime

/// `martlet drill`: a failure, on purpose, under load.
enum DrillCommand: CommandLineCommand {
    static let name = "drill"
    static let usage = "drill FILE"
    static let purpose = "Launch a cluster, hurt it under load, and report what clients saw and what was lost."
    static let details = """
        FILE says what cluster, what load and which faults: Configs/drills/ has some. Progress and a table are printed;
        DIR/report.html shows it over time, DIR/report.json has the figures. Every acknowledged write is looked for at the
        end, when all is healed, and all replicas are compared: code 1 if one is lost or differs.

        Partitions need a network namespace (root, or user namespaces), iproute2 and nftables; slow disks and wrong clocks
        a library. Where one is missing the drill is skipped, with the reason and code 77.

        With --at the load runs on a cluster that is running already, on keys martlet:drill:* that are deleted at the
        end; of the steps only pause and resume are done, to nodes that are processes of this machine and this user.

        martlet drill Configs/drills/kill-one.yaml
        martlet drill Configs/drills/partition-halves.yaml --out report
        """
    static let options = [
        CommandLineOption("out", "DIR", "where the report goes, and the nodes' data meanwhile (default: drill-report)"),
        CommandLineOption("at", "HOST:PORT", "drill the running cluster of this node"),
        CommandLineOption("rounds", "NUMBER", "of chaos, instead of the file's"),
        CommandLineOption("seed", "NUMBER", "of chaos, instead of the file's"),
        CommandLineOption("keep", nil, "keep the nodes' data and logs"),
    ]
    static let operands = 1...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        let path = given.operands[0]
        guard let text = ConfigurationFile.contents(path) else { return ExitCode.configuration }
        var drill: DrillConfiguration
        do throws(ConfigurationFaults) {
            drill = try DrillConfiguration.parse(text, file: path, kinds: backends) { ConfigurationFile.contents($0) }
        } catch {
            Terminal.error(error.description)
            return ExitCode.configuration
        }
        for (option, limit) in [("rounds", 1...100_000), ("seed", 0...Int.max)] {
            guard let value = given[option] else { continue }
            guard let number = Int(value), limit.contains(number), drill.chaos != nil else {
                Terminal.error("martlet drill: --\(option) is a whole number, for a drill with chaos")
                return ExitCode.usage
            }
            if option == "rounds" { drill.chaos?.rounds = number } else { drill.chaos?.seed = number }
        }
        let session = DrillSession(
            drill: drill, out: given["out"] ?? "drill-report", keepsData: given.has("keep"),
            command: (["./martlet", "drill"] + given.arguments).joined(separator: " "))
        if let address = given["at"] { return await session.run(at: address) }
        let needs = session.needs
        if needs.network, !DrillSandbox.isEntered { return skip(path, DrillSandbox.enter()) }
        if let missing = needs.missing { return skip(path, missing) }
        return await session.run()
    }

    private static func skip(_ path: String, _ reason: String) -> Int32 {
        Terminal.error("martlet drill: SKIPPED \(path): \(reason)")
        return DrillSandbox.skipped
    }
}
