import Foundation
import Glibc
import MartletClient
import Testing

/// A node of the built product, in a process of its own.
final class LaunchedNode {
    /// The product lies beside the test's executable.
    static let path: String? = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let path = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("martlet").path
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    let address: String
    private let process = Process()
    private let output = Pipe()

    /// Launches a node whose file and data lie in `directory`; returns once it serves.
    init(backend: String, settings: [String] = [], port: Int = 0, in directory: URL) throws {
        let file = directory.appendingPathComponent("cluster.yaml")
        let text = """
            cluster: product
            nodes:
              - name: n1
                listen: 127.0.0.1:\(port)
                storage:
                  backend: \(backend)
            """ + settings.map { "\n      \($0)" }.joined()
        try Data((text + "\n").utf8).write(to: file)
        process.executableURL = URL(fileURLWithPath: try #require(Self.path))
        process.arguments = ["launch", file.path, "--data", directory.path, "--log-level", "error"]
        process.standardOutput = output
        try process.run()
        var line = ""
        while !line.contains("\n") {
            let data = output.fileHandleForReading.availableData
            try #require(!data.isEmpty, "the node ended before it was ready")
            line += String(decoding: data, as: UTF8.self)
        }
        let words = line.split { $0 == " " || $0 == "\n" }
        try #require(words.count >= 4 && words[0] == "ready")
        address = String(words[2])
    }

    deinit { kill() }

    var port: Int { Int(address.split(separator: ":").last ?? "") ?? 0 }

    var processIdentifier: Int32 { process.processIdentifier }

    func kill() {
        guard process.isRunning else { return }
        _ = Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

/// The client against the product, as a user starts it.
@Suite(.enabled(if: LaunchedNode.path != nil), .serialized) struct ProductTests {
    private static let backends: [String] = {
        var backends = ["memory"]
        #if LMDB
            backends.append("lmdb")
        #endif
        #if RocksDB
            backends.append("rocksdb")
        #endif
        return backends
    }()

    private func withDirectory(_ body: (URL) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try await body(directory)
    }

    @Test(arguments: backends) func putGetDeleteScan(backend: String) async throws {
        try await withDirectory { directory in
            let node = try LaunchedNode(backend: backend, in: directory)
            let client = try await MartletClient.connect(to: [node.address])
            for index in 0..<300 { try await client.put("key:\(index)", index, durability: WriteDurability.none) }
            #expect(try await client.value("key:7") == 7)
            let receipt = try await client.delete("key:7")
            #expect(receipt.existed == true)
            #expect(receipt.acknowledgedBy == ["n1"])
            #expect(try await client.value("key:7", as: Int.self) == nil)
            var keys: Set<MartletKey> = []
            for try await key in client.scan(match: "key:*", pageSize: 50) { keys.insert(key) }
            #expect(keys.count == 299)
            await client.close()
        }
    }

    @Test(arguments: backends.filter { $0 != "memory" })
    func whatWasAcknowledgedSurvivesAKill(backend: String) async throws {
        try await withDirectory { directory in
            let first = try LaunchedNode(backend: backend, in: directory)
            let client = try await MartletClient.connect(to: [first.address])
            let receipt = try await client.put("k", "kept", durability: .always)
            #expect(receipt.durability == .always)
            first.kill()
            let second = try LaunchedNode(backend: backend, port: first.port, in: directory)
            #expect(second.port == first.port)
            #expect(try await client.value("k") == "kept")  // the same client, reconnected
            await client.close()
        }
    }
}
