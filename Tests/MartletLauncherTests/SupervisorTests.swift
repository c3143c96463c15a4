import Foundation
import Glibc
import MartletIO
import MartletRuntime
import Testing

@testable import MartletLauncher

/// The supervisor with processes that stand in for nodes, and with the product itself.
@Suite(.serialized) struct SupervisorTests {
    /// What children wrote and what the supervisor logged, and what to do on a line.
    private final class Witness: Sendable {
        private struct State {
            var lines: [String] = []
            var logged: [String] = []
            var stop: (@Sendable () -> Void)?
        }
        private let state = Lock(State())
        private let onLine: @Sendable (_ lines: [String], _ stop: @Sendable () -> Void) -> Void

        init(_ onLine: @escaping @Sendable (_ lines: [String], _ stop: @Sendable () -> Void) -> Void) {
            self.onLine = onLine
        }

        var lines: [String] { state.withLock { $0.lines } }
        var logged: [String] { state.withLock { $0.logged } }

        func run(_ scripts: [String: String]) async -> Int32 {
            let children = scripts.sorted { $0.key < $1.key }.map {
                Supervisor.Child(name: $0.key, arguments: ["/bin/sh", "-c", $0.value])
            }
            let log = Log(label: "launch", level: .info) { [state] _, _, message in
                state.withLock { $0.logged.append(message) }
            }
            return await Supervisor.run(
                children, log: log, control: { stop in state.withLock { $0.stop = stop } },
                print: { [state, onLine] line in
                    let (lines, stop) = state.withLock { state in
                        state.lines.append(line)
                        return (state.lines, state.stop)
                    }
                    onLine(lines) { stop?() }
                })
        }
    }

    /// Serves until SIGTERM, then ends in order; it says its own number. Killed, it leaves nothing behind for long that
    /// would keep the tests' output open.
    private static let node = "trap 'echo drained; exit 0' TERM; echo ready $$; while :; do sleep 0.05; done"

    @Test func allAreStartedAndEndedInOrder() async {
        let witness = Witness { lines, stop in
            if lines.last != "drained", lines.count(where: { $0.hasPrefix("ready") }) == 3 { stop() }
        }
        #expect(await witness.run(["a": Self.node, "b": Self.node, "c": Self.node]) == ExitCode.ok)
        #expect(witness.lines.count { $0 == "drained" } == 3)
        #expect(witness.logged.isEmpty)
    }

    @Test func oneThatIsKilledIsStartedAgain() async {
        let witness = Witness { lines, stop in
            let ready = lines.filter { $0.hasPrefix("ready") }
            guard lines.last == ready.last else { return }
            if ready.count == 3 { return stop() }
            if let process = ready.last.flatMap({ Int32($0.dropFirst(6)) }) { kill(process, SIGKILL) }
        }
        #expect(await witness.run(["a": Self.node]) == ExitCode.ok)
        #expect(
            witness.logged.filter { $0.hasPrefix("a died of signal 9: restart ") } == [
                "a died of signal 9: restart 1 in 100 ms", "a died of signal 9: restart 2 in 200 ms",
            ])
    }

    @Test func oneThatCannotStartEndsAll() async {
        let witness = Witness { _, _ in }
        #expect(await witness.run(["a": Self.node, "b": "exit 78"]) == ExitCode.configuration)
        #expect(witness.logged.contains("b cannot start: ending the others"))
    }

    @Test func aSecondSignalKillsWhatIgnoresTheFirst() async {
        let deaf = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
        let witness = Witness { lines, stop in
            stop()
            stop()
        }
        #expect(await witness.run(["a": deaf]) == ExitCode.failed)
    }

    // MARK: The product

    /// The product lies beside the test's executable.
    private static let product: String? = {
        let tests = SupervisedProcess.thisExecutable
        let path = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("martlet").path
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    private static func launch(_ text: String, _ body: (Process, FileHandle) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("cluster.yaml")
        try Data(text.utf8).write(to: file)
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: try #require(product))
        process.arguments = ["launch", file.path, "--supervise", "--data", folder.path, "--log-level", "error"]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer {
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
        }
        try body(process, output.fileHandleForReading)
    }

    private static let file = """
        cluster: product
        nodes:
          - name: n1
            listen: 127.0.0.1:0
            storage: {backend: memory}

        """

    /// The children of a process.
    private static func children(of process: Int32) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { child in
            let status = (try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)) ?? ""
            return status.contains("\nPPid:\t\(process)\n")
        }
    }

    @Test(.enabled(if: product != nil)) func theProductsNodeIsStartedAgainAndEndsInOrder() throws {
        try Self.launch(Self.file) { process, output in
            #expect(String(decoding: output.availableData, as: UTF8.self).hasPrefix("ready n1 127.0.0.1:"))
            let child = try #require(try Self.children(of: process.processIdentifier).first)
            kill(child, SIGKILL)
            #expect(String(decoding: output.availableData, as: UTF8.self).hasPrefix("ready n1 127.0.0.1:"))
            process.terminate()
            process.waitUntilExit()
            #expect(process.terminationStatus == ExitCode.ok)
        }
    }

    @Test(.enabled(if: product != nil)) func noNodeOutlivesItsSupervisor() throws {
        try Self.launch(Self.file) { process, output in
            let line = String(decoding: output.availableData, as: UTF8.self)
            let address = try #require(SocketAddress(line.split(separator: " ")[2]))
            #expect(try !Self.children(of: process.processIdentifier).isEmpty)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            // The node's port is let go once it has ended: nothing answers there any more.
            while Self.answers(address.port) { usleep(10_000) }
        }
    }

    /// Whether somebody accepts connections there.
    private static func answers(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    @Test(.enabled(if: product != nil)) func aPortInUseEndsWithTheConfigurationsCode() throws {
        try Self.launch(Self.file) { _, output in
            let line = String(decoding: output.availableData, as: UTF8.self)
            let address = String(line.split(separator: " ")[2])
            try Self.launch(Self.file.replacingOccurrences(of: "127.0.0.1:0", with: address)) { second, output in
                second.waitUntilExit()
                #expect(second.terminationStatus == ExitCode.configuration)
                #expect(output.availableData.isEmpty)
            }
        }
    }
}
