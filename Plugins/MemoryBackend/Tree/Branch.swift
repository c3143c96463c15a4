internal import MartletCore

/// An inner node: all keys below it agree up to the byte at `depth`, by which it tells its children apart.
///
/// Bytes that all keys below agree on are not stored (they are in every leaf), so a node costs one step however long
/// the shared part is, and a search is decided by comparing the whole key with the one leaf it ends at. This is the
/// adaptive radix tree of Leis, Kemper and Neumann (ICDE 2013) with the skipping of PATRICIA, and two layouts in place
/// of four:
/// ```
/// 0 references u32 | 4 depth u32 | 8 count u16 | 10 capacity u16 | 12 is large u8 | 13 has end u8
/// small: 16 bytes of children, sorted, at 16 | links at 32                       up to 16 bytes
/// large: ranks 4 x u8 at 16 | bitmap 256 bits at 24 | links at 56               17 bytes and more
/// ```
/// Links lie in key order. The first is that of the key which ends at `depth`, where there is one ("end").
struct Branch: Sendable {
    let block: Block

    @inline(__always) init(_ link: Link) { block = link.block }
    @inline(__always) init(block: Block) { self.block = block }

    @inline(__always) var link: Link { Link(bits: block.bits) }
    @inline(__always) var depth: Int { Int(block.load(4, as: UInt32.self)) }
    @inline(__always) var isLarge: Bool { block.load(12, as: UInt8.self) != 0 }
    @inline(__always) var endCount: Int { Int(block.load(13, as: UInt8.self)) }
    @inline(__always) var linksOffset: Int { isLarge ? Branch.largeLinks : Branch.smallLinks }

    /// Links, the end's included.
    @inline(__always)
    var count: Int {
        get { Int(block.load(8, as: UInt16.self)) }
        nonmutating set { block.store(UInt16(truncatingIfNeeded: newValue), at: 8) }
    }
    @inline(__always) var capacity: Int { Int(block.load(10, as: UInt16.self)) }

    static let smallLinks = 32
    static let largeLinks = 56
    static let smallLimit = 16
    /// Bytes that adding one link may add at most: an eighth of 257 links, rounded.
    static let mostGrowth = 288

    @inline(__always)
    func slot(_ index: Int) -> Slot { Slot(block: block, offset: linksOffset &+ index &* 8) }

    @inline(__always)
    func child(_ index: Int) -> Link { slot(index).link }

    /// The index of the link to follow for a key, or -1.
    @inline(__always)
    func index(for key: RawSpan) -> Int {
        let depth = depth
        if depth < key.byteCount { return index(of: key.byte(depth)) }
        return depth == key.byteCount && endCount != 0 ? 0 : -1
    }

    @inline(__always)
    func index(of byte: UInt8) -> Int {
        let end = endCount
        if isLarge {
            let word = Int(byte >> 6)
            let bits: UInt64 = block.load(24 &+ word &* 8)
            let bit: UInt64 = 1 << UInt64(byte & 63)
            guard bits & bit != 0 else { return -1 }
            return Int(block.load(16 &+ word, as: UInt8.self)) &+ (bits & (bit &- 1)).nonzeroBitCount &+ end
        }
        for index in 0..<count &- end where block.load(16 &+ index, as: UInt8.self) == byte { return index &+ end }
        return -1
    }

    /// The index that `byte` has or would have: links before it are of lesser bytes.
    func position(of byte: UInt8) -> Int {
        let end = endCount
        if isLarge {
            let word = Int(byte >> 6)
            let below: UInt64 = block.load(24 &+ word &* 8) & ((1 << UInt64(byte & 63)) &- 1)
            return Int(block.load(16 &+ word, as: UInt8.self)) &+ below.nonzeroBitCount &+ end
        }
        var index = 0
        while index < count &- end, block.load(16 &+ index, as: UInt8.self) < byte { index &+= 1 }
        return index &+ end
    }

    /// The leaf of the least key below.
    var firstLeaf: Leaf {
        var link = child(0)
        while !link.isLeaf { link = Branch(link).child(0) }
        return Leaf(link)
    }
}

extension Branch {
    /// A branch of two: what was there and what is new. `nil` stands for the end.
    static func make(
        depth: Int, _ a: (byte: UInt8?, link: Link), _ b: (byte: UInt8?, link: Link), in heap: inout Heap
    ) -> Branch {
        let branch = Branch.allocate(isLarge: false, links: 2, in: &heap)
        branch.block.clear(8, count: 2)
        branch.block.store(UInt32(1), at: 0)
        branch.block.store(UInt32(truncatingIfNeeded: depth), at: 4)
        branch.place(a.link, of: a.byte)
        branch.place(b.link, of: b.byte)
        return branch
    }

    /// Room for `links`, or one more where the allocator would round up anyway. All but the capacity and the kind is
    /// left to the caller.
    private static func allocate(isLarge: Bool, links: Int, in heap: inout Heap) -> Branch {
        let capacity = rounded(links, isLarge: isLarge)
        let branch = Branch(block: heap.allocate((isLarge ? largeLinks : smallLinks) &+ capacity &* 8))
        branch.block.clear(10, count: isLarge ? largeLinks - 10 : smallLinks - 10)
        branch.block.store(UInt16(truncatingIfNeeded: capacity), at: 10)
        branch.block.store(UInt8(isLarge ? 1 : 0), at: 12)
        return branch
    }

    private static func rounded(_ links: Int, isLarge: Bool) -> Int { isLarge ? (links &+ 1) & ~1 : links | 1 }

    private func resized(_ links: Int, in heap: inout Heap) -> Branch {
        let capacity = Branch.rounded(links, isLarge: isLarge)
        let branch = Branch(block: heap.resize(block, from: size, to: linksOffset &+ capacity &* 8))
        branch.block.store(UInt16(truncatingIfNeeded: capacity), at: 10)
        return branch
    }

    /// Bytes that were allocated.
    var size: Int { linksOffset &+ capacity &* 8 }

    /// Adds a link for a byte that has none. Answers the branch, which may have moved. O(links).
    func inserting(_ link: Link, of byte: UInt8?, in heap: inout Heap) -> Branch {
        var branch = self
        if !isLarge, byte != nil, count - endCount == Branch.smallLimit {
            branch = converted(toLarge: true, links: count + 4, in: &heap)
        } else if count == capacity {
            branch = resized(count + max(2, count / 8), in: &heap)
        }
        branch.place(link, of: byte)
        return branch
    }

    private func place(_ link: Link, of byte: UInt8?) {
        let index = byte.map(position) ?? 0
        let offset = linksOffset &+ index &* 8
        block.move(from: offset, to: offset &+ 8, count: (count &- index) &* 8)
        if let byte {
            if isLarge {
                setBit(byte, true)
            } else {
                let at = 16 &+ index &- endCount
                block.move(from: at, to: at &+ 1, count: count &- index)
                block.store(byte, at: at)
            }
        } else {
            block.store(UInt8(1), at: 13)
        }
        block.store(link.bits, at: offset)
        count &+= 1
    }

    /// Takes out the link at `index`; the branch may move. O(links).
    func removing(_ index: Int, in heap: inout Heap) -> Branch {
        let offset = linksOffset &+ index &* 8
        if index == 0, endCount != 0 {
            block.store(UInt8(0), at: 13)
        } else if isLarge {
            setBit(byte(at: index), false)
        } else {
            let at = 16 &+ index &- endCount
            block.move(from: at &+ 1, to: at, count: count &- index &- 1)
        }
        block.move(from: offset &+ 8, to: offset, count: (count &- index &- 1) &* 8)
        count &-= 1
        if isLarge, count <= 12 { return converted(toLarge: false, links: count + 1, in: &heap) }
        guard capacity > count + count / 2 + 4 else { return self }
        return resized(count + 1, in: &heap)
    }

    /// The byte of the link at `index`, which is not the end's.
    private func byte(at index: Int) -> UInt8 {
        var left = index - endCount
        guard isLarge else { return block.load(16 &+ left) }
        for word in 0..<4 {
            var bits: UInt64 = block.load(24 + word * 8)
            if left >= bits.nonzeroBitCount {
                left -= bits.nonzeroBitCount
                continue
            }
            for _ in 0..<left { bits &= bits &- 1 }
            return UInt8(word * 64 + bits.trailingZeroBitCount)
        }
        preconditionFailure("no such link")
    }

    private func setBit(_ byte: UInt8, _ isSet: Bool) {
        let word = Int(byte >> 6)
        let bits: UInt64 = block.load(24 &+ word &* 8)
        block.store(bits ^ (1 << UInt64(byte & 63)), at: 24 &+ word &* 8)
        var later = word &+ 1
        while later < 4 {  // 192 at most
            let rank: UInt8 = block.load(16 &+ later)
            block.store(isSet ? rank &+ 1 : rank &- 1, at: 16 &+ later)
            later &+= 1
        }
    }

    /// The same links in the other layout; frees this one.
    private func converted(toLarge: Bool, links: Int, in heap: inout Heap) -> Branch {
        let other = Branch.allocate(isLarge: toLarge, links: links, in: &heap)
        other.block.copy(from: block, at: 0, to: 0, count: 10)
        other.block.store(UInt8(truncatingIfNeeded: endCount), at: 13)
        for index in endCount..<count {
            let byte = byte(at: index)
            if toLarge { other.setBit(byte, true) } else { other.block.store(byte, at: 16 + index - endCount) }
        }
        other.block.copy(from: block, at: linksOffset, to: other.linksOffset, count: count * 8)
        heap.free(block, size)
        return other
    }

    /// A copy with one reference, which refers to the same children. O(links).
    func copied(in heap: inout Heap) -> Branch {
        let copy = Branch.allocate(isLarge: isLarge, links: count, in: &heap)
        copy.block.copy(from: block, at: 0, to: 0, count: 10)
        copy.block.copy(from: block, at: 13, to: 13, count: linksOffset - 13 + count * 8)
        copy.block.store(UInt32(1), at: 0)
        for index in 0..<count { child(index).references &+= 1 }
        return copy
    }
}
