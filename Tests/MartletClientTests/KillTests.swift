import Foundation
import Glibc
import MartletClient
import Synchronization
import Testing

/// kill -9 under write load, again and again: no write acknowledged under `always` is lost.
@Suite(.enabled(if: LaunchedNode.path != nil), .serialized) struct KillTests {
    static let rounds = 50

    private static let backends: [(name: String, settings: [String])] = {
        var backends = [(name: "memory", settings: ["log: true"])]
        #if LMDB
            backends.append((name: "lmdb", settings: []))
        #endif
        #if RocksDB
            backends.append((name: "rocksdb", settings: []))
        #endif
        return backends
    }()

    @Test(arguments: backends.map(\.name)) func nothingAcknowledgedIsLost(backend: String) async throws {
        let settings = Self.backends.first { $0.name == backend }?.settings ?? []
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-kill-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        var expected: [String: Int] = [:]
        for round in 0..<Self.rounds {
            let node = try LaunchedNode(backend: backend, settings: settings, in: directory)
            let client = try await MartletClient.connect(to: [node.address])
            // A write that was not acknowledged may have been applied: only a lower value is a loss.
            for (key, number) in expected {
                let found = try await client.value(MartletKey(key), as: Int.self)
                #expect((found ?? -1) >= number, "round \(round): \(key) is \(found.map(String.init) ?? "missing")")
            }
            let acknowledged = try await write(round: round, to: client, then: node)
            expected.merge(acknowledged) { max($0, $1) }
            await client.close()
        }
        #expect(expected.count == Self.writers * Self.keysPerWriter)
    }

    private final class Progress: Sendable {
        let acknowledged = Atomic<Int>(0)
        let isKilled = Atomic<Bool>(false)
    }

    private static let writers = 8
    private static let keysPerWriter = 5

    /// Has writers count up their keys until the node is killed; answers what was acknowledged.
    private func write(round: Int, to client: MartletClient, then node: LaunchedNode) async throws -> [String: Int] {
        let goal = 100 + round * 7 % 90
        let progress = Progress()
        let process = node.processIdentifier
        defer { node.kill() }
        return await withTaskGroup(of: [String: Int].self) { group in
            for writer in 0..<Self.writers {
                group.addTask {
                    var acknowledged: [String: Int] = [:]
                    var number = 0
                    while !progress.isKilled.load(ordering: .relaxed) {
                        let key = "w\(writer)-\(number % Self.keysPerWriter)"
                        let value = round * 1_000_000 + number
                        number += 1
                        do {
                            try await client.put(MartletKey(key), value, durability: .always, deadline: .seconds(2))
                        } catch { break }
                        acknowledged[key] = value
                        if progress.acknowledged.add(1, ordering: .relaxed).newValue == goal {
                            progress.isKilled.store(true, ordering: .relaxed)
                            _ = Glibc.kill(process, SIGKILL)
                            await client.close()  // what was not acknowledged would be tried until its deadline
                        }
                    }
                    return acknowledged
                }
            }
            var all: [String: Int] = [:]
            for await part in group { all.merge(part) { max($0, $1) } }
            return all
        }
    }
}
