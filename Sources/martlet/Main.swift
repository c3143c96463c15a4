import MartletLauncher
import MartletRuntime
import MartletNode
import MartletServer
import MemoryBackend
#if LMDB
import LMDBBackend
#endif
#if RocksDB
import RocksDBBackend
#endif

@main struct Main {
    static func main() async throws {
        let a = CommandLine.arguments
        let kind: BackendKind = switch a[1] { case "lmdb": .lmdb
            case "rocksdb": .rocksdb
            default: .memory }
        var s = NodeSettings(cluster: "test", name: "n1", durability: Durability(name: a[4])!)
        s.workers = Int(a[5])!
        let n = try await RunningNode.start(s, NodeOpening(kind: kind, path: a[3]), .init(address: SocketAddress(host: "127.0.0.1", port: UInt16(a[2])!)), log: .silent)
        print("ready", n.server.address)
        while true { try await Task.sleep(for: .seconds(1000)) }
    }
}
