/// A growable run of bytes with one owner: a connection's input or output, a batch's arena, a frame being built.
///
/// Bytes are appended at the tail and consumed at the head; both are O(1) amortised. It never shrinks by itself:
/// ``releaseExcess(keeping:)`` gives memory back after a burst. Memory is borrowed as `RawSpan` for one synchronous
/// call.
@safe
public struct ByteBuffer: ~Copyable, @unchecked Sendable {  // unique owner of its allocation, like a C handle
    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var head: Int
    @usableFromInline var tail: Int
    public private(set) var capacity: Int

    public init(capacity: Int = 0) {
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: max(capacity, 16), alignment: 16)
        head = 0
        tail = 0
        self.capacity = max(capacity, 16)
    }

    deinit { unsafe base.deallocate() }

    /// Bytes between head and tail.
    @inlinable public var count: Int { tail - head }
    @inlinable public var isEmpty: Bool { head == tail }

    /// Drops `count` bytes at the head. O(1).
    @inlinable
    public mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= tail - head)
        head += count
        if head == tail {
            head = 0
            tail = 0
        }
    }

    @inlinable
    public mutating func removeAll() {
        head = 0
        tail = 0
    }

    /// Drops the bytes at the tail so that `count` remain: undoes what was appended since.
    @inlinable
    public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count)
        tail = head + count
    }

    /// Returns to a small allocation if the buffer is empty and holds more than `limit` bytes.
    public mutating func releaseExcess(keeping limit: Int) {
        guard isEmpty, capacity > limit else { return }
        unsafe base.deallocate()
        capacity = max(16, limit)
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        head = 0
        tail = 0
    }

    /// Makes room for `count` more bytes at the tail.
    @inlinable
    public mutating func reserve(_ count: Int) {
        if capacity - tail < count { grow(by: count) }
    }

    @usableFromInline
    mutating func grow(by count: Int) {
        let used = tail - head
        if head >= capacity / 2, capacity - used >= count {  // enough room once the consumed part is reclaimed
            unsafe base.copyMemory(from: base + head, byteCount: used)
        } else {
            let larger = max(capacity * 2, used + count, 64)
            let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            unsafe moved.copyMemory(from: base + head, byteCount: used)
            unsafe base.deallocate()
            unsafe base = moved
            capacity = larger
        }
        head = 0
        tail = used
    }

    @inlinable
    public mutating func append(_ byte: UInt8) {
        reserve(1)
        unsafe base.storeBytes(of: byte, toByteOffset: tail, as: UInt8.self)
        tail += 1
    }

    @inlinable
    public mutating func append(_ bytes: RawSpan) {
        let count = bytes.byteCount
        reserve(count)
        unsafe bytes.withUnsafeBytes { source in
            if let address = source.baseAddress { unsafe (base + tail).copyMemory(from: address, byteCount: count) }
        }
        tail += count
    }

    @inlinable
    public mutating func append(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        reserve(count)
        unsafe (base + tail).copyMemory(from: text.utf8Start, byteCount: count)
        tail += count
    }

    @inlinable
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { source in
            guard let address = source.baseAddress else { return }
            reserve(source.count)
            unsafe (base + tail).copyMemory(from: address, byteCount: source.count)
            tail += source.count
        }
    }

    @inlinable
    public mutating func append(_ bytes: [UInt8]) {
        unsafe append(bytes.span.bytes)
    }

    /// Appends the value's bytes, least significant first.
    @inlinable
    public mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        reserve(MemoryLayout<T>.size)
        unsafe base.storeBytes(of: value.littleEndian, toByteOffset: tail, as: T.self)
        tail += MemoryLayout<T>.size
    }

    /// Appends the value's bytes, most significant first, so that unsigned order is byte order.
    @inlinable
    public mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
        append(littleEndian: value.byteSwapped)
    }

    /// Appends an unsigned LEB128 number: 7 bits a byte, 1 to 10 bytes.
    @inlinable
    public mutating func append(varint value: UInt64) {
        reserve(10)
        var rest = value
        while rest >= 0x80 {
            unsafe base.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: tail, as: UInt8.self)
            tail += 1
            rest >>= 7
        }
        unsafe base.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: tail, as: UInt8.self)
        tail += 1
    }

    /// Appends a number in decimal digits.
    @inlinable
    public mutating func append(decimal value: Int64) {
        reserve(20)
        if value >= 0, value < 10 {
            unsafe base.storeBytes(of: UInt8(truncatingIfNeeded: value) + 48, toByteOffset: tail, as: UInt8.self)
            tail += 1
            return
        }
        appendLong(decimal: value)
    }

    @usableFromInline
    mutating func appendLong(decimal value: Int64) {
        var magnitude = value.magnitude
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        unsafe withUnsafeMutableBytes(of: &digits) { scratch in
            var at = 24
            repeat {
                at -= 1
                unsafe scratch[at] = UInt8(truncatingIfNeeded: magnitude % 10) + 48
                magnitude /= 10
            } while magnitude > 0
            if value < 0 {
                at -= 1
                unsafe scratch[at] = 45
            }
            let text = unsafe UnsafeRawBufferPointer(rebasing: scratch[at..<24])
            unsafe (base + tail).copyMemory(from: text.baseAddress!, byteCount: text.count)
            tail += text.count
        }
    }

    /// Makes room for `limit` bytes, has `body` fill some of them from the front, and keeps as many as it says.
    ///
    /// - Returns: what `body` said, clamped to 0...limit.
    @unsafe
    public mutating func append(upTo limit: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        reserve(limit)
        let written = unsafe min(max(0, body(UnsafeMutableRawBufferPointer(start: base + tail, count: limit))), limit)
        tail += written
        return written
    }

    /// Overwrites a number that was appended before, `offset` bytes after the head.
    @inlinable
    public mutating func store<T: FixedWidthInteger>(littleEndian value: T, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count)
        unsafe base.storeBytes(of: value.littleEndian, toByteOffset: head + offset, as: T.self)
    }

    /// Lends all bytes from head to tail.
    @inlinable
    public borrowing func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base) + head, byteCount: tail - head)
        return try body(span)
    }

    /// Lends the bytes of a range, counted from the head.
    @inlinable
    public borrowing func withBytes<R, E: Error>(_ range: Range<Int>, _ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        let span = unsafe RawSpan(
            _unsafeStart: UnsafeRawPointer(base) + head + range.lowerBound, byteCount: range.count)
        return try body(span)
    }

    /// A copy of the bytes. O(count).
    public borrowing func copy() -> [UInt8] {
        withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
    }
}
