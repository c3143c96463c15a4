internal import Foundation
internal import Glibc
internal import MartletConfiguration
internal import MartletIO
public import MartletRuntime

/// `martlet compare [FILE] [--out DIR] [--full]`: the same work on every backend, side by side.
public enum CompareCommand {
    /// What `--help` says.
    public static let help = """
        usage: martlet compare [FILE] [--out DIR] [--full]

        Runs the same workloads on every backend that FILE names, each on a fresh node, and writes
        DIR/report.html, DIR/report.json and a table. Without FILE: every backend built in.

          --out DIR   where the reports go, and the nodes' data while it runs (default: compare-report)
          --full      larger data sets, longer measurements: about an hour instead of two minutes
        """

    /// Runs the command.
    ///
    /// - Parameters:
    ///   - arguments: those after the word `compare`.
    ///   - kinds: the backends that this executable was built with.
    ///   - version: Martlet's.
    /// - Returns: the exit code: 0 done, 1 failed, 2 usage, 78 a fault in FILE.
    public static func run(arguments: [String], kinds: [BackendKind], version: String) -> Int32 {
        var file: String?
        var out = "compare-report"
        var isFull = false
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h":
                print(help)
                return 0
            case "--full": isFull = true
            case "--out":
                guard let directory = rest.popFirst() else { return usage("--out needs a directory") }
                out = directory
            default:
                guard !argument.hasPrefix("-") else { return usage("unknown option \(argument)") }
                guard file == nil else { return usage("one file at most") }
                file = argument
            }
        }
        var notes: [String] = []
        var plan = isFull ? ComparePlan.full : ComparePlan.short
        if let file {
            do {
                let text = try Data(contentsOf: URL(fileURLWithPath: file))
                plan = ComparePlan(
                    try ComparisonConfiguration.parse(Array(text), file: file, kinds: kinds), isFull: isFull)
            } catch let faults as ConfigurationFaults {
                FileHandle.standardError.write(Data((faults.description + "\n").utf8))
                return 78
            } catch {
                FileHandle.standardError.write(Data("\(file): \(error.localizedDescription)\n".utf8))
                return 78
            }
        } else {
            for backend in plan.backends where !kinds.contains(where: { $0.name == backend.engine }) {
                notes.append("\(backend.name) is left out: this martlet was built without \(backend.engine).")
            }
            plan.backends.removeAll { backend in !kinds.contains { $0.name == backend.engine } }
        }
        let session = CompareSession(
            plan: plan, file: file, notes: notes, out: out, isFull: isFull, kinds: kinds, version: version,
            executable: ProcessInfo.processInfo.arguments.first ?? "martlet")
        return session.run()
    }

    private static func usage(_ fault: String) -> Int32 {
        FileHandle.standardError.write(Data("martlet compare: \(fault)\n\(help)\n".utf8))
        return 2
    }
}

/// A run of the command once its arguments are understood.
struct CompareSession {
    var plan: ComparePlan
    /// The comparison file; nil for the plan built in.
    var file: String?
    /// What is to be said in the report from the start.
    var notes: [String]
    var out: String
    var isFull: Bool
    var kinds: [BackendKind]
    var version: String
    var executable: String

    func run() -> Int32 {
        Interruption.observe()
        let clock = SystemClock()
        let began = clock.monotonic
        let day = clock.wallMicroseconds
        let busyBefore = (all: ProcessUsage.machineSeconds(), own: ProcessUsage.ownSeconds())
        let scratch = "\(out)/data-\(getpid())"
        do {
            try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        } catch {
            return fail("cannot make \(scratch): \(error.localizedDescription)")
        }
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        var comparison = Comparison(
            plan: plan, executable: Self.absolute(executable), scratch: scratch, clock: clock,
            isVolatile: isVolatile, progress: say)
        if PowerLoss.library == nil {
            comparison.note(
                "No power was cut, since libMartletPowerLoss.so does not lie beside this executable "
                    + "(swift build -c release --product MartletPowerLoss).")
        }
        say("comparing \(Verdict.list(plan.backends.map(\.name))): data below \(scratch)")
        do throws(DriverError) {
            try comparison.run(versions: { name in kinds.first { $0.name == name }?.version ?? name })
        } catch {
            if Interruption.isRequested {
                say("interrupted: nodes ended, data removed, no report written")
                return 1
            }
            return fail(error.description)
        }
        let seconds = Double(clock.monotonic.since(began).inNanoseconds) / 1e9
        var report = assemble(comparison.found, began: day, seconds: seconds, scratch: scratch)
        if let note = Self.foreignLoad(since: busyBefore, seconds: seconds) { report.notes.append(note) }
        do {
            try ReportFiles.write(report, to: out)
        } catch {
            return fail("cannot write the report to \(out): \(error.localizedDescription)")
        }
        say("\n" + TerminalTable.render(report))
        for sentence in [Verdict.summary(of: report)] + report.notes { say(sentence) }
        say("\n\(out)/report.html\n\(out)/report.json")
        return comparison.found.hasFailure || report.hasFaults ? 1 : 0
    }

    private func assemble(
        _ found: Comparison.Findings, began: Int64, seconds: Double, scratch: String
    ) -> CompareReport {
        var command = "./martlet compare"
        if let file { command += " " + file }
        if isFull { command += " --full" }
        return CompareReport(
            version: version, began: ReportFiles.day(microseconds: began), seconds: seconds, isFull: isFull,
            machine: MachineFacts.read(path: scratch), commands: [command], settings: plan.described,
            backends: found.backends,
            dataSets: plan.dataSets.map {
                .init(name: $0.name, records: $0.records, valueBytes: $0.valueBytes, cacheBytes: $0.cacheBytes)
            }, measurements: found.measurements, durability: found.durability, notes: notes + found.notes)
    }

    private func isVolatile(_ backend: ComparePlan.Backend) -> Bool {
        guard let kind = kinds.first(where: { $0.name == backend.engine }) else { return true }
        var values: [String: BackendSettings.Value] = [:]
        for setting in backend.settings {
            values[setting.name] =
                switch setting.value {
                case "true": .boolean(true)
                case "false": .boolean(false)
                default: Int(setting.value).map { .number($0) } ?? .text(setting.value)
                }
        }
        return !kind.needsDirectory(BackendSettings(values))
    }

    /// What other processes used meanwhile, where it is enough to spoil the figures.
    private static func foreignLoad(since before: (all: Double?, own: Double), seconds: Double) -> String? {
        guard let from = before.all, let to = ProcessUsage.machineSeconds() else { return nil }
        let others = to - from - (ProcessUsage.ownSeconds() - before.own)
        let cores = others / seconds
        guard cores > 0.1 else { return nil }
        return "Other processes of this machine used \(Figures.digits(cores)) cores on average while this ran: "
            + "take its figures with care, and run it again on an idle machine."
    }

    private static func absolute(_ executable: String) -> String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? executable
    }

    /// One line of progress, at once, with no control codes.
    private func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    private func fail(_ reason: String) -> Int32 {
        FileHandle.standardError.write(Data("martlet compare: \(reason)\n".utf8))
        return 1
    }
}
