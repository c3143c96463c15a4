/// One of the 16384 hash slots of a keyspace, as Redis Cluster defines them.
public enum Slot {
    public static let count = 16384

    /// The slot of a key: CRC16/XMODEM of its hash tag, or of all of it, modulo 16384. O(length).
    ///
    /// The hash tag is what stands between the first `{` and the next `}`, if that is not empty.
    @inlinable
    public static func of(_ key: RawSpan) -> UInt16 {
        let tag = hashTag(key)
        let table = crc16Tables
        var crc: UInt16 = 0
        var offset = tag.lowerBound
        while tag.upperBound &- offset >= 4 {
            let word = key.bigEndian(offset, as: UInt32.self) ^ UInt32(crc) << 16
            crc =
                table[Int(768 &+ (word >> 24))] ^ table[Int(512 &+ (word >> 16 & 0xff))]
                ^ table[Int(256 &+ (word >> 8 & 0xff))] ^ table[Int(word & 0xff)]
            offset &+= 4
        }
        while offset < tag.upperBound {
            crc = (crc << 8) ^ table[Int((crc >> 8) ^ UInt16(key.byte(offset)))]
            offset &+= 1
        }
        return crc & 0x3fff
    }

    @inlinable
    static func hashTag(_ key: RawSpan) -> Range<Int> {
        var open = -1
        for offset in 0..<key.byteCount {
            let byte = key.byte(offset)
            if open < 0 {
                if byte == UInt8(ascii: "{") { open = offset }
            } else if byte == UInt8(ascii: "}") {
                return offset > open + 1 ? open + 1..<offset : 0..<key.byteCount
            }
        }
        return 0..<key.byteCount
    }

    /// Polynomial 0x1021: 256 entries for a byte's remainder, then for that of a byte with one, two, three zeros behind
    /// it, so that four bytes are taken in a step (Kounavis and Berry 2005).
    @usableFromInline
    static let crc16Tables: [UInt16] = {
        var tables: [UInt16] = (0..<256).map { index in
            var crc = UInt16(index) << 8
            for _ in 0..<8 { crc = crc & 0x8000 != 0 ? (crc << 1) ^ 0x1021 : crc << 1 }
            return crc
        }
        for index in 256..<1024 {
            let crc = tables[index - 256]
            tables.append((crc << 8) ^ tables[Int(crc >> 8)])
        }
        return tables
    }()
}
