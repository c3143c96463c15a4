import MartletBackendConformance
import MartletRuntime
import MemoryBackend
import Testing

#if LMDB
    import LMDBBackend
#endif
#if RocksDB
    import RocksDBBackend
#endif

/// Every registered backend against every check that applies to it, one test case each.
@Suite struct ConformanceTests {
    @Test(arguments: Case.all)
    func conforms(_ test: Case) async throws {
        try await test.check.run(on: test.subject)
    }

    struct Case: Sendable, CustomStringConvertible {
        var subject: any BackendSubject.Type
        var check: BackendCheck
        var description: String { "\(subject): \(check)" }

        static let all = subjects.flatMap { subject in
            BackendCheck.applicable(to: subject).map { Case(subject: subject, check: $0) }
        }

        static var subjects: [any BackendSubject.Type] {
            var all: [any BackendSubject.Type] = [Memory.self, MemoryLog.self]
            #if LMDB
                all.append(LMDB.self)
            #endif
            #if RocksDB
                all.append(RocksDB.self)
            #endif
            return all
        }
    }
}

enum Memory: BackendSubject {
    static var kind: BackendKind { .memory }
}

/// With a log so short that snapshots replace it within each check.
enum MemoryLog: BackendSubject {
    static var kind: BackendKind { .memory }
    static var settings: BackendSettings {
        BackendSettings(["log": .boolean(true), "log-minimum": .number(32 << 10)])
    }
}

#if LMDB
    enum LMDB: BackendSubject {
        static var kind: BackendKind { .lmdb }
    }
#endif

#if RocksDB
    /// With memory tables so small that flushes and compactions happen within each check.
    enum RocksDB: BackendSubject {
        static var kind: BackendKind { .rocksdb }
        static var settings: BackendSettings {
            BackendSettings(["memtable": .number(64 << 10), "block_cache": .number(4 << 20)])
        }
    }
#endif
