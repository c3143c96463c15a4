/// What a replica holds of a partition, as sums by ranges of keys, so that two replicas find what differs without
/// listing what does not.
///
/// A leaf stands for a contiguous range of places (slot and 40-bit keyed hash of the key) and holds the XOR of the
/// digests of the records in it: a write takes the old digest out and puts the new one in. Inner nodes are the XOR of
/// the 16 below, kept up to date with the leaves: at most five words a write. XOR, unlike a hash of hashes, makes a
/// node's value independent of the tree's depth, so replicas whose trees are of different depth compare them down to
/// the less deep one's leaves. Digests are keyed with a secret, cover the stored key, and are 64 bits wide: sets that
/// differ have equal sums once in 2^64.
///
/// The depth follows the number of records, see ``fittingLevels``.
public struct MerkleTree: Hashable, Sendable {
    /// Children of an inner node.
    public static let fanout = 16
    /// The most levels below the root: a million leaves.
    public static let deepest = 5
    /// Records that a leaf is to hold at most, on average over records: what one difference makes compared.
    public static let crowd = 128

    public let slots: Range<Int>
    /// Levels below the root; the leaves are 16^levels.
    public private(set) var levels: Int
    public private(set) var records = 0
    /// Of all levels, the root first.
    private var sums: [UInt64]
    /// Records by leaf, and the sum of their squares.
    private var counts: [UInt32]
    private var squares: UInt64 = 0

    /// An empty tree.
    ///
    /// - Parameter slots: as many as a power of two.
    public init(slots: Range<Int>, levels: Int = 0) {
        precondition(slots.count.nonzeroBitCount == 1 && (0...Self.deepest).contains(levels))
        self.slots = slots
        self.levels = levels
        sums = Array(repeating: 0, count: Self.offset(levels + 1))
        counts = Array(repeating: 0, count: 1 << (4 * levels))
    }

    /// Where a level's nodes begin among all.
    private static func offset(_ level: Int) -> Int { ((1 << (4 * level)) - 1) / 15 }

    private var bits: Int { 40 + slots.count.trailingZeroBitCount }

    /// The node of a level that a place lies under.
    @inline(__always)
    private func index(_ place: UInt64, _ level: Int) -> Int {
        Int(truncatingIfNeeded: (place &- UInt64(slots.lowerBound) << 40) >> UInt64(bits - 4 * level))
    }

    /// The places under a node.
    public func places(level: Int, index: Int) -> Range<UInt64> {
        let width = UInt64(bits - 4 * level)
        let base = UInt64(slots.lowerBound) << 40
        return base + UInt64(index) << width..<base + UInt64(index + 1) << width
    }

    /// The sum of all records.
    public var root: UInt64 { sums[0] }

    /// The sum of the records under a node.
    public func sum(level: Int, index: Int) -> UInt64 { sums[Self.offset(level) + index] }

    /// Takes note of a write: the digest of the record that was there, and of the one that is; nil for none. The place
    /// is within the slots. O(levels), at most six words.
    public mutating func update(place: UInt64, removing old: UInt64?, adding new: UInt64?) {
        guard place >= UInt64(slots.lowerBound) << 40, place < UInt64(slots.upperBound) << 40 else { return }
        let change = (old ?? 0) ^ (new ?? 0)
        let (levels, bits, distance) = (levels, bits, place &- UInt64(slots.lowerBound) << 40)
        var nodes = sums.mutableSpan  // looked once whether the array is shared
        for level in 0...levels {
            nodes[Self.offset(level) + Int(truncatingIfNeeded: distance >> UInt64(bits - 4 * level))] ^= change
        }
        guard (old == nil) != (new == nil) else { return }
        let leaf = index(place, levels)
        let count = UInt64(counts[leaf])
        if old == nil {
            counts[leaf] += 1
            squares += 2 * count + 1
            records += 1
        } else if count > 0 {
            counts[leaf] -= 1
            squares -= 2 * count - 1
            records -= 1
        }
    }

    /// The levels that suit the records: as many as the tree has, unless a record's leaf is crowded, or there are
    /// hardly more records than leaves. More are made by a scan (``MerkleForest``), fewer at once (``coarsen(to:)``).
    ///
    /// Crowded is what records see, not what leaves do: keys of one hash tag fill few leaves. O(1), and O(leaves) where
    /// there are more leaves than half the records.
    public var fittingLevels: Int {
        guard records > 0 else { return 0 }
        if squares > UInt64(Self.crowd * records), levels < Self.deepest {
            return max(levels + 1, Self.levels(forRecords: records))
        }
        guard records < counts.count * 2, levels > 0 else { return levels }
        var coarser: UInt64 = 0
        for first in stride(from: 0, to: counts.count, by: Self.fanout) {
            let count = counts[first..<first + Self.fanout].reduce(0) { $0 + UInt64($1) }
            coarser += count * count
        }
        return coarser > UInt64(Self.crowd * records) ? levels : levels - 1
    }

    /// The levels that suit so many records, evenly spread.
    public static func levels(forRecords records: Int) -> Int {
        (0..<deepest).first { records <= crowd << (4 * $0) } ?? deepest
    }

    /// Drops levels. O(leaves).
    public mutating func coarsen(to fewer: Int) {
        guard fewer < levels else { return }
        let shift = 4 * (levels - fewer)
        var less = Array(repeating: UInt32(0), count: 1 << (4 * fewer))
        for leaf in counts.indices { less[leaf >> shift] += counts[leaf] }
        counts = less
        squares = counts.reduce(0) { $0 + UInt64($1) * UInt64($1) }
        levels = fewer
        sums.removeSubrange(Self.offset(fewer + 1)...)
    }

    /// Leaves in which two trees of the same records by different ways differ: none, unless something was missed.
    public func differingLeaves(_ other: MerkleTree) -> Int {
        let common = min(levels, other.levels)
        return (0..<1 << (4 * common)).count {
            sum(level: common, index: $0) != other.sum(level: common, index: $0)
        }
    }

    // MARK: Persisted form

    /// Appends the tree as it is kept across an orderly stop.
    ///
    /// ```
    /// version u8: 1    levels u8    first slot u16, slots u16    sequence u64: of the last batch that is in it
    /// by leaf: records varint, sum u64 where there are any    XXH3 of all that, u64
    /// ```
    public func append(to buffer: inout ByteBuffer, sequence: UInt64) {
        let start = buffer.count
        buffer.append(1)
        buffer.append(UInt8(levels))
        buffer.append(slots: slots)
        buffer.append(littleEndian: sequence)
        let first = Self.offset(levels)
        for leaf in counts.indices {
            buffer.append(varint: UInt64(counts[leaf]))
            if counts[leaf] > 0 { buffer.append(littleEndian: sums[first + leaf]) }
        }
        buffer.append(littleEndian: buffer.withBytes(start..<buffer.count) { XXH3.hash($0) })
    }

    /// Reads what ``append(to:sequence:)`` wrote.
    public init(_ bytes: RawSpan, sequence: inout UInt64) throws(ByteCursor.Malformed) {
        let end = bytes.byteCount - 8
        guard end >= 14, XXH3.hash(bytes.extracting(0..<end)) == bytes.littleEndian(end, as: UInt64.self) else {
            throw ByteCursor.Malformed()
        }
        var cursor = ByteCursor()
        let version = try cursor.byte(of: bytes)
        let levels = Int(try cursor.byte(of: bytes))
        let slots = try cursor.slots(after: nil, of: bytes)
        guard version == 1, levels <= Self.deepest, slots.count.nonzeroBitCount == 1 else {
            throw ByteCursor.Malformed()
        }
        let last = try cursor.littleEndian(of: bytes, as: UInt64.self)
        self.init(slots: slots, levels: levels)
        for leaf in counts.indices {
            let count = try cursor.varint(of: bytes)
            guard count <= UInt64(Int32.max), records + Int(count) <= Int(Int32.max) else {
                throw ByteCursor.Malformed()
            }
            counts[leaf] = UInt32(count)
            records += Int(count)
            squares += count * count
            guard count > 0 else { continue }
            let sum = try cursor.littleEndian(of: bytes, as: UInt64.self)
            for level in 0...levels { sums[Self.offset(level) + leaf >> (4 * (levels - level))] ^= sum }
        }
        guard cursor.offset == end else { throw ByteCursor.Malformed() }
        sequence = last
    }
}
