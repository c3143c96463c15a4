internal import MartletConfiguration
internal import MartletIO
internal import MartletNode
internal import MartletRuntime

/// `martlet version`: Martlet's version and those of the libraries it runs with.
enum VersionCommand: CommandLineCommand {
    static let name = "version"
    static let usage = "version"
    static let purpose = "Print the versions of Martlet and its libraries."
    static let details = "The backends named are those this executable was built with."
    static let options: [CommandLineOption] = []
    static let operands = 0...0

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        Terminal.line("martlet \(Launcher.version)")
        let libraries = [IOLibraries.versions, NodeLibraries.versions, ConfigurationLibraries.versions].flatMap { $0 }
        for library in libraries { Terminal.line(library) }
        for backend in backends { Terminal.line("backend \(backend.name): \(backend.version)") }
        return ExitCode.ok
    }
}

/// `martlet compare`, whose options are its own.
enum CompareVerb: CommandLineCommand {
    static let name = "compare"
    static let usage = "compare [FILE]"
    static let purpose = "Run the same work on every backend and write a report."
    static let details = "martlet compare --out report"
    static let options = [
        CommandLineOption("out", "DIR", "where report.html and report.json go (default: compare-report)"),
        CommandLineOption("full", nil, "larger data sets, longer measurements"),
    ]
    static let operands = 0...1

    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32 {
        CompareCommand.run(arguments: given.arguments, kinds: backends, version: Launcher.version)
    }
}
