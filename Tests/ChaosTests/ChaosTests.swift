import Foundation
import Testing

@testable import MartletLauncher

/// Chaos for real: the project's own processes, in network namespaces of their own, killed, paused, wiped, parted,
/// slowed and with wrong clocks while clients write; the checkers of the simulator judge what the clients saw.
///
/// `MARTLET_CHAOS_ROUNDS=50` has more rounds, `MARTLET_CHAOS_SEED=7` others.
@Suite(.serialized, .enabled(if: RealDrill.product != nil))
struct ChaosTests {
    private static func environment(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    #if LMDB && RocksDB
        @Test(.timeLimit(.minutes(240))) func nothingIsLostOrStaysApart() throws {
            let rounds = Self.environment("MARTLET_CHAOS_ROUNDS") ?? 9
            let seed = Self.environment("MARTLET_CHAOS_SEED") ?? Int.random(in: 1...1_000_000)
            let drill = try RealDrill("chaos.yaml", ["--rounds", "\(rounds)", "--seed", "\(seed)"])
            guard let report = try drill.report() else { return }
            let run = try #require(report.runs.first, "seed \(seed): \(drill.output)")
            #expect(run.violations == [], "seed \(seed): \(drill.output)")
            #expect(run.lost == 0 && run.divergentPartitions == 0)
            #expect(run.equalAfter.map { $0 < 60 } == true, "seed \(seed): \(drill.output)")
            #expect(drill.code == ExitCode.ok, "seed \(seed): \(drill.output)")
            // It says nothing if nothing happened. Other tests share the machine: some requests find no time.
            #expect(run.events.count { $0.isFault } >= rounds)
            #expect(run.answered * 10 > run.requests * 3, "seed \(seed): \(run.answered) of \(run.requests) answered")
            print("chaos: seed \(seed), \(rounds) rounds, \(run.acknowledgedWrites) acknowledged writes, none lost")
        }
    #endif

    /// What needs no privileges: so it runs everywhere.
    @Test(.timeLimit(.minutes(5))) func aKilledNodeCostsNoAcknowledgedWrite() throws {
        let text = """
            drill: short
            duration: 9s
            cluster: {nodes: 3}
            load: {rate: 200, keys: 100, connections: 4}
            steps:
              - {at: 1s, kill: node-2}
              - {at: 3s, restart: node-2}
              - {at: 5s, pause: node-1}
              - {at: 7s, resume: node-1}
            """
        let drill = try RealDrill(text: text)
        let report = try #require(try drill.report(), "\(drill.output)")
        let run = try #require(report.runs.first)
        #expect(drill.code == ExitCode.ok, "\(drill.output)")
        #expect(run.violations == [] && run.lost == 0)
        #expect(run.detections.first?.first != nil, "\(drill.output)")
        #expect(run.nodes[1].states.contains { $0.text == "down" })
        let page = try String(contentsOf: drill.folder.appendingPathComponent("report.html"), encoding: .utf8)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("kill -9 node-2"))
        #expect(!page.contains("http://") && !page.contains("<script"))
    }
}

/// A drill that is run by the product as a person would.
final class RealDrill {
    let folder: URL
    let code: Int32
    let output: String

    /// The product lies beside the tests' executable; nil where it was not built.
    static let product: String? = {
        let path = URL(fileURLWithPath: SupervisedProcess.thisExecutable).deletingLastPathComponent()
            .appendingPathComponent("martlet").path
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    private static let drills = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Configs/drills")

    convenience init(_ file: String, _ options: [String] = []) throws {
        try self.init([Self.drills.appendingPathComponent(file).path] + options)
    }

    convenience init(text: String) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("drill-\(UUID().uuidString).yaml")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try self.init([file.path])
    }

    private init(_ arguments: [String]) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("drill-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard let product = Self.product else { throw CocoaError(.fileNoSuchFile) }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: product)
        process.arguments = ["drill"] + arguments + ["--out", folder.path]
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        code = process.terminationStatus
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// What it found; nil, said aloud, if it was skipped for want of privileges.
    func report() throws -> DrillReport? {
        if code == DrillSandbox.skipped {
            print("\n*** NOT TESTED: real faults were SKIPPED: \(output)")
            return nil
        }
        guard let data = try? Data(contentsOf: folder.appendingPathComponent("report.json")) else { return nil }
        return try JSONDecoder().decode(DrillReport.self, from: data)
    }
}
