internal import MartletConfiguration
internal import MartletRuntime

/// A command of the launcher: a row of the overview, a help text, and what it does.
protocol CommandLineCommand {
    static var name: String { get }
    /// The command with its arguments: `launch [FILE]`.
    static var usage: String { get }
    /// One line.
    static var purpose: String { get }
    /// Longer text, with examples.
    static var details: String { get }
    static var options: [CommandLineOption] { get }
    /// How many arguments that are no options it takes.
    static var operands: ClosedRange<Int> { get }
    static func run(_ given: GivenOptions, _ backends: [BackendKind]) async -> Int32
}

extension CommandLineCommand {
    /// What `--help` says.
    static var help: String {
        var lines = ["usage: martlet \(usage)" + (options.isEmpty ? "" : " [OPTIONS]"), "", purpose, "", details]
        if !options.isEmpty {
            lines += ["", "options:"]
            let width = options.map { $0.form.count }.max() ?? 0
            for option in options {
                lines.append(
                    "  " + option.form + String(repeating: " ", count: width - option.form.count + 2) + option.help)
            }
        }
        lines += ["", ExitCode.summary]
        return lines.joined(separator: "\n")
    }
}

/// An option of a command, declared once.
struct CommandLineOption {
    /// Without the dashes.
    var name: String
    /// What its value is called; nil for a switch.
    var value: String?
    var help: String

    init(_ name: String, _ value: String? = nil, _ help: String) {
        self.name = name
        self.value = value
        self.help = help
    }

    var form: String { "--\(name)" + (value.map { " \($0)" } ?? "") }
}

/// Why a command line was not understood.
struct UsageError: Error {
    var message: String
}

/// The options and operands of a command line, checked against what the command takes.
struct GivenOptions {
    private(set) var operands: [String] = []
    private var values: [String: String] = [:]
    /// The arguments as they came.
    private(set) var arguments: [String] = []

    subscript(name: String) -> String? { values[name] }
    func has(_ name: String) -> Bool { values[name] != nil }

    /// Nil if help was asked for. `--flag VALUE` and `--flag=VALUE`; `--` ends the options.
    static func parse(_ arguments: [String], for command: any CommandLineCommand.Type) throws(UsageError)
        -> GivenOptions?
    {
        var given = GivenOptions()
        given.arguments = arguments
        var rest = arguments[...]
        var takesOptions = true
        while let argument = rest.popFirst() {
            guard takesOptions, argument.hasPrefix("-"), argument.count > 1 else {
                given.operands.append(argument)
                continue
            }
            if argument == "--" {
                takesOptions = false
                continue
            }
            if argument == "--help" || argument == "-h" { return nil }
            let parts = argument.drop { $0 == "-" }.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let option = command.options.first(where: { $0.name == name }) else {
                let hint = Nearest.hint(name, command.options.map(\.name), prefix: "--")
                throw UsageError(message: "no option \(argument)\(hint)")
            }
            if option.value == nil {
                guard parts.count == 1 else { throw UsageError(message: "--\(name) takes no value") }
                given.values[name] = ""
            } else if parts.count == 2 {
                given.values[name] = String(parts[1])
            } else if let value = rest.popFirst() {
                given.values[name] = value
            } else {
                throw UsageError(message: "--\(name) needs \(option.value ?? "a value")")
            }
        }
        guard command.operands.contains(given.operands.count) else {
            throw UsageError(message: "usage: martlet \(command.usage)")
        }
        return given
    }
}

extension Nearest {
    /// `; did you mean X?`, or nothing.
    static func hint(_ word: String, _ candidates: [String], prefix: String = "") -> String {
        name(to: word, among: candidates).map { "; did you mean \(prefix)\($0)?" } ?? ""
    }
}
