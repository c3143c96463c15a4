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
