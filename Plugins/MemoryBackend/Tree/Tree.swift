internal import MartletCore

/// An ordered map of byte keys to byte values, frozen in O(1) for a snapshot.
///
/// A node with more than one reference belongs to a snapshot too (or lies below one that does) and is never changed: a
/// write copies such nodes on its path, and only those. Without snapshots nothing is copied. Reading what a snapshot
/// holds needs no lock, since only reference counts of it change.
struct Tree: Sendable {
    private(set) var heap = Heap()
    private(set) var count = 0
    /// Bytes of all keys and values.
    private(set) var payload = 0
    /// Nodes and leaves that lost their last reference but are not freed yet.
    private var garbage: [Link] = []
    private let anchor: Slot

    init() {
        anchor = Slot(block: heap.allocate(8), offset: 0)
        anchor.link = .none
    }

    /// Bytes of memory, the allocator's overhead included. Zero for an empty tree.
    var bytes: Int { heap.bytes - Heap.charge(8) }
    var root: Link { anchor.link }

    /// The leaf of a key. O(key), and a step for each byte by which keys differ.
    @inline(__always)
    func find(_ key: RawSpan) -> Leaf? { Tree.find(key, below: anchor.link) }

    @inline(__always)
    static func find(_ key: RawSpan, below root: Link) -> Leaf? {
        var link = root
        while !link.isLeaf {
            guard !link.isNone else { return nil }
            let branch = Branch(link)
            let index = branch.index(for: key)
            guard index >= 0 else { return nil }
            link = branch.child(index)
        }
        let leaf = Leaf(link)
        return leaf.matches(key) ? leaf : nil
    }

    /// Sets the value of a key. O(key), plus the links of the branches on the way that a snapshot shares.
    mutating func put(_ key: RawSpan, _ value: RawSpan) {
        var slot = anchor
        var isShared = false
        var link = slot.link
        while !link.isLeaf {
            guard !link.isNone else {
                slot.link = newLeaf(key, value)
                return
            }
            let branch = Branch(link)
            isShared = isShared || link.references > 1
            let index = branch.index(for: key)
            guard index >= 0 else { return insert(key, value, beside: branch.firstLeaf) }
            slot = branch.slot(index)
            link = slot.link
        }
        let leaf = Leaf(link)
        guard leaf.matches(key) else { return insert(key, value, beside: leaf) }
        payload &+= value.byteCount &- leaf.valueLength
        if isShared { slot = ownedSlot(of: key) }
        if link.references > 1 {
            link.references &-= 1
        } else if leaf.replaceInPlace(value) {
            return
        } else {
            heap.free(leaf.block, leaf.size)
        }
        slot.link = Leaf(key, value, in: &heap).link
    }

    /// Takes out a key and answers whether it was there. Costs as ``put(_:_:)``.
    mutating func remove(_ key: RawSpan) -> Bool {
        guard let leaf = find(key) else { return false }
        var above = anchor
        var slot = anchor
        var index = 0
        while !slot.link.isLeaf {
            let branch = owned(slot)
            above = slot
            index = branch.index(for: key)
            slot = branch.slot(index)
        }
        count &-= 1
        payload &-= leaf.keyLength &+ leaf.valueLength
        if leaf.link.references > 1 { leaf.link.references &-= 1 } else { heap.free(leaf.block, leaf.size) }
        guard !above.link.isLeaf else {
            anchor.link = .none
            return true
        }
        let branch = Branch(above.link).removing(index, in: &heap)
        if branch.count == 1 {
            above.link = branch.child(0)
            heap.free(branch.block, branch.size)
        } else {
            above.link = branch.link
        }
        return true
    }

    /// Bytes that ``put(_:_:)`` may add at most, copies of what a snapshot shares not counted.
    func growth(_ key: RawSpan, _ value: RawSpan) -> Int {
        let charge = Heap.charge(Leaf.size(key, value))
        guard let leaf = find(key) else { return charge + Branch.mostGrowth }
        return leaf.link.references > 1 ? charge : charge - Heap.charge(leaf.size)
    }

    private mutating func newLeaf(_ key: RawSpan, _ value: RawSpan) -> Link {
        count &+= 1
        payload &+= key.byteCount &+ value.byteCount
        return Leaf(key, value, in: &heap).link
    }

    /// Adds a key that is not there; `neighbor` is any leaf that shares with it all bytes that its path looked at.
    private mutating func insert(_ key: RawSpan, _ value: RawSpan, beside neighbor: Leaf) {
        let depth = neighbor.commonPrefix(key)
        let byte = depth < key.byteCount ? key.byte(depth) : nil
        let other = depth < neighbor.keyLength ? neighbor.keyByte(depth) : nil
        var slot = anchor
        while !slot.link.isLeaf, Branch(slot.link).depth < depth {
            let branch = owned(slot)
            slot = branch.slot(branch.index(for: key))
        }
        let leaf = newLeaf(key, value)
        if !slot.link.isLeaf, Branch(slot.link).depth == depth {
            slot.link = owned(slot).inserting(leaf, of: byte, in: &heap).link
        } else {
            slot.link = Branch.make(depth: depth, (other, slot.link), (byte, leaf), in: &heap).link
        }
    }

    /// The branch a slot links to, copied before if a snapshot shares it.
    private mutating func owned(_ slot: Slot) -> Branch {
        let branch = Branch(slot.link)
        guard branch.link.references > 1 else { return branch }
        let copy = branch.copied(in: &heap)
        branch.link.references &-= 1
        slot.link = copy.link
        return copy
    }

    /// The slot of a key that is there, all branches above it owned.
    private mutating func ownedSlot(of key: RawSpan) -> Slot {
        var slot = anchor
        while !slot.link.isLeaf {
            let branch = owned(slot)
            slot = branch.slot(branch.index(for: key))
        }
        return slot
    }
}

extension Tree {
    /// The root, frozen until ``discard(_:)``. O(1).
    func freeze() -> Link {
        if !root.isNone { root.references &+= 1 }
        return root
    }

    /// Gives up a reference. What it alone held is freed by ``reclaim(atMost:)``.
    mutating func discard(_ link: Link) {
        guard !link.isNone else { return }
        if link.references > 1 { link.references &-= 1 } else { garbage.append(link) }
    }

    /// Empties the tree; its memory is freed by ``reclaim(atMost:)``.
    mutating func removeAll() {
        discard(root)
        anchor.link = .none
        count = 0
        payload = 0
    }

    /// Frees up to `limit` discarded nodes and answers whether some are left: callers take the lock for one such step.
    mutating func reclaim(atMost limit: Int) -> Bool {
        for _ in 0..<limit {
            guard let link = garbage.popLast() else { return false }
            guard !link.isLeaf else {
                heap.free(link.block, Leaf(link).size)
                continue
            }
            let branch = Branch(link)
            for index in 0..<branch.count { discard(branch.child(index)) }
            heap.free(branch.block, branch.size)
        }
        return !garbage.isEmpty
    }

    /// Frees the anchor of a tree that was emptied; nothing may be called after it.
    mutating func destroy() {
        heap.free(anchor.block, 8)
    }
}
