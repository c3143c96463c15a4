internal import Glibc
internal import MartletCore

/// The address of a piece of memory that the tree allocated: the only place of the tree that touches pointers.
///
/// It is a number, so that nodes can store it and tag it. Nothing is checked: offsets are those of ``Leaf`` and
/// ``Branch``.
struct Block: Equatable, Sendable {
    var bits: UInt

    @inline(__always)
    private var pointer: UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: bits).unsafelyUnwrapped
    }

    @inline(__always)
    func load<T: BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        unsafe pointer.loadUnaligned(fromByteOffset: offset, as: T.self)
    }

    @inline(__always)
    func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
        unsafe pointer.storeBytes(of: value, toByteOffset: offset, as: T.self)
    }

    /// Moves bytes within the block; the two places may overlap.
    @inline(__always)
    func move(from source: Int, to target: Int, count: Int) {
        unsafe memmove(pointer + target, pointer + source, count)
    }

    @inline(__always)
    func copy(from other: Block, at source: Int, to target: Int, count: Int) {
        unsafe memcpy(pointer + target, other.pointer + source, count)
    }

    @inline(__always)
    func clear(_ offset: Int, count: Int) {
        unsafe memset(pointer + offset, 0, count)
    }

    @inline(__always)
    func copy(_ bytes: RawSpan, to offset: Int) {
        unsafe bytes.withUnsafeBytes { source in
            if let address = source.baseAddress { unsafe memcpy(pointer + offset, address, source.count) }
        }
    }

    @inline(__always)
    func lend<R, E: Error>(_ offset: Int, count: Int, _ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe RawSpan(_unsafeStart: UnsafeRawPointer(pointer) + offset, byteCount: count))
    }

    /// Whether `count` bytes here are those of `bytes`, which holds as many.
    @inline(__always)
    func equals(_ offset: Int, _ bytes: RawSpan) -> Bool {
        unsafe bytes.withUnsafeBytes { other in
            guard let address = other.baseAddress else { return true }
            return unsafe memcmp(pointer + offset, address, other.count) == 0
        }
    }
}

/// Allocates the tree's memory and accounts for it, the allocator's overhead included. Who frees knows the size.
struct Heap: Sendable {
    /// Bytes now allocated, as ``charge(_:)`` counts them.
    private(set) var bytes = 0

    @inline(__always)
    mutating func allocate(_ size: Int) -> Block {
        bytes &+= Heap.charge(size)
        guard let pointer = unsafe malloc(size) else { fatalError("out of memory") }
        return Block(bits: UInt(bitPattern: pointer))
    }

    /// Grows or shrinks a block, which may move.
    mutating func resize(_ block: Block, from old: Int, to size: Int) -> Block {
        bytes &+= Heap.charge(size) &- Heap.charge(old)
        guard let pointer = unsafe realloc(UnsafeMutableRawPointer(bitPattern: block.bits), size) else {
            fatalError("out of memory")
        }
        return Block(bits: UInt(bitPattern: pointer))
    }

    @inline(__always)
    mutating func free(_ block: Block, _ size: Int) {
        bytes &-= Heap.charge(size)
        unsafe Glibc.free(UnsafeMutableRawPointer(bitPattern: block.bits))
    }

    /// Bytes that an allocation of `size` takes: glibc's 8 bytes a piece, in steps of 16, 32 at least.
    @inline(__always)
    static func charge(_ size: Int) -> Int { max(32, (size &+ 23) & ~15) }
}
