import Foundation
import MartletRuntime
import MemoryBackend
import Testing

@testable import MartletLauncher

#if LMDB
    import LMDBBackend
#endif
#if RocksDB
    import RocksDBBackend
#endif

@Suite struct LauncherTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static var backends: [BackendKind] {
        var kinds: [BackendKind] = [.memory]
        #if LMDB
            kinds.append(.lmdb)
        #endif
        #if RocksDB
            kinds.append(.rocksdb)
        #endif
        return kinds
    }

    private func run(_ arguments: String...) async -> Int32 {
        await Launcher.run(arguments: arguments, backends: Self.backends)
    }

    @Test func everyCommandHasHelp() async {
        for command in Launcher.commands {
            #expect(await run(command.name, "--help") == ExitCode.ok)
            #expect(command.help.contains("usage: martlet \(command.usage)"))
            for option in command.options { #expect(command.help.contains(option.form)) }
        }
        #expect(await run("--help") == ExitCode.ok)
        #expect(await run("help", "get") == ExitCode.ok)
    }

    @Test func badUsageIsTwo() async {
        #expect(await run() == ExitCode.usage)
        #expect(await run("lanch") == ExitCode.usage)
        #expect(await run("get") == ExitCode.usage)
        #expect(await run("get", "a", "b") == ExitCode.usage)
        #expect(await run("put", "a", "b", "--durabilty", "always") == ExitCode.usage)
        #expect(await run("put", "a", "b", "--durability", "sometimes") == ExitCode.usage)
        #expect(await run("launch", "--data") == ExitCode.usage)
    }

    @Test func otherCodesAreTheirOwn() async throws {
        #expect(await run("ping", "--at", "127.0.0.1:1") == ExitCode.cannotReach)
        #expect(await run("check", "/nonexistent.yaml") == ExitCode.configuration)
        #expect(await run("version") == ExitCode.ok)
    }

    @Test func optionsAreReadInBothForms() throws {
        let spaced = try #require(
            try GivenOptions.parse(["f", "--node", "n", "--in-process"], for: LaunchCommand.self))
        let joined = try #require(try GivenOptions.parse(["--node=n", "--in-process", "f"], for: LaunchCommand.self))
        for given in [spaced, joined] {
            #expect(given.operands == ["f"])
            #expect(given["node"] == "n")
            #expect(given.has("in-process"))
        }
        let ended = try #require(try GivenOptions.parse(["--", "--key"], for: GetCommand.self))
        #expect(ended.operands == ["--key"])
        #expect(throws: UsageError.self) { try GivenOptions.parse(["--in-process=1"], for: LaunchCommand.self) }
    }

    @Test func everySimulationFileIsValid() throws {
        let directory = Self.root.appendingPathComponent("Configs/simulations").path
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(names.contains("one-node.yaml"))
        for name in names { #expect(SimulateCommand.read("\(directory)/\(name)") != nil, "\(name)") }
    }

    @Test func simulateRefusesWhatItCannotRun() async {
        #expect(await run("simulate", "--seed", "soon") == ExitCode.usage)
        #expect(await run("simulate", "--count", "-1") == ExitCode.usage)
        #expect(await run("simulate", "/nonexistent.yaml") == ExitCode.configuration)
    }

    @Test func everyFileOfConfigsIsValid() async throws {
        let directory = Self.root.appendingPathComponent("Configs")
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        var count = 0
        for name in names.sorted() where name != "compare.yaml" && name.hasSuffix(".yaml") {
            let path = directory.appendingPathComponent(name).path
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let backends = Self.backends.map(\.name)
            let isWhole = ["lmdb", "rocksdb"].allSatisfy { backends.contains($0) || !text.contains("backend: \($0)") }
            guard isWhole else { continue }
            #expect(await run("check", path) == ExitCode.ok, "\(name)")
            count += 1
        }
        #expect(count >= 1)
    }

    #if LMDB && RocksDB
        /// Docs/configuration.md holds what `martlet check --explain` prints.
        @Test func everySettingIsDocumented() throws {
            let page = Self.root.appendingPathComponent("Docs/configuration.md")
            let text = try String(contentsOf: page, encoding: .utf8)
            for line in CheckCommand.explanation(Self.backends).split(separator: "\n") {
                #expect(text.contains(line), "missing in Docs/configuration.md: \(line)")
            }
        }
    #endif
}
