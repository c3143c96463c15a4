internal import Glibc
internal import MartletConfiguration
public import MartletRuntime

/// The command line: what `./martlet VERB ...` does.
///
/// An executable hands it the backends that it was linked with; a third party's may add its own.
public enum Launcher {
    /// Martlet's version.
    public static let version = "0.1.0"

    /// The commands in the order of `--help`.
    static var commands: [any CommandLineCommand.Type] {
        [
            LaunchCommand.self, CheckCommand.self, GetCommand.self, PutCommand.self, DeleteCommand.self,
            ScanCommand.self,
            PingCommand.self, ClusterCommand.self, CompareVerb.self, DrillCommand.self,
            SimulateCommand.self, VersionCommand.self,
        ]
    }

    /// Runs the command that `arguments` (without the program's name) ask for.
    ///
    /// - Returns: the exit code, as ``ExitCode`` says.
    public static func run(arguments: [String], backends: [BackendKind]) async -> Int32 {
        guard let verb = arguments.first else {
            Terminal.error(overview)
            return ExitCode.usage
        }
        let rest = Array(arguments.dropFirst())
        if verb == "--help" || verb == "-h" || verb == "help" {
            guard let topic = rest.first(where: { !$0.hasPrefix("-") }) else {
                Terminal.line(overview)
                return ExitCode.ok
            }
            return await run(arguments: [topic, "--help"], backends: backends)
        }
        guard let command = commands.first(where: { $0.name == verb }) else {
            let hint = Nearest.hint(verb, commands.map { $0.name } + ["help"])
            Terminal.error("martlet: no command '\(verb)'\(hint); see martlet --help")
            return ExitCode.usage
        }
        return await run(command, rest, backends)
    }

    private static func run(
        _ command: any CommandLineCommand.Type, _ arguments: [String], _ backends: [BackendKind]
    ) async -> Int32 {
        do throws(UsageError) {
            guard let given = try GivenOptions.parse(arguments, for: command) else {
                Terminal.line(command.help)
                return ExitCode.ok
            }
            return await command.run(given, backends)
        } catch {
            Terminal.error("martlet \(command.name): \(error.message)\nsee martlet \(command.name) --help")
            return ExitCode.usage
        }
    }

    static var overview: String {
        let width = commands.map { $0.usage.count }.max() ?? 0
        let rows = commands.map { command in
            "  " + command.usage + String(repeating: " ", count: width - command.usage.count + 2) + command.purpose
        }
        return """
            Martlet \(version): an always-on key-value store whose storage engine is a choice you can see the effect of.

            usage: martlet COMMAND [OPTIONS]

            \(rows.joined(separator: "\n"))

            martlet COMMAND --help tells of a command's options. \(ExitCode.summary)
            """
    }
}

/// The process's exit codes.
enum ExitCode {
    static let ok: Int32 = 0
    static let failed: Int32 = 1
    static let usage: Int32 = 2
    static let cannotReach: Int32 = 3
    static let notFound: Int32 = 4
    static let quorumNotMet: Int32 = 5
    static let storageFailed: Int32 = 74
    static let configuration: Int32 = 78

    static let summary = """
        Exit codes: 0 ok, 1 failed, 2 usage, 3 cannot reach the node, 4 not found, 5 quorum or durability not met,
        74 the storage of a node failed, 78 a fault in the configuration.
        """
}

/// What a person reads; lines are out before the process goes on.
enum Terminal {
    static func line(_ text: String) { write(text + "\n", to: 1) }
    static func error(_ text: String) { write(text + "\n", to: 2) }

    static func bytes(_ bytes: [UInt8]) { write(bytes, to: 1) }

    private static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno != EINTR { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
