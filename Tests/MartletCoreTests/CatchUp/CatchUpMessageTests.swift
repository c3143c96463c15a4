import MartletCore
import Testing

/// The messages of catch-up read back what was written, and nothing else.
@Suite struct CatchUpMessageTests {
    static func key(_ slot: Int, _ random: inout Seeded) -> [UInt8] {
        StoredKey.lowerBound(keyspace: 7, generation: 2, slot: UInt16(slot), hash: random.next() >> 24)
            + (0..<Int(random.next() % 9)).map { UInt8($0) }
    }

    static func keys(_ count: Int, _ random: inout Seeded) -> [[UInt8]] {
        let keys = (0..<count).map { _ in key([3, 5, 200][Int(random.next() % 3)], &random) }
        return Set(keys).sorted { $0.lexicographicallyPrecedes($1) }
    }

    static func payload(_ kind: Int, _ random: inout Seeded) -> [UInt8] {
        var buffer = ByteBuffer()
        let keys = keys(Int(random.next() % 5), &random)
        switch kind {
        case 0:
            CatchUpStates(
                wantsAnswer: true, hasServed: random.next() % 2 == 0,
                keyspaces: [
                    .init(id: 1, generation: 3, runs: []),
                    .init(
                        id: 2, generation: 1,
                        runs: [
                            CatchUpRun(slots: 0..<64, state: .needs), CatchUpRun(slots: 64..<16384, state: .caughtUp),
                        ]),
                ]
            ).append(to: &buffer)
        case 1:
            CatchUpPage(
                keyspace: 7, generation: 2, slots: [3..<6, 200..<201], from: keys.first ?? [], upTo: [],
                count: keys.count
            ).append(to: &buffer)
            for key in keys { withBytes(of: key) { CatchUpPage.append(key: $0, digest: random.next(), to: &buffer) } }
        case 2:
            let page = CatchUpPageReply(upTo: keys.last ?? [], wanted: [0, 4, 5, 9], count: keys.count)
            page.append(to: &buffer)
            for key in keys {
                withBytes(of: key) { ReplicaWrite.append(key: $0, record: $0, to: &buffer) }
            }
        default:
            CatchUpMark(
                durability: .always, workers: 4, worker: 3, keyspaces: [9: [0..<1, 7..<16384], 2: [], 3: [5..<6]]
            ).append(to: &buffer)
        }
        return buffer.copy()
    }

    /// Reads a payload and all that is in it.
    static func read(_ kind: Int, _ bytes: [UInt8]) throws(ByteCursor.Malformed) -> Int {
        try withBytes(of: bytes) { payload throws(ByteCursor.Malformed) in
            switch kind {
            case 0: return try CatchUpStates(payload).keyspaces.count
            case 1:
                let page = try CatchUpPage(payload)
                var (entries, sum) = (page.entries(), 0)
                while let entry = try entries.next(of: payload) { sum += entry.key.count }
                return sum
            case 2:
                let reply = try CatchUpPageReply(payload, entries: 10)
                var (records, sum) = (reply.records(), reply.wanted.count)
                while let record = try records.next(of: payload) { sum += record.record.count }
                return sum
            default: return try CatchUpMark(payload).keyspaces.count
            }
        }
    }

    @Test func whatWasWrittenIsReadBack() throws {
        var random = Seeded(1)
        for _ in 0..<200 {
            for kind in 0..<4 {
                let bytes = Self.payload(kind, &random)
                _ = try Self.read(kind, bytes)
                // Cut anywhere, or longer, it is none.
                for length in 0..<bytes.count {
                    #expect(throws: ByteCursor.Malformed.self) { try Self.read(kind, Array(bytes.prefix(length))) }
                }
                #expect(throws: ByteCursor.Malformed.self) { try Self.read(kind, bytes + [0]) }
            }
        }
        let mark = Self.payload(3, &random)
        let read = try withBytes(of: mark) { try CatchUpMark($0) }
        #expect(read.keyspaces == [9: [0..<1, 7..<16384], 2: [], 3: [5..<6]] && read.worker == 3)
        #expect(read.covers(8..<100, ofKeyspace: 9) && !read.covers(0..<2, ofKeyspace: 9))
        #expect(!read.covers(0..<1, ofKeyspace: 2) && !read.covers(0..<1, ofKeyspace: 1))
        let reply = Self.payload(2, &random)
        #expect(try withBytes(of: reply) { try CatchUpPageReply($0, entries: 10) }.wanted == [0, 4, 5, 9])
        #expect(throws: ByteCursor.Malformed.self) {
            try withBytes(of: reply) { try CatchUpPageReply($0, entries: 9) }
        }
    }

    @Test func mutilatedPayloadsAreRefusedOrReadInBounds() {
        var random = Seeded(7)
        var refused = 0
        for round in 0..<40_000 {
            var bytes = Self.payload(round % 4, &random)
            for _ in 0...Int(random.next() % 3) where !bytes.isEmpty {
                let at = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[at] ^= 1 << UInt8(random.next() % 8)
                case 1: bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Int(random.next() % 5)]
                default: bytes.remove(at: at)
                }
            }
            do throws(ByteCursor.Malformed) { _ = try Self.read(round % 4, bytes) } catch { refused += 1 }
        }
        #expect(refused > 1000 && refused < 40_000)
    }

    @Test func aPageHoldsItsOwnKeysOnlyAndInOrder() throws {
        var random = Seeded(3)
        func bytes(_ keys: [[UInt8]], slots: [Range<Int>] = [3..<6], from: [UInt8] = [], upTo: [UInt8] = []) -> [UInt8]
        {
            var buffer = ByteBuffer()
            CatchUpPage(keyspace: 7, generation: 2, slots: slots, from: from, upTo: upTo, count: keys.count)
                .append(to: &buffer)
            for key in keys { withBytes(of: key) { CatchUpPage.append(key: $0, digest: 1, to: &buffer) } }
            return buffer.copy()
        }
        let (low, high) = (Self.key(3, &random), Self.key(5, &random))
        let other = StoredKey.lowerBound(keyspace: 8, generation: 2, slot: 3)
        #expect(try Self.read(1, bytes([low, high])) == low.count + high.count)
        for wrong in [
            bytes([high, low]), bytes([low, low]), bytes([Self.key(6, &random)]), bytes([other]),
            bytes([low], from: high), bytes([high], upTo: high), bytes([], upTo: Self.key(9, &random)),
        ] {
            #expect(throws: ByteCursor.Malformed.self) { try Self.read(1, wrong) }
        }
    }
}
