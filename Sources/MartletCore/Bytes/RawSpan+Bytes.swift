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
        return compare(other) == 0
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
    @inlinable
    public mutating func take(_ count: Int, of bytes: RawSpan) throws(Malformed) -> Range<Int> {
        guard count >= 0, bytes.byteCount - offset >= count else { throw Malformed() }
        let start = offset
        offset += count
        return start..<offset
    }

    @inlinable
    public mutating func byte(of bytes: RawSpan) throws(Malformed) -> UInt8 {
        bytes.byte(try take(1, of: bytes).lowerBound)
    }

    @inlinable
    public mutating func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(
        of bytes: RawSpan, as type: T.Type
    ) throws(Malformed) -> T {
        bytes.littleEndian(try take(MemoryLayout<T>.size, of: bytes).lowerBound, as: type)
    }

    /// An unsigned LEB128 number of at most 10 bytes.
    @inlinable
    public mutating func varint(of bytes: RawSpan) throws(Malformed) -> UInt64 {
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
