#if LMDB
    import Glibc
    import LMDBBackend
    import MartletCore
    @testable import MartletRuntime
    import Testing

    @Suite struct LMDBBackendTests {
        private func open(
            _ directory: DataDirectory, _ durability: Durability = .always, capacity: Int = 64 << 20,
            acceptsDataLoss: Bool = false
        ) throws(StorageError) -> any StorageBackend {
            try BackendKind.lmdb.open(
                BackendOpening(
                    directory: directory, settings: BackendSettings(["capacity": .number(capacity)]),
                    durability: durability, acceptsDataLoss: acceptsDataLoss))
        }

        private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

        @Test func contentsSurviveReopening() throws {
            let scratch = Scratch()
            for durability in Durability.allCases {
                let directory = try scratch.directory("lmdb", durability.name)
                let backend = try open(directory, durability)
                try backend.put([(bytes("a"), bytes("1")), (bytes("b"), bytes("2"))], durability: durability)
                try backend.delete([bytes("a")], durability: durability)
                try backend.close()
                directory.close()

                let again = try scratch.directory("lmdb", durability.name)
                let reopened = try open(again, durability)
                #expect(try reopened.snapshot().pairs().map(\.key) == [bytes("b")])
                #expect(try reopened.get(bytes("b")) == bytes("2"))
                try reopened.close()
                again.close()
            }
        }

        @Test func aTurnOfReadsEndsWithRefresh() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .none)
            let reader = try backend.makeReader()
            #expect(try reader.get(bytes("k")) == nil)
            try backend.put([(bytes("k"), bytes("new"))])
            reader.refresh()
            #expect(try reader.get(bytes("k")) == bytes("new"))
            reader.refresh()
            reader.refresh()
            #expect(backend.statistics().reads[.engine] == 2)
            try backend.close()
            directory.close()
        }

        @Test func unsyncedCommitsAreMarkedUntilClose() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .interval)
            #expect(directory.manifest.marks["unsynced"] == nil)
            try backend.put([(bytes("k"), bytes("v"))], durability: .interval)
            #expect(directory.manifest.marks["unsynced"] == DataDirectory.bootIdentifier)
            try backend.sync()
            #expect(directory.manifest.marks["unsynced"] != nil)
            try backend.close()
            #expect(directory.manifest.marks["unsynced"] == nil)
            directory.close()
        }

        @Test func syncedCommitsAreNotMarked() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .always)
            try backend.put([(bytes("k"), bytes("v"))], durability: .always)
            #expect(directory.manifest.marks["unsynced"] == nil)
            #expect(backend.statistics().syncs == 1)
            try backend.close()
            directory.close()
        }

        @Test func anotherBootRefusesUnsyncedCommits() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .none)
            try backend.put([(bytes("k"), bytes("v"))])
            try backend.close()
            try directory.update { $0.marks["unsynced"] = "another-boot" }
            let refusal = #expect(throws: StorageError.self) { try open(directory, .always) }
            #expect(refusal?.code == .incompatible)
            #expect(refusal?.message.contains("--accept-data-loss") == true)
            // This boot's mark is no reason: a killed process loses no page.
            try directory.update { $0.marks["unsynced"] = DataDirectory.bootIdentifier }
            let same = try open(directory, .always)
            #expect(directory.manifest.marks["unsynced"] == nil)
            #expect(try same.get(bytes("k")) == bytes("v"))
            try same.close()
            try directory.update { $0.marks["unsynced"] = "another-boot" }
            let accepted = try open(directory, .always, acceptsDataLoss: true)
            #expect(try accepted.get(bytes("k")) == bytes("v"))
            #expect(directory.manifest.marks["unsynced"] == nil)
            try accepted.close()
            directory.close()
        }

        @Test func aFullCapacityRefusesPutsAndTakesDeletes() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .none, capacity: 4 << 20)
            let value = [UInt8](repeating: 7, count: 2000)
            var written = 0
            let refusal = #expect(throws: StorageError.self) {
                while written < 10_000 {
                    try backend.put([(bytes("key\(written)"), value)])
                    written += 1
                }
            }
            #expect(refusal?.code == .outOfSpace)
            #expect(written > 500)
            // Nothing of the refused batch is there, all before it is.
            #expect(try backend.snapshot().pairs().count == written)
            #expect(try backend.get(bytes("key\(written)")) == nil)
            for index in 0..<written { try backend.delete([bytes("key\(index)")]) }
            #expect(try backend.snapshot().pairs().isEmpty)
            for index in 0..<(written / 2) { try backend.put([(bytes("again\(index)"), value)]) }
            #expect(try backend.snapshot().pairs().count == written / 2)
            try backend.close()
            directory.close()

            // A greater capacity at the next open takes more.
            let again = try scratch.directory("lmdb")
            let larger = try open(again, .none, capacity: 16 << 20)
            for index in 0..<(written * 2) { try larger.put([(bytes("more\(index)"), value)]) }
            #expect(try larger.snapshot().pairs().count == written / 2 + written * 2)
            try larger.close()
            again.close()
        }

        @Test func aCutOffFileIsRefused() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory)
            try backend.put(
                (0..<200).map { (bytes("k\($0)"), [UInt8](repeating: 1, count: 1000)) }, durability: .always)
            try backend.close()
            #expect(truncate(directory.path + "/data.mdb", 16384) == 0)
            #expect(throws: StorageError.self) { try open(directory) }
            directory.close()
        }

        @Test func aCheckpointOpensByItself() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .none)
            try backend.put([(bytes("k"), bytes("old"))])
            try backend.checkpoint(to: scratch.path + "/copy")
            try backend.put([(bytes("k"), bytes("new"))])
            let copy = try scratch.directory("lmdb", "copy")
            let opened = try open(copy)
            #expect(try opened.get(bytes("k")) == bytes("old"))
            try opened.close()
            try backend.close()
            #expect(throws: StorageError.self) { try backend.checkpoint(to: scratch.path + "/late") }
            copy.close()
            directory.close()
        }

        @Test func figuresAreThere() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory)
            try backend.put((0..<500).map { (bytes("k\($0)"), bytes("v")) }, durability: .always)
            let statistics = backend.statistics()
            #expect(statistics.keys == 500)
            #expect(statistics.bytesApplied == UInt64((0..<500).reduce(0) { $0 + "k\($1)".utf8.count + 1 }))
            #expect(statistics.bytesWritten >= 4096)
            #expect(statistics.bytesOnDisk >= 8192)
            #expect(backend.counter("depth")! >= 1)
            #expect(backend.counter("used_bytes")! > 0)
            #expect(BackendKind.lmdb.version.hasPrefix("LMDB 0."))
            try backend.close()
            directory.close()
        }

        @Test(.enabled(if: TinyDisk.isPossible, "needs the right to mount a file system"))
        func aFullDiskRefusesAndRecovers() throws {
            let disk = try #require(TinyDisk(bytes: 8 << 20))
            let scratch = Scratch(under: disk.path)
            let directory = try scratch.directory("lmdb")
            let backend = try open(directory, .always)
            let value = [UInt8](repeating: 7, count: 2000)
            try backend.put([(bytes("first"), value)], durability: .always)
            disk.fill("ballast", leaving: 1 << 20)
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
            try backend.close()
            directory.close()
        }

        @Test func aClosedBackendSaysSo() throws {
            let scratch = Scratch()
            let directory = try scratch.directory("lmdb")
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
