internal import MartletCore

/// A key with its value in one allocation: `references u32 | value length u32 | key length u16 | key | value`.
struct Leaf: Sendable {
    let block: Block

    static let maximumKeyLength = Int(UInt16.max)
    static let maximumValueLength = Int(UInt32.max)
    private static let header = 10

    @inline(__always)
    init(_ link: Link) { block = Block(bits: link.bits & ~1) }

    /// Allocates a leaf with one reference.
    @inline(__always)
    init(_ key: RawSpan, _ value: RawSpan, in heap: inout Heap) {
        block = heap.allocate(Leaf.size(key, value))
        block.store(UInt32(1), at: 0)
        block.store(UInt32(truncatingIfNeeded: value.byteCount), at: 4)
        block.store(UInt16(truncatingIfNeeded: key.byteCount), at: 8)
        block.copy(key, to: Leaf.header)
        block.copy(value, to: Leaf.header &+ key.byteCount)
    }

    @inline(__always)
    static func size(_ key: RawSpan, _ value: RawSpan) -> Int { header &+ key.byteCount &+ value.byteCount }

    @inline(__always) var link: Link { Link(bits: block.bits | 1) }
    @inline(__always) var keyLength: Int { Int(block.load(8, as: UInt16.self)) }
    @inline(__always) var valueLength: Int { Int(block.load(4, as: UInt32.self)) }

    /// Bytes that were allocated, up to the allocator's rounding.
    @inline(__always) var size: Int { Leaf.header &+ keyLength &+ valueLength }

    @inline(__always)
    func keyByte(_ index: Int) -> UInt8 { block.load(Leaf.header &+ index) }

    @inline(__always)
    func matches(_ key: RawSpan) -> Bool { keyLength == key.byteCount && block.equals(Leaf.header, key) }

    @inline(__always)
    func withKey<R>(_ body: (RawSpan) -> R) -> R { block.lend(Leaf.header, count: keyLength, body) }

    @inline(__always)
    func withValue<R>(_ body: (RawSpan) -> R) -> R {
        block.lend(Leaf.header &+ keyLength, count: valueLength, body)
    }

    /// Bytes that this key and `key` have in common at their beginning.
    func commonPrefix(_ key: RawSpan) -> Int {
        let most = min(keyLength, key.byteCount)
        var index = 0
        while index &+ 8 <= most {
            let mine = block.load(Leaf.header &+ index, as: UInt64.self)
            let difference = mine.littleEndian ^ key.littleEndian(index, as: UInt64.self)
            if difference != 0 { return index &+ difference.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < most, keyByte(index) == key.byte(index) { index &+= 1 }
        return index
    }

    /// Writes a value over the old one, if both take an allocation of one size.
    @inline(__always)
    func replaceInPlace(_ value: RawSpan) -> Bool {
        let start = Leaf.header &+ keyLength
        guard Heap.charge(start &+ value.byteCount) == Heap.charge(size) else { return false }
        block.store(UInt32(truncatingIfNeeded: value.byteCount), at: 4)
        block.copy(value, to: start)
        return true
    }
}
