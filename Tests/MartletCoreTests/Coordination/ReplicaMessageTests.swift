import MartletCore
import Testing

@Suite struct ReplicaMessageTests {
    /// A payload of each kind, all of whose options occur.
    static func payload(_ kind: Int, _ random: inout Seeded) -> [UInt8] {
        var buffer = ByteBuffer()
        let count = Int.random(in: 1...4, using: &random)
        switch kind {
        case 0:
            let purposes: [ReplicaWrite.Purpose] = [.owner, .hint(node: 7), .repair]
            ReplicaWrite.begin(
                purposes.randomElement(using: &random) ?? .owner, durability: .always, count: count, in: &buffer)
            for _ in 0..<count {
                withBytes(of: storedKey(&random)) { key in
                    withBytes(of: random.bytes(Int.random(in: 1...40, using: &random))) {
                        ReplicaWrite.append(key: key, record: $0, to: &buffer)
                    }
                }
            }
        case 1:
            ReplicaWriteReply.begin(count: count, in: &buffer)
            for _ in 0..<count { ReplicaWriteReply.append(outcome(&random), to: &buffer) }
        case 2:
            ReplicaRead.begin(isDigestOnly: Bool.random(using: &random), count: count, in: &buffer)
            for _ in 0..<count {
                withBytes(of: storedKey(&random)) { ReplicaRead.append(key: $0, to: &buffer) }
            }
        default:
            ReplicaReadReply.begin(count: count, in: &buffer)
            for _ in 0..<count { appendRead(&random, to: &buffer) }
        }
        return buffer.copy()
    }

    static func storedKey(_ random: inout Seeded) -> [UInt8] {
        var key = [StoredKey.Class.data.rawValue] + random.bytes(15 + Int.random(in: 0...20, using: &random))
        key[9] &= 0x3f  // a slot
        return key
    }

    static func outcome(_ random: inout Seeded) -> ReplicaWriteReply.Outcome {
        Bool.random(using: &random)
            ? .acknowledged(ReplicaDurability.allCases.randomElement(using: &random) ?? .none, stamp: random.number())
            : .refused(ReplicaRefusal.allCases.randomElement(using: &random) ?? .other)
    }

    static func appendRead(_ random: inout Seeded, to buffer: inout ByteBuffer) {
        let replies: [ReadReply] = [
            .version(.notFound), .version(.found(random.next())), .unknownHere, .damaged, .refused(.wrongEpoch),
        ]
        if Bool.random(using: &random) {
            withBytes(of: random.bytes(Int.random(in: 1...30, using: &random))) {
                ReplicaReadReply.append(record: $0, digest: 77, to: &buffer)
            }
        } else {
            ReplicaReadReply.append(replies.randomElement(using: &random) ?? .damaged, to: &buffer)
        }
    }

    /// Reads a payload and writes what was read; throws if it is malformed.
    static func rewritten(_ kind: Int, _ bytes: [UInt8]) throws -> [UInt8] {
        var buffer = ByteBuffer()
        try withBytes(of: bytes) { payload in
            switch kind {
            case 0: try rewriteWrite(payload, to: &buffer)
            case 1:
                let reply = try ReplicaWriteReply(payload)
                ReplicaWriteReply.begin(count: reply.count, in: &buffer)
                var outcomes = reply.outcomes()
                while let outcome = try outcomes.next(of: payload) { ReplicaWriteReply.append(outcome, to: &buffer) }
            case 2:
                let read = try ReplicaRead(payload)
                ReplicaRead.begin(isDigestOnly: read.isDigestOnly, count: read.count, in: &buffer)
                var keys = read.keys()
                while let key = try keys.next(of: payload) {
                    ReplicaRead.append(key: payload.extracting(key), to: &buffer)
                }
            default: try rewriteReadReply(payload, to: &buffer)
            }
        }
        return buffer.copy()
    }

    static func rewriteWrite(_ payload: RawSpan, to buffer: inout ByteBuffer) throws {
        let write = try ReplicaWrite(payload)
        ReplicaWrite.begin(write.purpose, durability: write.durability, count: write.count, in: &buffer)
        var entries = write.entries()
        while let entry = try entries.next(of: payload) {
            ReplicaWrite.append(
                key: payload.extracting(entry.key), record: payload.extracting(entry.record), to: &buffer)
        }
    }

    static func rewriteReadReply(_ payload: RawSpan, to buffer: inout ByteBuffer) throws {
        let reply = try ReplicaReadReply(payload)
        ReplicaReadReply.begin(count: reply.count, in: &buffer)
        var entries = reply.entries()
        while let entry = try entries.next(of: payload) {
            if let record = entry.record, case .version(.found(let digest)) = entry.reply {
                ReplicaReadReply.append(record: payload.extracting(record), digest: digest, to: &buffer)
            } else {
                ReplicaReadReply.append(entry.reply, to: &buffer)
            }
        }
    }

    @Test("what is written is read, and written again the same", arguments: 0..<4)
    func roundTrip(kind: Int) throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = Seeded(seed)
            let payload = Self.payload(kind, &random)
            #expect(try Self.rewritten(kind, payload) == payload, "seed \(seed)")
        }
    }

    @Test("cut anywhere, or with a byte too many, it is malformed", arguments: 0..<4)
    func cut(kind: Int) {
        for seed in seeds {
            var random = Seeded(seed)
            let payload = Self.payload(kind, &random)
            for count in 0..<payload.count {
                #expect(throws: ByteCursor.Malformed.self) {
                    try Self.rewritten(kind, Array(payload.prefix(count)))
                }
            }
            #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(kind, payload + [0]) }
        }
    }

    @Test("damaged anywhere, it is read or refused, never a trap", arguments: 0..<4)
    func mutated(kind: Int) {
        var (read, refused) = (0, 0)
        for seed in 0..<300 as Range<UInt64> {
            var random = Seeded(seed &+ 1000)
            let payload = Self.payload(kind, &random)
            for _ in 0..<20 {
                var damaged = payload
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let at = Int.random(in: 0..<damaged.count, using: &random)
                    let extremes: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random.next())]
                    damaged[at] = extremes.randomElement(using: &random) ?? 0
                }
                if let again = try? Self.rewritten(kind, damaged) {
                    read += 1
                    #expect(again.count <= damaged.count)
                } else {
                    refused += 1
                }
            }
        }
        #expect(read > 0 && refused > 0)
    }

    @Test("random bytes are refused or read, never a trap", arguments: seeds)
    func garbage(seed: UInt64) {
        var random = Seeded(seed)
        var refused = 0
        for _ in 0..<2000 {
            let bytes = random.bytes(Int.random(in: 0..<60, using: &random))
            for kind in 0..<4 where (try? Self.rewritten(kind, bytes)) == nil { refused += 1 }
        }
        #expect(refused > 1000)
    }

    @Test("lengths and counts beyond what is there are refused before anything is set aside for them")
    func claims() {
        let key = [UInt8](repeating: 1, count: 16)
        let huge: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
        let bad: [(Int, [UInt8])] = [
            (0, [0, 0] + huge), (0, [0, 0, 1] + huge + key), (0, [0, 0, 1, 16] + key + huge),
            (0, [0, 0, 0]), (0, [3, 0, 1, 16] + key + [1, 1]), (0, [0, 9, 1, 16] + key + [1, 1]),
            (0, [0, 0, 1, 16] + key + [0]),  // a record of no bytes
            (0, [0, 0, 1, 15] + Array(key.dropLast()) + [1, 1]),  // a key without a whole prefix
            (0, [0, 0, 1, 16, 2] + Array(key.dropLast()) + [1, 1]),  // a node's own entry
            (0, [0, 0, 1, 16] + key[..<9] + [0x40] + key[10...] + [1, 1]),  // no slot
            (1, [0x80, 0x80, 0x80, 0x01] + [UInt8](repeating: 1, count: 100)), (1, [1, 0, 3] + key),
            (2, [2, 1, 16] + key), (3, [1, 5]), (3, [1, 2] + key),
        ]
        for (kind, bytes) in bad {
            #expect(throws: ByteCursor.Malformed.self, "\(kind) \(bytes)") { try Self.rewritten(kind, bytes) }
        }
        #expect(throws: Never.self) { try Self.rewritten(0, [0, 0, 1, 16] + key + [1, 1]) }
    }
}
