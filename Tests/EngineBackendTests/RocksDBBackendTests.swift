#if RocksDB
    import Foundation
    import MartletCore
    import MartletRuntime
    import RocksDBBackend
    import Testing

    @Suite struct RocksDBBackendTests {
        private func open(
            _ directory: DataDirectory, _ settings: [String: BackendSettings.Value] = [:]
        ) throws(StorageError) -> any StorageBackend {
            try BackendKind.rocksdb.open(BackendOpening(directory: directory, settings: BackendSettings(settings)))
        }

        private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

        @Test(arguments: ["none", "lz4", "zstd"])
        func contentsSurviveReopeningWithEachCompression(_ compression: String) throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let settings: [String: BackendSettings.Value] = [
                "compression": .text(compression), "memtable": .number(64 << 10),
            ]
            let backend = try open(directory, settings)
            for round in 0..<20 {
                try backend.put((0..<100).map { (bytes("k\(round)/\($0)"), [UInt8](repeating: 3, count: 200)) })
            }
            try backend.delete((0..<100).map { bytes("k0/\($0)") }, durability: .always)
            let expected = try backend.snapshot().pairs().map(\.key)
            #expect(expected.count == 1900)
            try backend.close()
            let reopened = try open(directory, settings)
            #expect(try reopened.snapshot().pairs().map(\.key) == expected)
            #expect(try reopened.get(bytes("k0/0")) == nil)
            #expect(try reopened.get(bytes("k1/0"))?.count == 200)
            try reopened.close()
            directory.close()
        }

        @Test func keysOfAnyLengthAreOrdered() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let backend = try open(directory)
            let keys: [[UInt8]] = [[], [0], [0, 0], [1], [255], [UInt8](repeating: 255, count: 5000)]
            try backend.put(keys.reversed().map { ($0, [UInt8($0.count & 255)]) })
            #expect(try backend.snapshot().pairs().map(\.key) == keys)
            for key in keys { #expect(try backend.get(key) == [UInt8(key.count & 255)]) }
            #expect(try backend.snapshot().pairs(from: [0], to: [1]).map(\.key) == [[0], [0, 0]])
            try backend.close()
            directory.close()
        }

        @Test func filesFiltersAndCacheAreCounted() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let backend = try open(directory, ["memtable": .number(64 << 10)])
            for round in 0..<40 {
                try backend.put((0..<50).map { (bytes("k\(round)/\($0)"), [UInt8](repeating: 3, count: 200)) })
            }
            try backend.close()
            // Replaying the log at open leaves its pairs in files, so reads meet filters and cache.
            let reopened = try open(directory, ["memtable": .number(64 << 10)])
            let reader = try reopened.makeReader()
            for index in 0..<50 {
                #expect(try reader.get(bytes("k3/\(index)")) != nil)
                #expect(try reader.get(bytes("k3/\(index)x")) == nil)
            }
            let statistics = reopened.statistics()
            #expect(statistics.reads[.bloomNegative]! > 0)
            #expect(statistics.reads[.blockCache]! > 0)
            #expect(statistics.reads[.disk]! > 0)
            #expect(reopened.counter("keys_read") == 100)
            #expect(statistics.bytesOnDisk > 0)
            #expect(statistics.bytesInMemory > 0)
            #expect(BackendKind.rocksdb.version.hasPrefix("RocksDB 7.") || BackendKind.rocksdb.version == "RocksDB")
            try reopened.close()
            directory.close()
        }

        @Test func syncsAndBytesAreCounted() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let backend = try open(directory)
            try backend.put([(bytes("k"), bytes("v"))], durability: .always)
            try backend.put([(bytes("k"), bytes("w"))], durability: .none)
            #expect(backend.statistics().syncs == 1)
            try backend.sync()
            try backend.sync()
            #expect(backend.statistics().syncs == 2)
            #expect(backend.statistics().bytesApplied == 4)
            #expect(backend.counter("wal_syncs") == 2)
            #expect(backend.counter("wal_bytes")! > 0)
            try backend.close()
            directory.close()
        }

        @Test func aCheckpointOpensByItself() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let backend = try open(directory)
            try backend.put([(bytes("k"), bytes("old"))])
            try backend.checkpoint(to: scratch.path + "/copy")
            try backend.put([(bytes("k"), bytes("new"))])
            let copy = try scratch.directory("rocksdb", "copy")
            let opened = try open(copy)
            #expect(try opened.get(bytes("k")) == bytes("old"))
            try opened.close()
            try backend.close()
            copy.close()
            directory.close()
        }

        @Test func aDamagedFileIsCorruptedNotWrong() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let settings: [String: BackendSettings.Value] = [
                "memtable": .number(64 << 10), "compression": .text("none"),
            ]
            var backend = try open(directory, settings)
            try backend.put((0..<300).map { (bytes("k\($0)"), [UInt8](repeating: 3, count: 500)) }, durability: .always)
            try backend.close()
            backend = try open(directory, settings)
            try backend.close()
            let folder = directory.path + "/rocksdb/"
            let tables = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sst") }
            #expect(!tables.isEmpty)
            for table in tables {
                let file = try #require(FileHandle(forUpdatingAtPath: folder + table))
                try file.seek(toOffset: 600)
                try file.write(contentsOf: Data(repeating: 9, count: 64))
                try file.close()
            }
            backend = try open(directory, settings)
            let error = #expect(throws: StorageError.self) { _ = try backend.snapshot().pairs() }
            #expect(error?.code == .corrupted)
            try backend.close()
            directory.close()
        }

        @Test(.enabled(if: TinyDisk.isPossible, "needs the right to mount a file system"))
        func aFullDiskRefusesAndRecovers() throws {
            let disk = try #require(TinyDisk(bytes: 16 << 20))
            let scratch = Scratch(under: disk.path)
            let directory = try scratch.directory("rocksdb")
            let backend = try open(directory, ["memtable": .number(512 << 10)])
            let value = [UInt8](repeating: 7, count: 2000)
            try backend.put([(bytes("first"), value)], durability: .always)
            disk.fill("ballast", leaving: 4 << 20)
            var written = 0
            let refusal = #expect(throws: StorageError.self) {
                while true {
                    try backend.put([(bytes("key\(written)"), value)], durability: .always)
                    written += 1
                }
            }
            #expect(refusal?.code == .outOfSpace)
            #expect(try backend.get(bytes("first")) == value)
            #expect(try backend.get(bytes("key\(written)")) == nil)
            disk.remove("ballast")
            try backend.put([(bytes("key\(written)"), value)], durability: .always)
            #expect(try backend.snapshot().pairs().count == written + 2)
            #expect(backend.counter("background_errors") == 0)
            try backend.close()
            let reopened = try open(directory)
            #expect(try reopened.snapshot().pairs().count == written + 2)
            try reopened.close()
            directory.close()
        }

        @Test func aClosedBackendSaysSo() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("rocksdb")
            let backend = try open(directory)
            try backend.close()
            try backend.close()
            for attempt: () throws -> Void in [
                { try backend.put([([1], [1])]) }, { _ = try backend.makeReader() }, { _ = try backend.snapshot() },
                { try backend.sync() },
            ] {
                #expect(#expect(throws: StorageError.self, performing: attempt)?.code == .closed)
            }
            directory.close()
        }
    }
#endif
