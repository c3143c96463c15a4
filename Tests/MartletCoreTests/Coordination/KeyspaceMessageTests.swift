import MartletCore
import Testing

/// The messages of walks and flushes read back what was written, and nothing else.
@Suite struct KeyspaceMessageTests {
    static func request(_ random: inout Seeded) -> KeyPageRequest {
        KeyPageRequest(
            keyspace: UInt32(random.next() % 4), generation: UInt32(random.next() % 9),
            limit: UInt32(random.next() % 3 * 100), from: random.next() % KeyPageReply.end,
            slots: [0..<1, 5..<Int(6 + random.next() % 500), 9000..<16384].suffix(Int(random.next() % 3) + 1))
    }

    static func reply(_ random: inout Seeded) -> KeyPageReply {
        if random.next() % 8 == 0 { return .refused }
        let keys = (0..<Int(random.next() % 5)).map { _ in (0..<Int(random.next() % 9)).map { UInt8($0) } }
        return KeyPageReply(
            next: random.next() % 2 == 0 ? nil : random.next() % KeyPageReply.end,
            seen: keys.count + Int(random.next() % 300), live: keys.count, keys: keys)
    }

    static func generations(_ random: inout Seeded) -> KeyspaceGenerations {
        KeyspaceGenerations(
            (0..<UInt32(random.next() % 4)).map {
                KeyspaceGenerations.Entry(keyspace: $0 * 3, generation: UInt32(random.next() % 1000))
            })
    }

    /// An encoded message of a kind.
    static func payload(_ kind: Int, _ random: inout Seeded) -> [UInt8] {
        var buffer = ByteBuffer()
        switch kind {
        case 0: request(&random).append(to: &buffer)
        case 1: reply(&random).append(to: &buffer)
        default: generations(&random).append(to: &buffer)
        }
        return buffer.copy()
    }

    /// Reads a payload and writes it anew.
    static func rewritten(_ kind: Int, _ bytes: [UInt8]) throws(ByteCursor.Malformed) -> [UInt8] {
        try withBytes(of: bytes) { payload throws(ByteCursor.Malformed) in
            var buffer = ByteBuffer()
            switch kind {
            case 0: try KeyPageRequest(payload).append(to: &buffer)
            case 1: try KeyPageReply(payload).append(to: &buffer)
            default: try KeyspaceGenerations(payload).append(to: &buffer)
            }
            return buffer.copy()
        }
    }

    @Test func whatWasWrittenIsReadBack() throws {
        var random = Seeded(1)
        for _ in 0..<300 {
            for kind in 0..<3 {
                let bytes = Self.payload(kind, &random)
                #expect(try Self.rewritten(kind, bytes) == bytes)
                // Cut anywhere, or longer, it is none.
                for length in 0..<bytes.count {
                    #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(kind, Array(bytes.prefix(length))) }
                }
                #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(kind, bytes + [0]) }
            }
        }
        let request = Self.request(&random)
        var buffer = ByteBuffer()
        request.append(to: &buffer)
        #expect(try withBytes(of: buffer.copy()) { try KeyPageRequest($0) } == request)
    }

    @Test func whatCannotBeIsRefused() {
        func bytes(_ body: (inout ByteBuffer) -> Void) -> [UInt8] {
            var buffer = ByteBuffer()
            body(&buffer)
            return buffer.copy()
        }
        var reply = KeyPageReply(next: KeyPageReply.end + 1, seen: 1, live: 1, keys: [])
        #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(1, bytes { reply.append(to: &$0) }) }
        reply = KeyPageReply(next: nil, seen: 1, live: 2, keys: [])
        #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(1, bytes { reply.append(to: &$0) }) }
        reply = KeyPageReply(next: nil, seen: 3, live: 2, keys: [[1]])
        #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(1, bytes { reply.append(to: &$0) }) }
        // A generation that could not be raised any more, and one keyspace twice.
        let last = KeyspaceGenerations([.init(keyspace: 1, generation: .max)])
        #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(2, bytes { last.append(to: &$0) }) }
        let twice = KeyspaceGenerations([.init(keyspace: 1, generation: 2), .init(keyspace: 1, generation: 3)])
        #expect(throws: ByteCursor.Malformed.self) { try Self.rewritten(2, bytes { twice.append(to: &$0) }) }
    }

    @Test func mutilatedPayloadsAreRefusedOrReadInBounds() {
        var random = Seeded(7)
        var refused = 0
        for round in 0..<30_000 {
            var bytes = Self.payload(round % 3, &random)
            for _ in 0...Int(random.next() % 3) where !bytes.isEmpty {
                let at = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[at] ^= 1 << UInt8(random.next() % 8)
                case 1: bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Int(random.next() % 5)]
                default: bytes.remove(at: at)
                }
            }
            do throws(ByteCursor.Malformed) { _ = try Self.rewritten(round % 3, bytes) } catch { refused += 1 }
        }
        #expect(refused > 5000)
    }
}
