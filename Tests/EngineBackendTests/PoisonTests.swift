import Glibc
import MartletCore
import MartletRuntime
import Testing

#if LMDB
    import LMDBBackend
#endif
#if RocksDB
    import RocksDBBackend
#endif

/// A failed write makes the handle refuse all later writes, while reads go on.
@Suite struct PoisonTests {
    /// Writes until a write fails for another reason than space; answers 0 if all is as it has to be.
    static func check(_ kind: BackendKind) throws -> Int32 {
        let scratch = Scratch()
        let directory = try scratch.directory(kind.name)
        let backend = try kind.open(BackendOpening(directory: directory, durability: .always))
        let value = [UInt8](repeating: 7, count: 4000)
        try backend.put([([0], value)], durability: .always)
        failWrites(beyond: 2 << 20)
        var codes: [StorageError.Code] = []
        var written = 0
        while codes.count < 3 {
            do {
                try backend.put([(Array("\(written)".utf8), value)], durability: .always)
                written += 1
                if !codes.isEmpty || written > 10_000 { return 2 }
            } catch let error as StorageError {
                codes.append(error.code)
            }
        }
        if codes != [.inputOutput, .poisoned, .poisoned] { return 3 }
        if try backend.get([0]) != value || backend.get(Array("\(written)".utf8)) != nil { return 4 }
        if try backend.snapshot().pairs().count != written + 1 { return 5 }
        do {
            try backend.sync()
            return 6
        } catch {
            if error.code != .poisoned { return 7 }
        }
        try backend.close()
        return 0
    }

    /// Lets a sync fail; answers 0 if the handle then refuses writes, and LMDB's file the next open.
    static func checkSync(_ kind: BackendKind, file: String) throws -> Int32 {
        let scratch = Scratch()
        let directory = try scratch.directory(kind.name)
        let opening = BackendOpening(directory: directory, durability: .interval)
        let backend = try kind.open(opening)
        try backend.put([([1], [1])], durability: .interval)
        if !failSyncs(ofFilesEndingIn: file) { return 2 }
        var codes: [StorageError.Code] = []
        for attempt: () throws -> Void in [{ try backend.sync() }, { try backend.put([([2], [2])]) }] {
            do { try attempt() } catch let error as StorageError { codes.append(error.code) }
        }
        if codes != [.inputOutput, .poisoned] { return 3 }
        if try backend.get([1]) != [1] || backend.get([2]) != nil { return 4 }
        try backend.close()
        if kind.name == "lmdb" {
            do {
                _ = try kind.open(opening)
                return 5
            } catch {
                if error.code != .incompatible || !error.message.contains("a sync failed") { return 6 }
            }
        }
        return 0
    }

    #if LMDB
        @Test func lmdb() async {
            await #expect(processExitsWith: .success) { exit(try PoisonTests.check(.lmdb)) }
        }

        @Test func lmdbSync() async {
            await #expect(processExitsWith: .success) { exit(try PoisonTests.checkSync(.lmdb, file: "/data.mdb")) }
        }
    #endif

    #if RocksDB
        @Test func rocksdb() async {
            await #expect(processExitsWith: .success) { exit(try PoisonTests.check(.rocksdb)) }
        }

        @Test func rocksdbSync() async {
            await #expect(processExitsWith: .success) { exit(try PoisonTests.checkSync(.rocksdb, file: ".log")) }
        }
    #endif
}
