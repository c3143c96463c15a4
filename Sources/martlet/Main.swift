internal import Glibc
internal import MartletLauncher
internal import MartletRuntime
internal import MemoryBackend

#if LMDB
    internal import LMDBBackend
#endif
#if RocksDB
    internal import RocksDBBackend
#endif

/// Names the backends that this executable is linked with; the launcher does the rest.
@main
struct Main {
    static var backends: [BackendKind] {
        var kinds: [BackendKind] = [.memory]
        #if LMDB
            kinds.append(.lmdb)
        #endif
        #if RocksDB
            kinds.append(.rocksdb)
        #endif
        return kinds
    }

    static func main() async {
        exit(await Launcher.run(arguments: Array(CommandLine.arguments.dropFirst()), backends: backends))
    }
}
