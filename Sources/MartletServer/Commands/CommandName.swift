import MartletCore

/// A command's name as three words: up to 24 bytes, ASCII case folded, so that lookup neither allocates nor compares
/// text.
struct CommandName: Hashable, Sendable {
    var low: UInt64
    var middle: UInt64
    var high: UInt64 = 0
    /// Bytes, so that a name is not one with a NUL after it.
    var length: Int

    static let longest = 24

    /// Nil if it is empty or longer than any command's.
    @inline(__always)
    init?(_ bytes: RawSpan) {
        let count = bytes.byteCount
        length = count
        if count < 8 {
            guard count > 0 else { return nil }
            var word: UInt64 = 0
            for offset in 0..<count { word |= UInt64(bytes.byte(offset)) << UInt64(8 * offset) }
            low = Self.fold(word)
            middle = 0
        } else {
            guard count <= Self.longest else { return nil }
            low = Self.fold(bytes.littleEndian(0, as: UInt64.self))
            // the last eight bytes, of which the first are in the words before already
            let tail = Self.fold(bytes.littleEndian(count - 8, as: UInt64.self))
            if count <= 16 {
                middle = count == 8 ? 0 : tail >> UInt64(8 * (16 - count))
            } else {
                middle = Self.fold(bytes.littleEndian(8, as: UInt64.self))
                high = tail >> UInt64(8 * (24 - count))
            }
        }
    }

    init?(_ text: some StringProtocol) {
        guard let name = withBytes(of: String(text), { CommandName($0) }) else { return nil }
        self = name
    }

    /// Sets bit 5 in the bytes that hold A...Z, eight at a time.
    @inline(__always)
    private static func fold(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let sevenBits = word & (0x7f * ones)
        let atLeastA = sevenBits &+ (0x80 - 0x41) * ones  // bit 7 of each byte: >= 'A'
        let aboveZ = sevenBits &+ (0x80 - 0x5b) * ones  // bit 7 of each byte: > 'Z'
        let isUpper = (atLeastA ^ aboveZ) & ~word & (0x80 * ones)
        return word | (isUpper >> 2)
    }

    /// Spreads over a table whose size is a power of two.
    @inline(__always)
    func slot(mask: Int) -> Int {
        let mixed = (low ^ (middle &* 0x9e37_79b9_7f4a_7c15)) &* 0xff51_afd7_ed55_8ccd
        return Int(truncatingIfNeeded: mixed >> 40) & mask
    }
}
