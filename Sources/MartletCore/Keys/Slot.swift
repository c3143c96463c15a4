/// One of the 16384 hash slots of a keyspace, as Redis Cluster defines them.
public enum Slot {
    public static let count = 16384

    /// The slot of a key: CRC16/XMODEM of its hash tag, or of all of it, modulo 16384. O(length).
    ///
    /// The hash tag is what stands between the first `{` and the next `}`, if that is not empty.
    @inlinable
    public static func of(_ key: RawSpan) -> UInt16 {
        let tag = hashTag(key)
        var crc: UInt16 = 0
        for offset in tag {
            crc = (crc << 8) ^ crc16Table[Int((crc >> 8) ^ UInt16(key.byte(offset))) & 0xff]
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

    /// Polynomial 0x1021, one entry a byte value.
    @usableFromInline
    static let crc16Table: [UInt16] = (0..<256).map { index in
        var crc = UInt16(index) << 8
        for _ in 0..<8 { crc = crc & 0x8000 != 0 ? (crc << 1) ^ 0x1021 : crc << 1 }
        return crc
    }
}
