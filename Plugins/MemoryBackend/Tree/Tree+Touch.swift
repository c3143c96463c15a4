internal import MartletCore

extension Tree {
    /// Keys that ``touch(_:ends:_:)`` takes at most.
    static let walkers = 16

    /// Goes down to several keys side by side, so that the processor waits once for the nodes of a level of all of
    /// them, and finds them near when they are read next.
    ///
    /// Memory answers a load in the time of hundreds of instructions, but many loads at once: a search alone waits for
    /// each node before it knows the next. (Group prefetching as Chen, Ailamaki, Gibbons and Mowry, TODS 2007, have it
    /// for hash joins, by plain loads whose results nothing waits for.)
    ///
    /// - Returns: a number made of what was loaded, so that the loads are not optimised away.
    func touch(_ keys: RawSpan, ends: [Int], _ places: Range<Int>) -> UInt64 {
        precondition(places.count <= Tree.walkers)
        var links = InlineArray<16, Link>(repeating: root)
        var touched: UInt64 = 0
        var isMoving = true
        while isMoving {
            isMoving = false
            for walker in 0..<places.count where !links[walker].isNone {
                touched &+= links[walker].block.load(0)
            }
            for walker in 0..<places.count {
                let link = links[walker]
                guard !link.isLeaf, !link.isNone else { continue }
                let place = places.lowerBound + walker
                let start = place == 0 ? 0 : ends[place - 1]
                let branch = Branch(link)
                let index = branch.index(for: keys.extracting(start..<ends[place]))
                links[walker] = index < 0 ? .none : branch.child(index)
                isMoving = true
            }
        }
        for walker in 0..<places.count where links[walker].isLeaf { touched &+= Leaf(links[walker]).touch() }
        return touched
    }
}

extension Leaf {
    /// Bytes at a leaf's beginning that are touched: most records are shorter.
    private static let near = 256

    /// Loads a byte of each line; the first was loaded before.
    fileprivate func touch() -> UInt64 {
        var touched: UInt64 = 0
        var offset = 64
        let end = min(size, Leaf.near)
        while offset < end {
            touched &+= UInt64(block.load(offset, as: UInt8.self))
            offset &+= 64
        }
        return touched
    }
}
