internal import MartletConfiguration
internal import MartletRuntime

/// `martlet check`: reads a cluster file and says what it means or what is wrong.
enum CheckCommand: CommandLineCommand {
    static let name = "check"
    static let usage = "check FILE"
    static let purpose = "Validate a cluster file; list all of its faults."
    static let details = """
        One line a fault: FILE:LINE: setting: 'value': what is allowed. Starts nothing.

        martlet check Configs/one-node-lmdb.yaml
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
        for node in configuration.nodes {
            Terminal.line(
                "\(given.operands[0]): cluster \(configuration.name), node \(node.name) on \(node.address), backend "
                    + "\(node.backend), durability \(node.durability.name): ok")
        }
        return ExitCode.ok
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
