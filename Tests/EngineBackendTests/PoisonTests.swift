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

    #if LMDB
        @Test func lmdb() async {
            await #expect(processExitsWith: .success) { exit(try PoisonTests.check(.lmdb)) }
        }
    #endif

    #if RocksDB
        @Test func rocksdb() async {
            await #expect(processExitsWith: .success) { exit(try PoisonTests.check(.rocksdb)) }
        }
    #endif
}
