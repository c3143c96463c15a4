import MartletCore
import Testing

/// Trees against the sets they are sums of.
@Suite struct MerkleTreeTests {
    static let slots = 128..<192

    static func place(_ random: inout Seeded, in slots: Range<Int> = slots) -> UInt64 {
        (UInt64(slots.lowerBound) << 40) + random.next() % (UInt64(slots.count) << 40)
    }

    static func tree(_ records: [UInt64: UInt64], levels: Int) -> MerkleTree {
        var tree = MerkleTree(slots: slots, levels: levels)
        for (place, digest) in records { tree.update(place: place, removing: nil, adding: digest) }
        return tree
    }

    @Test(arguments: seeds) func everyNodeIsTheSumOfWhatIsUnderIt(seed: UInt64) {
        var random = Seeded(seed)
        var records: [UInt64: UInt64] = [:]
        var tree = MerkleTree(slots: Self.slots, levels: Int(seed % 4))
        for _ in 0..<1000 {
            let known = records.keys.sorted().randomElement(using: &random)
            let place = random.next() % 2 == 0 ? known ?? 128 << 40 : Self.place(&random)
            let new = random.next() % 3 == 0 ? nil : random.next()
            tree.update(place: place, removing: records[place], adding: new)
            records[place] = new
            if records.count > 300 {
                records.keys.sorted().prefix(200).forEach { gone in
                    tree.update(place: gone, removing: records[gone], adding: nil)
                    records[gone] = nil
                }
            }
        }
        #expect(tree.records == records.count)
        #expect(tree == Self.tree(records, levels: tree.levels))
        for level in 0...tree.levels {
            var ranges = 0
            for index in 0..<1 << (4 * level) {
                let range = tree.places(level: level, index: index)
                let sum = records.filter { range.contains($0.key) }.reduce(0) { $0 ^ $1.value }
                guard sum != tree.sum(level: level, index: index) else { continue }
                Issue.record("level \(level), node \(index)")
                ranges += 1
            }
            #expect(ranges == 0)
        }
    }

    @Test func aTreesDepthFollowsItsRecords() {
        for (records, levels) in [(0, 0), (128, 0), (129, 1), (2048, 1), (2049, 2), (1_000_000, 4), (100_000_000, 5)] {
            #expect(MerkleTree.levels(forRecords: records) == levels)
        }
        var random = Seeded(1)
        var tree = MerkleTree(slots: Self.slots, levels: 1)
        for _ in 0..<1000 { tree.update(place: Self.place(&random), removing: nil, adding: random.next()) }
        #expect(tree.fittingLevels == 1)
        for _ in 0..<3000 { tree.update(place: Self.place(&random), removing: nil, adding: random.next()) }
        #expect(tree.fittingLevels == 2)
        // All in one slot, as keys of one hash tag are: few records, but crowded.
        var tagged = MerkleTree(slots: Self.slots, levels: 1)
        for _ in 0..<400 {
            tagged.update(place: Self.place(&random, in: 130..<131), removing: nil, adding: random.next())
        }
        #expect(tagged.fittingLevels == 2)
        let hollow = MerkleTree(slots: Self.slots, levels: 3)
        #expect(hollow.fittingLevels == 0)
    }

    /// Keys of one hash tag fill one slot: a tree that is deep enough for them is not made flat for its empty leaves.
    @Test func aTreeOfOneHashTagFindsItsDepth() {
        var tree = MerkleTree(slots: 0..<64)
        var random = Seeded(1)
        let places = (0..<170).map { _ in UInt64(5) << 40 | random.next() >> 24 }
        for step in 0... {
            let levels = step == 0 ? 0 : tree.fittingLevels
            guard step == 0 || levels != tree.levels else { break }
            #expect(step < 6, "it goes on for ever")
            guard step < 6 else { break }
            tree = MerkleTree(slots: 0..<64, levels: levels)
            for place in places { tree.update(place: place, removing: nil, adding: place) }
        }
        #expect(tree.levels == 2)
    }

    @Test(arguments: seeds) func treesOfDifferentDepthAgreeWhereBothHaveNodes(seed: UInt64) {
        var random = Seeded(seed)
        var records: [UInt64: UInt64] = [:]
        for _ in 0..<500 { records[Self.place(&random)] = random.next() }
        let deep = Self.tree(records, levels: 3)
        let flat = Self.tree(records, levels: 1)
        #expect(deep.root == flat.root && deep.differingLeaves(flat) == 0)
        for index in 0..<16 { #expect(deep.sum(level: 1, index: index) == flat.sum(level: 1, index: index)) }
        var coarse = deep
        coarse.coarsen(to: 1)
        #expect(coarse == flat)
        var other = flat
        other.update(place: Self.place(&random), removing: nil, adding: 5)
        #expect(deep.differingLeaves(other) == 1 && deep.root != other.root)
    }

    @Test(arguments: seeds) func whatWasKeptIsReadBack(seed: UInt64) throws {
        var random = Seeded(seed)
        var records: [UInt64: UInt64] = [:]
        for _ in 0..<Int(seed * 40) { records[Self.place(&random)] = random.next() }
        let tree = Self.tree(records, levels: Int(seed % 3))
        var buffer = ByteBuffer()
        tree.append(to: &buffer, sequence: 77)
        let bytes = buffer.copy()
        var sequence: UInt64 = 0
        #expect(try withBytes(of: bytes) { try MerkleTree($0, sequence: &sequence) } == tree)
        #expect(sequence == 77)
        for length in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: ByteCursor.Malformed.self) {
                try withBytes(of: Array(bytes[..<length])) { try MerkleTree($0, sequence: &sequence) }
            }
        }
        for _ in 0..<200 {
            var damaged = bytes
            damaged[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
            #expect(throws: ByteCursor.Malformed.self) {
                try withBytes(of: damaged) { try MerkleTree($0, sequence: &sequence) }
            }
        }
    }

    /// Bytes with a right checksum need not be a tree.
    @Test func whatIsNoTreeIsRefusedThoughItsChecksumIsRight() {
        var random = Seeded(3)
        var buffer = ByteBuffer()
        Self.tree([Self.place(&random): 1, Self.place(&random): 2], levels: 1).append(to: &buffer, sequence: 1)
        let whole = Array(buffer.copy().dropLast(8))
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0...Int(random.next() % 3) {
                let at = Int(random.next() % UInt64(bytes.count))
                bytes[at] = [0, 0x7f, 0xff, UInt8(truncatingIfNeeded: random.next())][Int(random.next() % 4)]
            }
            var sealed = ByteBuffer()
            sealed.append(bytes)
            sealed.append(littleEndian: withBytes(of: bytes) { XXH3.hash($0) })
            var sequence: UInt64 = 0
            do throws(ByteCursor.Malformed) {
                _ = try sealed.withBytes { payload throws(ByteCursor.Malformed) in
                    try MerkleTree(payload, sequence: &sequence)
                }
            } catch { refused += 1 }
        }
        #expect(refused > 1000 && refused < 20_000)
    }
}
