/// Reading and comparing borrowed bytes. All offsets are checked.
extension RawSpan {
    /// The byte at `offset`. O(1).
    @inlinable
    public func byte(_ offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// A number of `T`'s width whose least significant byte comes first. O(1).
    @inlinable
    public func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        T(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// A number of `T`'s width whose most significant byte comes first. O(1).
    @inlinable
    public func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        T(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// The part from `lower` to `upper`.
    @inlinable
    public func slice(_ lower: Int, _ upper: Int) -> [UInt8] {
        let part = extracting(lower..<upper)
        return unsafe part.withUnsafeBytes { unsafe Array($0) }
    }

    /// A copy of the bytes. O(byteCount).
    @inlinable
    public var array: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }

    /// The bytes as text; ill-formed UTF-8 is repaired.
    @inlinable
    public var text: String { unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) } }

    /// Whether both hold the same bytes. O(byteCount).
    @inlinable
    public func equals(_ other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        var offset = 0
        while offset + 8 <= byteCount {
            if littleEndian(offset, as: UInt64.self) != other.littleEndian(offset, as: UInt64.self) { return false }
            offset += 8
        }
        while offset < byteCount {
            if byte(offset) != other.byte(offset) { return false }
            offset += 1
        }
        return true
    }

    /// Below, at or above zero as these bytes sort before, with or after `other`: unsigned bytes, then length.
    /// O(byteCount).
    @inlinable
    public func compare(_ other: RawSpan) -> Int {
        let common = Swift.min(byteCount, other.byteCount)
        var offset = 0
        while offset + 8 <= common {
            let mine = bigEndian(offset, as: UInt64.self)
            let theirs = other.bigEndian(offset, as: UInt64.self)
            if mine != theirs { return mine < theirs ? -1 : 1 }
            offset += 8
        }
        while offset < common {
            let mine = byte(offset)
            let theirs = other.byte(offset)
            if mine != theirs { return mine < theirs ? -1 : 1 }
            offset += 1
        }
        return byteCount - other.byteCount
    }
}

/// Lends an array's bytes for one call.
@inlinable
public func withBytes<R, E: Error>(of array: [UInt8], _ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try unsafe body(array.span.bytes)
}

/// Lends a text's UTF-8 bytes for one call.
@inlinable
public func withBytes<R, E: Error>(of text: String, _ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try withBytes(of: Array(text.utf8), body)
}

/// Takes fields off borrowed bytes from front to back; every read is checked against what is left.
public struct ByteCursor: Sendable {
    public var offset: Int

    /// The bytes end early or a field's value is not one that can stand there.
    public struct Malformed: Error, Sendable {
        @inlinable public init() {}
    }

    @inlinable
    public init(at offset: Int = 0) { self.offset = offset }

    /// Moves past `count` bytes and returns where they lie.
    @inlinable @inline(__always)
    public mutating func take(_ count: Int, of bytes: RawSpan) throws(Malformed) -> Range<Int> {
        guard count >= 0, bytes.byteCount - offset >= count else { throw Malformed() }
        let start = offset
        offset += count
        return start..<offset
    }

    @inlinable @inline(__always)
    public mutating func byte(of bytes: RawSpan) throws(Malformed) -> UInt8 {
        bytes.byte(try take(1, of: bytes).lowerBound)
    }

    @inlinable @inline(__always)
    public mutating func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(
        of bytes: RawSpan, as type: T.Type
    ) throws(Malformed) -> T {
        bytes.littleEndian(try take(MemoryLayout<T>.size, of: bytes).lowerBound, as: type)
    }

    /// An unsigned LEB128 number of at most 10 bytes. Short ones, and those well before the end, take no loop.
    @inlinable @inline(__always)
    public mutating func varint(of bytes: RawSpan) throws(Malformed) -> UInt64 {
        guard offset >= 0, offset < bytes.byteCount else { throw Malformed() }
        let first = bytes.byte(offset)
        if first < 0x80 {
            offset += 1
            return UInt64(first)
        }
        return try longVarint(of: bytes)
    }

    @usableFromInline
    mutating func longVarint(of bytes: RawSpan) throws(Malformed) -> UInt64 {
        if bytes.byteCount - offset >= 8 {
            let word = bytes.littleEndian(offset, as: UInt64.self)
            let ends = ~word & 0x8080_8080_8080_8080
            if ends != 0 {  // at most 8 bytes: the top bits squeezed out pair by pair
                let bits = ends.trailingZeroBitCount &+ 1
                var value = word & (UInt64.max >> UInt64(64 &- bits)) & 0x7f7f_7f7f_7f7f_7f7f
                value = (value & 0x007f_007f_007f_007f) | (value & 0x7f00_7f00_7f00_7f00) >> 1
                value = (value & 0x0000_3fff_0000_3fff) | (value & 0x3fff_0000_3fff_0000) >> 2
                value = (value & 0x0000_0000_0fff_ffff) | (value & 0x0fff_ffff_0000_0000) >> 4
                offset += bits / 8
                return value
            }
        }
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte(of: bytes)
            if shift == 63, next > 1 { throw Malformed() }
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 { return value }
            shift += 7
            if shift > 63 { throw Malformed() }
        }
    }
}
