import Foundation
import MartletLauncher
import MartletNode
import MartletRuntime
import MartletServer
import MemoryBackend
import Testing

#if LMDB
    import LMDBBackend
#endif
#if RocksDB
    import RocksDBBackend
#endif

/// A node in this process, as it is launched, with one backend and some workers.
struct NodeUnderTest: Sendable, CustomTestStringConvertible {
    var backend: String
    var workers: Int

    var testDescription: String { "\(backend), \(workers) workers" }

    /// Every backend of this build, with one worker and with two: over two, commands cross.
    static var all: [NodeUnderTest] {
        kinds.flatMap { kind in [1, 2].map { NodeUnderTest(backend: kind.name, workers: $0) } }
    }

    private static var kinds: [BackendKind] {
        var kinds = [BackendKind.memory]
        #if LMDB
            kinds.append(.lmdb)
        #endif
        #if RocksDB
            kinds.append(.rocksdb)
        #endif
        return kinds
    }

    /// Runs `body` with the port of a fresh node, which is stopped and removed after it.
    func run<R>(_ body: (UInt16) throws -> R) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var settings = NodeSettings(cluster: "differential", name: "one", durability: .none)
        settings.workers = workers
        let kind = Self.kinds.first { $0.name == backend }!
        let node = try await RunningNode.start(
            settings, NodeOpening(kind: kind, path: folder.appendingPathComponent("data").path),
            Server.Settings(address: SocketAddress(host: "127.0.0.1", port: 0)), log: .silent)
        let result = Result { try body(node.server.address.port) }
        try await node.stop()
        return try result.get()
    }
}
