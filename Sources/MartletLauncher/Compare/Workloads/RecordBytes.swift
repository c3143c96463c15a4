internal import MartletCore

/// The keys and values of a data set, each derived from the record's number, so that a wrong reply is noticed.
///
/// A value holds its record's number and version, and ends with a hash of all before it. Of the bytes between, one half
/// is random and one half is words that compress: what an engine gains by compression is neither nothing nor all.
struct RecordBytes: Sendable {
    /// Bytes of a key: `user` and 16 hexadecimal digits.
    static let keySize = 20
    /// The least size of a value.
    static let leastValue = 24
    let valueSize: Int
    let seed: UInt64

    init(valueSize: Int, seed: UInt64) {
        precondition(valueSize >= Self.leastValue)
        self.valueSize = valueSize
        self.seed = seed
    }

    /// Appends the key of a record: scattered one to one, so that insertion order is not key order.
    static func appendKey(_ record: Int, to buffer: inout ByteBuffer) {
        buffer.append("user")
        let scattered = WorkloadRandom.mix(UInt64(record) &+ 0x51_7c_c1_b7)
        var digits: UInt64 = 0
        for half in 0..<2 {
            for position in 0..<8 {
                let nibble = UInt8(truncatingIfNeeded: scattered >> UInt64(60 - 4 * (half * 8 + position)) & 15)
                digits = digits << 8 | UInt64(nibble < 10 ? 48 + nibble : 87 + nibble)
            }
            buffer.append(bigEndian: digits)
        }
    }

    private static let words: [UInt64] = [
        0x7377_6966_7420_6d61, 0x7274_6c65_7420_7769, 0x6e67_7320_6f76_6572, 0x2074_6865_2073_6561,
    ]

    /// Appends the value of a record at a version.
    func appendValue(_ record: Int, version: UInt32, to buffer: inout ByteBuffer) {
        let start = buffer.count
        buffer.reserve(valueSize)
        buffer.append(littleEndian: UInt64(record))
        buffer.append(littleEndian: UInt64(version))
        let body = valueSize - Self.leastValue
        var random = WorkloadRandom(seed: seed ^ WorkloadRandom.mix(UInt64(record) << 32 | UInt64(version)))
        for _ in 0..<(body / 16) { buffer.append(littleEndian: random.next()) }
        var word = record
        while buffer.count - start + 8 <= valueSize - 8 {
            buffer.append(bigEndian: Self.words[word & 3])
            word += 1
        }
        while buffer.count - start < valueSize - 8 { buffer.append(UInt8(0x2e)) }
        let hash = buffer.withBytes(start..<buffer.count) { XXH3.hash($0, seed: seed) }
        buffer.append(littleEndian: hash)
    }

    /// The version of a value, or nil if it is not one that was written for this record.
    func version(of value: RawSpan, record: Int) -> UInt32? {
        guard value.byteCount == valueSize, value.littleEndian(0, as: UInt64.self) == UInt64(record) else { return nil }
        let hash = XXH3.hash(value.extracting(0..<(valueSize - 8)), seed: seed)
        guard value.littleEndian(valueSize - 8, as: UInt64.self) == hash else { return nil }
        return UInt32(truncatingIfNeeded: value.littleEndian(8, as: UInt64.self))
    }
}
