#if LMDB
    import LMDBBackend
    import MartletCore
    import MartletRuntime
    import Testing

    /// Keys beyond LMDB's 511 bytes: kept in buckets, in order, read exactly.
    @Suite struct LMDBLongKeyTests {
        private func open(_ scratch: Scratch) throws -> (any StorageBackend, DataDirectory) {
            let directory = try scratch.directory("lmdb")
            return (try BackendKind.lmdb.open(BackendOpening(directory: directory, durability: .none)), directory)
        }

        /// Keys of all lengths around the limits that share long prefixes with each other.
        private func keys() -> [[UInt8]] {
            var keys: [[UInt8]] = []
            for length in [1, 2, 16, 509, 510, 511, 512, 513, 700, 1040, 1088, 5000] {
                for (fill, last) in [(0, 0), (0, 1), (0, 255), (7, 7), (7, 8), (255, 0), (255, 254), (255, 255)] {
                    keys.append([UInt8](repeating: UInt8(fill), count: length - 1) + [UInt8(last)])
                }
            }
            return Array(Set(keys))
        }

        @Test func everyLengthIsReadAndScannedInOrder() throws {
            let scratch = Scratch()
            let (backend, directory) = try open(scratch)
            let keys = keys()
            try backend.put(keys.map { ($0, Array("\($0.count)/\($0[0])/\($0.last!)".utf8)) })
            let sorted = keys.sorted(by: precedes)
            for key in keys {
                #expect(try backend.get(key) == Array("\(key.count)/\(key[0])/\(key.last!)".utf8))
                #expect(try backend.get(key + [3]) == nil)
            }
            #expect(try backend.snapshot().pairs().map(\.key) == sorted)
            // Every key as lower and as upper bound, inside and at the edge of buckets.
            for (index, key) in sorted.enumerated() {
                #expect(try backend.snapshot().pairs(from: key).map(\.key) == Array(sorted[index...]))
                #expect(try backend.snapshot().pairs(to: key).map(\.key) == Array(sorted[..<index]))
                #expect(try backend.snapshot().pairs(from: key + [0]).first?.key == sorted[(index + 1)...].first)
            }
            try backend.close()
            directory.close()
        }

        @Test func aModelOfPutsAndDeletesAgrees() throws {
            let scratch = Scratch()
            let (backend, directory) = try open(scratch)
            var random = Sequence64(state: 11)
            let keys = keys()
            var model: [[UInt8]: [UInt8]] = [:]
            for _ in 0..<200 {
                var batch = WriteBatch()
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    let key = keys.randomElement(using: &random)!
                    if Bool.random(using: &random) {
                        batch.delete(key.span.bytes)
                        model[key] = nil
                    } else {
                        let value = [UInt8](
                            repeating: .random(in: 0...255, using: &random), count: .random(in: 0...900, using: &random)
                        )
                        batch.put(key.span.bytes, value.span.bytes)
                        model[key] = value
                    }
                }
                try backend.apply(batch, durability: .none)
            }
            let pairs = try backend.snapshot().pairs()
            #expect(pairs.map(\.key) == model.keys.sorted(by: precedes))
            #expect(pairs.map(\.value) == pairs.map { model[$0.key] })
            for key in keys { #expect(try backend.get(key) == model[key]) }
            try backend.delete(keys)
            #expect(try backend.snapshot().pairs().isEmpty)
            #expect(backend.statistics().keys == 0)
            try backend.close()
            directory.close()
        }

        @Test func theEmptyKeyIsAKey() throws {
            let scratch = Scratch()
            let (backend, directory) = try open(scratch)
            try backend.put([([], [1]), ([0], [2]), ([255], [])])
            #expect(try backend.get([]) == [1])
            #expect(try backend.snapshot().pairs().map(\.key) == [[], [0], [255]])
            #expect(try backend.snapshot().pairs(from: [0]).map(\.value) == [[2], []])
            try backend.delete([[]])
            #expect(try backend.get([]) == nil)
            #expect(try backend.get([0]) == [2])
            try backend.close()
            directory.close()
        }
    }
#endif
