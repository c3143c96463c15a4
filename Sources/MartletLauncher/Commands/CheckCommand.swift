internal import MartletConfiguration
internal import MartletCore
internal import MartletRuntime

/// `martlet check`: reads a cluster file and says what it means or what is wrong.
enum CheckCommand: CommandLineCommand {
    static let name = "check"
    static let usage = "check FILE"
    static let purpose = "Validate a cluster file: list all of its faults, or explain it."
    static let details = """
        One line a fault: FILE:LINE: setting: 'value': what is allowed. Of a valid file: each node's share of the
        partitions, and what may fail while each keyspace's reads and writes go on. Starts nothing.

        martlet check Configs/five-nodes-two-racks.yaml
        martlet check --explain Configs/one-node.yaml
        """
    static let options = [
        CommandLineOption("explain", nil, "print every setting with what it takes, its default and its meaning")
    ]
    static let operands = 1...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        if given.has("explain") { Terminal.line(explanation(backends)) }
        guard let configuration = ConfigurationFile.read(given.operands[0], backends) else {
            return ExitCode.configuration
        }
        do throws(PlacementError) {
            Terminal.line("\(given.operands[0]): ok")
            for line in try ClusterExplanation(configuration).lines { Terminal.line(line) }
            return ExitCode.ok
        } catch {
            Terminal.error("\(given.operands[0]): \(error.message)")
            return ExitCode.configuration
        }
    }

    /// Every setting, as Docs/configuration.md has them.
    static func explanation(_ backends: [BackendKind]) -> String {
        var lines: [String] = []
        func section(_ title: String, _ settings: [Setting]) {
            lines += [title, ""]
            for setting in settings {
                let usual = setting.defaultText.isEmpty ? "has to be given" : "default \(setting.defaultText)"
                lines.append("- `\(setting.name)`: \(setting.help) Takes \(setting.allowed); \(usual).")
            }
            lines.append("")
        }
        section("### The file", Settings.cluster)
        section("### A keyspace", Settings.keyspace)
        section("### A node", Settings.node)
        for backend in backends {
            section("### storage: backend: \(backend.name)", backend.settings.map(Setting.init))
        }
        return lines.joined(separator: "\n")
    }
}
