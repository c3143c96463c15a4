import MartletCore
import Testing

/// Messages that were changed on the way are refused, or read in bounds.
@Suite struct MerkleMessageTests {
    static func payload(_ kind: Int, _ random: inout Seeded) -> [UInt8] {
        var buffer = ByteBuffer()
        switch kind {
        case 0:
            let units = [3, 4, 200].map { (slots: $0 * 64..<($0 + 1) * 64, root: random.next()) }
            MerkleRoots(keyspaces: [
                .init(id: 1, generation: 2, units: units), .init(id: 5, generation: 0, units: []),
            ]).append(to: &buffer)
        case 1:
            MerkleRootsReply(entries: [
                .init(index: 1, outcome: .differs(levels: 3, records: 1000)), .init(index: 7, outcome: .unknown),
            ]).append(to: &buffer)
        case 2:
            var tree = MerkleTree(slots: 64..<128, levels: 2)
            for _ in 0..<50 {
                tree.update(place: (64 << 40) + random.next() % (64 << 40), removing: nil, adding: random.next())
            }
            MerkleNodes(keyspace: 1, generation: 2, tree: tree, level: 1, indices: [0, 3, 15]).append(to: &buffer)
        case 3: MerkleNodesReply(isRefused: false, differing: [3, 5, 50, 63]).append(to: &buffer)
        default:
            MerkleMark(keyspace: 3, generation: 1, slot: 77, node: random.next() % 2 == 0 ? 4 : nil).append(to: &buffer)
        }
        return buffer.copy()
    }

    static func read(_ kind: Int, _ bytes: [UInt8]) throws(ByteCursor.Malformed) {
        try withBytes(of: bytes) { payload throws(ByteCursor.Malformed) in
            switch kind {
            case 0: _ = try MerkleRoots(payload)
            case 1: _ = try MerkleRootsReply(payload, roots: 8)
            case 2: _ = try MerkleNodes(payload)
            case 3: _ = try MerkleNodesReply(payload, nodes: [0, 3])
            default: _ = try MerkleMark(payload)
            }
        }
    }

    @Test func wholeOnesAreReadAndCutOnesRefused() throws {
        var random = Seeded(1)
        for kind in 0..<5 {
            let bytes = Self.payload(kind, &random)
            try Self.read(kind, bytes)
            for length in 0..<bytes.count {
                #expect(throws: ByteCursor.Malformed.self) { try Self.read(kind, Array(bytes[..<length])) }
            }
            #expect(throws: ByteCursor.Malformed.self) { try Self.read(kind, bytes + [0]) }
        }
        // What was not asked about cannot differ.
        let reply = Self.payload(3, &random)
        #expect(throws: ByteCursor.Malformed.self) {
            try withBytes(of: reply) { _ = try MerkleNodesReply($0, nodes: [0, 2]) }
        }
        let roots = Self.payload(1, &random)
        #expect(throws: ByteCursor.Malformed.self) {
            try withBytes(of: roots) { _ = try MerkleRootsReply($0, roots: 7) }
        }
    }

    @Test func mutilatedOnesAreRefusedOrReadInBounds() {
        var random = Seeded(2)
        var refused = 0
        for round in 0..<20_000 {
            var bytes = Self.payload(round % 5, &random)
            for _ in 0...Int(random.next() % 3) where !bytes.isEmpty {
                let at = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[at] ^= 1 << UInt8(random.next() % 8)
                case 1: bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Int(random.next() % 5)]
                default: bytes.remove(at: at)
                }
            }
            do throws(ByteCursor.Malformed) { try Self.read(round % 5, bytes) } catch { refused += 1 }
        }
        #expect(refused > 1000 && refused < 20_000)
    }
}
