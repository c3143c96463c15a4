/// A reference from a branch, or the root, to a ``Branch`` or a ``Leaf``: the address, whose lowest bit tells a leaf.
///
/// What a link points to begins with the count of links to it. All counts are read and written under the tree's lock.
struct Link: Equatable, Sendable {
    var bits: UInt

    static let none = Link(bits: 0)

    @inline(__always) var isNone: Bool { bits == 0 }
    @inline(__always) var isLeaf: Bool { bits & 1 != 0 }
    @inline(__always) var block: Block { Block(bits: bits & ~1) }

    /// Links to the same node or leaf. More than one: it is frozen, whoever would change it makes a copy.
    @inline(__always)
    var references: UInt32 {
        get { block.load(0) }
        nonmutating set { block.store(newValue, at: 0) }
    }
}

/// A place in memory that holds a link: in a branch, or the root's.
struct Slot: Sendable {
    let block: Block
    let offset: Int

    @inline(__always)
    var link: Link {
        get { Link(bits: block.load(offset)) }
        nonmutating set { block.store(newValue.bits, at: offset) }
    }
}
