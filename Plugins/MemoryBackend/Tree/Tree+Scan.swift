internal import MartletCore
internal import MartletRuntime

extension Tree {
    /// A walk over the leaves below a frozen root in key order, a bounded number of steps at a time.
    ///
    /// It keeps the path to the next leaf on a stack of its own, so that deep trees cost no recursion.
    struct Walk: Sendable {
        private var path: [(branch: Branch, next: Int)] = []
        private var single: Leaf?

        /// Stands before the least key that is not below `lower`. O(key).
        init(below root: Link, from lower: RawSpan) {
            guard !root.isNone else { return }
            let nearest = Walk.nearestLeaf(to: lower, below: root)
            let depth = nearest.commonPrefix(lower)
            var link = root
            while !link.isLeaf, Branch(link).depth < depth {
                let branch = Branch(link)
                let index = branch.index(for: lower)
                path.append((branch, index + 1))
                link = branch.child(index)
            }
            if !link.isLeaf, Branch(link).depth == depth {
                let branch = Branch(link)
                path.append((branch, depth < lower.byteCount ? branch.position(of: lower.byte(depth)) : 0))
            } else if depth == lower.byteCount
                || (depth < nearest.keyLength && nearest.keyByte(depth) > lower.byte(depth))
            {  // all below agree on the byte at `depth`, so they are all above `lower`, or all below it
                if link.isLeaf { single = Leaf(link) } else { path.append((Branch(link), 0)) }
            }
        }

        /// The next leaf, or nil at the end. O(1) amortised.
        mutating func next() -> Leaf? {
            if let leaf = single {
                single = nil
                return leaf
            }
            while let (branch, next) = path.last {
                guard next < branch.count else {
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next = next + 1
                let link = branch.child(next)
                if link.isLeaf { return Leaf(link) }
                path.append((Branch(link), 0))
            }
            return nil
        }

        /// A leaf that has in common with `key` all that any leaf has.
        private static func nearestLeaf(to key: RawSpan, below root: Link) -> Leaf {
            var link = root
            while !link.isLeaf {
                let branch = Branch(link)
                let index = branch.index(for: key)
                guard index >= 0 else { return branch.firstLeaf }
                link = branch.child(index)
            }
            return Leaf(link)
        }
    }

    /// Lends the pairs of a frozen root between two bounds in order; an empty `upper` is no bound.
    static func scan(
        below root: Link, from lower: RawSpan, to upper: RawSpan, _ body: (RawSpan, RawSpan) -> ScanStep
    ) {
        var walk = Walk(below: root, from: lower)
        while let leaf = walk.next() {
            let step = leaf.withKey { key in
                if !upper.isEmpty, key.compare(upper) >= 0 { return ScanStep.stop }
                return leaf.withValue { body(key, $0) }
            }
            if step == .stop { return }
        }
    }
}
