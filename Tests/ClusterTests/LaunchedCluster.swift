import Foundation
import Glibc
import MartletClient
import MartletRuntime
import Testing

@testable import MartletLauncher

/// Clusters of real processes, one at a time.
@Suite(.serialized, .enabled(if: LaunchedCluster.product != nil)) enum RealProcesses {}

/// Real processes: a supervisor and the nodes of a cluster file below it, on ports of this machine that were free.
final class LaunchedCluster: @unchecked Sendable {  // its state is a lock's, or set once before it is shared
    struct Member: Sendable {
        var name: String
        var address: String
    }

    let folder: URL
    let members: [Member]
    private let file: String
    private let process = Process()
    private let output = Pipe()

    /// The product lies beside the tests' executable; nil where it was not built.
    static let product: String? = {
        let path = URL(fileURLWithPath: SupervisedProcess.thisExecutable).deletingLastPathComponent()
            .appendingPathComponent("martlet").path
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    /// A file of three nodes on different backends, or more, each with three of the ports; `settings` are lines of the
    /// keyspace.
    static func text(
        _ ports: [UInt16], settings: [String] = ["n: 3"], nodes: [(name: String, backend: String)] = threeBackends
    ) -> String {
        var lines = ["cluster: tested", "partitions: 64", "keyspaces:", "  - name: default"]
        lines += settings.map { "    " + $0 }
        lines.append("nodes:")
        for (index, (name, backend)) in nodes.enumerated() {
            lines += [
                "  - name: \(name)", "    listen: 127.0.0.1:\(ports[index * 3])",
                "    node_listen: 127.0.0.1:\(ports[index * 3 + 1])",
                "    cluster_listen: 127.0.0.1:\(ports[index * 3 + 2])", "    storage: {backend: \(backend)}",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    static let threeBackends = ["memory", "lmdb", "rocksdb"].map { (name: $0, backend: $0) }

    /// Ports that nobody listens on, all different: three for each node.
    static func freePorts(nodes: Int = 3) -> [UInt16] {
        var ports: Set<UInt16> = []
        while ports.count < nodes * 3 { ports.insert(FreePort.next()) }
        return Array(ports)
    }

    /// Starts the cluster and returns once all nodes serve.
    init(nodes: [(name: String, backend: String)] = threeBackends) throws {
        let ports = Self.freePorts(nodes: nodes.count)
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-cluster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        file = folder.appendingPathComponent("cluster.yaml").path
        try Data(Self.text(ports, nodes: nodes).utf8).write(to: URL(fileURLWithPath: file))
        members = nodes.enumerated().map { Member(name: $1.name, address: "127.0.0.1:\(ports[$0 * 3])") }
        guard let product = Self.product else { throw CocoaError(.fileNoSuchFile) }
        process.executableURL = URL(fileURLWithPath: product)
        process.arguments = ["launch", file, "--data", folder.path]
        process.standardOutput = output
        try Data().write(to: log)
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        var text = ""
        while text.count(where: { $0 == "\n" }) < members.count {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw CocoaError(.fileReadUnknown) }
            text += String(decoding: more, as: UTF8.self)
        }
    }

    deinit {
        end()
        try? FileManager.default.removeItem(at: folder)
    }

    private var log: URL { folder.appendingPathComponent("log") }

    /// What the supervisor and the nodes logged so far.
    var logged: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// Ends the cluster in order, or by force; its exit code.
    @discardableResult
    func end() -> Int32 {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// The process of a node; nil while there is none.
    func processIdentifier(of name: String) -> Int32? {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.lazy.compactMap { Int32($0) }.first { candidate in
            guard let line = FileManager.default.contents(atPath: "/proc/\(candidate)/cmdline") else { return false }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard let at = words.firstIndex(of: "--node"), at + 1 < words.count else { return false }
            return words[at + 1] == name && words.contains(file)
        }
    }

    /// Kills a node's process at once (SIGKILL); the supervisor starts another.
    func kill(_ name: String) { signal(name, SIGKILL) }

    func signal(_ name: String, _ signal: Int32) {
        if let process = processIdentifier(of: name) { _ = Glibc.kill(process, signal) }
    }

    // MARK: Asking

    var inquiry: ClusterInquiry { ClusterInquiry(at: members[0].address) }

    /// Waits until a question's answer is as wanted, at most so long; whether it came to that.
    static func wait(_ limit: Duration = .seconds(60), for isDone: () async -> Bool) async -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: limit)
        while clock.now < deadline {
            if await isDone() { return true }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return false
    }

    /// Waits until every node serves, is linked with the others and is caught up.
    func isWell() async -> Bool {
        await Self.wait { (try? await self.inquiry.status().report.code) == ExitCode.ok }
    }

    /// Waits until the owners of each partition hold the same, with no client reading meanwhile.
    func isConverged() async -> Bool { await Self.wait { (try? await self.inquiry.digests().isEqual) == true } }

    func client(_ index: Int) async throws -> MartletClient {
        try await MartletClient.connect(to: [members[index].address])
    }
}
