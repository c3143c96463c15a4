/// The messages of anti-entropy: what two owners of a partition compare before they exchange what differs, by the pages
/// of catch-up.
extension MessageKind {
    /// ``MerkleRoots``, answered by ``merkleRootsReply``.
    public static let merkleRoots = MessageKind(rawValue: 0x0130)
    /// ``MerkleRootsReply``.
    public static let merkleRootsReply = MessageKind(rawValue: 0x0131)
    /// ``MerkleNodes``, answered by ``merkleNodesReply``.
    public static let merkleNodes = MessageKind(rawValue: 0x0132)
    /// ``MerkleNodesReply``.
    public static let merkleNodesReply = MessageKind(rawValue: 0x0133)
    /// ``MerkleMark``; there is no answer.
    public static let merkleMark = MessageKind(rawValue: 0x0134)
}

/// The roots of units that two nodes own. Many go in one message, so that comparing equal trees costs little more than
/// the roots: ten bytes or so each.
///
/// ```
/// keyspaces: count varint, then each id u32, generation u32,
///     slots of a unit varint, units: count varint, then each units left out before it varint, root u64; ascending
/// ```
public struct MerkleRoots: Sendable {
    public struct Keyspace: Sendable {
        public var id: UInt32
        public var generation: UInt32
        /// Of one length, which is a power of two, each at a multiple of it; ascending.
        public var units: [(slots: Range<Int>, root: UInt64)]

        public init(id: UInt32, generation: UInt32, units: [(slots: Range<Int>, root: UInt64)]) {
            self.id = id
            self.generation = generation
            self.units = units
        }
    }

    public var keyspaces: [Keyspace]

    public init(keyspaces: [Keyspace] = []) { self.keyspaces = keyspaces }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(varint: UInt64(keyspaces.count))
        for keyspace in keyspaces {
            let width = keyspace.units.first?.slots.count ?? 1
            buffer.append(littleEndian: keyspace.id)
            buffer.append(littleEndian: keyspace.generation)
            buffer.append(varint: UInt64(width))
            buffer.append(varint: UInt64(keyspace.units.count))
            var next = 0
            for (slots, root) in keyspace.units {
                let number = slots.lowerBound / width
                buffer.append(varint: UInt64(number - next))
                buffer.append(littleEndian: root)
                next = number + 1
            }
        }
    }

    /// Reads a payload, checked whole. O(units).
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        keyspaces = []
        for _ in 0..<(try cursor.number(ofAtLeast: 10, in: payload)) {
            var keyspace = Keyspace(
                id: try cursor.littleEndian(of: payload, as: UInt32.self),
                generation: try cursor.littleEndian(of: payload, as: UInt32.self), units: [])
            let width = try cursor.varint(of: payload)
            guard width <= UInt64(Slot.count), width.nonzeroBitCount == 1 else { throw ByteCursor.Malformed() }
            let all = Slot.count / Int(width)
            var next = 0
            for _ in 0..<(try cursor.number(ofAtLeast: 9, in: payload)) {
                let gap = try cursor.varint(of: payload)
                guard gap < UInt64(all - next) else { throw ByteCursor.Malformed() }
                let number = next + Int(gap)
                let slots = number * Int(width)..<(number + 1) * Int(width)
                keyspace.units.append((slots, try cursor.littleEndian(of: payload, as: UInt64.self)))
                next = number + 1
            }
            keyspaces.append(keyspace)
        }
        try cursor.end(of: payload)
    }
}

/// Which of the roots asked about are not equal; those not named are.
///
/// ```
/// count varint, then each roots left out before it varint,
///     outcome u8: its levels, then records varint | 255 not known here
/// ```
public struct MerkleRootsReply: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        /// The other's tree has another root, and so many levels and records.
        case differs(levels: Int, records: Int)
        /// It has no such unit, in that generation, or its tree is being made.
        case unknown
    }

    public struct Entry: Hashable, Sendable {
        /// Of the roots in the order of the message.
        public var index: Int
        public var outcome: Outcome

        public init(index: Int, outcome: Outcome) {
            self.index = index
            self.outcome = outcome
        }
    }

    /// Ascending by index.
    public var entries: [Entry]

    public init(entries: [Entry] = []) { self.entries = entries }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(varint: UInt64(entries.count))
        var next = 0
        for entry in entries {
            buffer.append(varint: UInt64(entry.index - next))
            next = entry.index + 1
            switch entry.outcome {
            case .differs(let levels, let records):
                buffer.append(UInt8(levels))
                buffer.append(varint: UInt64(records))
            case .unknown: buffer.append(255)
            }
        }
    }

    /// Reads a payload, checked whole: the entries are of a message with so many roots.
    public init(_ payload: RawSpan, roots: Int) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        entries = []
        var next = 0
        for _ in 0..<(try cursor.number(ofAtLeast: 2, in: payload)) {
            let gap = try cursor.varint(of: payload)
            guard next < roots, gap < UInt64(roots - next) else { throw ByteCursor.Malformed() }
            let index = next + Int(gap)
            next = index + 1
            let code = Int(try cursor.byte(of: payload))
            if code == 255 {
                entries.append(Entry(index: index, outcome: .unknown))
            } else {
                let records = try cursor.varint(of: payload)
                guard code <= MerkleTree.deepest, records <= UInt64(Int32.max) else { throw ByteCursor.Malformed() }
                entries.append(Entry(index: index, outcome: .differs(levels: code, records: Int(records))))
            }
        }
        try cursor.end(of: payload)
    }
}

/// Nodes of one unit's tree at one level, by the sums of their children.
///
/// ```
/// keyspace u32    generation u32    first slot u16, slots u16    level u8
/// nodes: count varint, then each nodes left out before it varint, 16 sums u64; ascending
/// ```
public struct MerkleNodes: Hashable, Sendable {
    public var keyspace: UInt32
    public var generation: UInt32
    public var slots: Range<Int>
    /// Of the nodes; their children are one level below.
    public var level: Int
    /// Ascending.
    public var indices: [Int]
    /// By node, of its children.
    public var sums: [[UInt64]]

    /// Nodes in one message.
    public static let most = 1024

    /// The nodes of a unit's tree; the level has to be above its leaves.
    public init(keyspace: UInt32, generation: UInt32, tree: MerkleTree, level: Int, indices: [Int]) {
        precondition(level < tree.levels && indices.count <= Self.most)
        self.keyspace = keyspace
        self.generation = generation
        slots = tree.slots
        self.level = level
        self.indices = indices
        sums = indices.map { node in
            (0..<MerkleTree.fanout).map { tree.sum(level: level + 1, index: node * MerkleTree.fanout + $0) }
        }
    }

    /// Bytes of one node's encoded form, about.
    static let size = 130

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(littleEndian: keyspace)
        buffer.append(littleEndian: generation)
        buffer.append(slots: slots)
        buffer.append(UInt8(level))
        buffer.append(varint: UInt64(indices.count))
        var next = 0
        for (index, sums) in zip(indices, sums) {
            buffer.append(varint: UInt64(index - next))
            next = index + 1
            for sum in sums { buffer.append(littleEndian: sum) }
        }
    }

    /// Reads a payload, checked whole. O(nodes).
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        keyspace = try cursor.littleEndian(of: payload, as: UInt32.self)
        generation = try cursor.littleEndian(of: payload, as: UInt32.self)
        slots = try cursor.slots(after: nil, of: payload)
        level = Int(try cursor.byte(of: payload))
        guard level < MerkleTree.deepest, slots.count.nonzeroBitCount == 1 else { throw ByteCursor.Malformed() }
        (indices, sums) = ([], [])
        var next = 0
        let count = try cursor.number(ofAtLeast: 1 + 8 * MerkleTree.fanout, in: payload)
        guard count <= Self.most else { throw ByteCursor.Malformed() }
        for _ in 0..<count {
            let gap = try cursor.varint(of: payload)
            let all = 1 << (4 * level)
            guard next < all, gap < UInt64(all - next) else { throw ByteCursor.Malformed() }
            indices.append(next + Int(gap))
            next += Int(gap) + 1
            var children: [UInt64] = []
            children.reserveCapacity(MerkleTree.fanout)
            for _ in 0..<MerkleTree.fanout {
                children.append(try cursor.littleEndian(of: payload, as: UInt64.self))
            }
            sums.append(children)
        }
        try cursor.end(of: payload)
    }
}

/// Which children of the nodes asked about differ.
///
/// ```
/// refused u8    count varint, then each children left out before it varint: index at their level; ascending
/// ```
public struct MerkleNodesReply: Hashable, Sendable {
    /// There is no such unit, or its tree has other levels by now.
    public var isRefused: Bool
    /// By their index at the level below the nodes'.
    public var differing: [Int]

    public init(isRefused: Bool, differing: [Int]) {
        self.isRefused = isRefused
        self.differing = differing
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(isRefused ? 1 : 0)
        buffer.append(varint: UInt64(differing.count))
        var next = 0
        for index in differing {
            buffer.append(varint: UInt64(index - next))
            next = index + 1
        }
    }

    /// Reads a payload, checked whole: what differs are children of the nodes asked about.
    public init(_ payload: RawSpan, nodes: [Int]) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        isRefused = try cursor.flag(of: payload)
        differing = []
        var (next, node) = (UInt64(0), 0)
        for _ in 0..<(try cursor.number(ofAtLeast: 1, in: payload)) {
            let (index, overflow) = try cursor.varint(of: payload).addingReportingOverflow(next)
            let parent = index / UInt64(MerkleTree.fanout)
            while node < nodes.count, UInt64(nodes[node]) < parent { node += 1 }
            guard !overflow, node < nodes.count, UInt64(nodes[node]) == parent else { throw ByteCursor.Malformed() }
            differing.append(Int(index))
            next = index + 1
        }
        try cursor.end(of: payload)
    }
}

/// Tells an owner that a partition is likely to differ: from a holder of hints, which need not own it, and gave one up.
///
/// ```
/// keyspace u32    generation u32    slot u16    1 u8, node u32: the owner that lacks something | 0 u8: nobody knows
/// ```
public struct MerkleMark: Hashable, Sendable {
    public var keyspace: UInt32
    public var generation: UInt32
    public var slot: UInt16
    public var node: UInt32?

    public init(keyspace: UInt32, generation: UInt32, slot: UInt16, node: UInt32?) {
        self.keyspace = keyspace
        self.generation = generation
        self.slot = slot
        self.node = node
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(littleEndian: keyspace)
        buffer.append(littleEndian: generation)
        buffer.append(littleEndian: slot)
        buffer.append(node == nil ? 0 : 1)
        if let node { buffer.append(littleEndian: node) }
    }

    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        keyspace = try cursor.littleEndian(of: payload, as: UInt32.self)
        generation = try cursor.littleEndian(of: payload, as: UInt32.self)
        slot = try cursor.littleEndian(of: payload, as: UInt16.self)
        node = try cursor.flag(of: payload) ? try cursor.littleEndian(of: payload, as: UInt32.self) : nil
        guard Int(slot) < Slot.count else { throw ByteCursor.Malformed() }
        try cursor.end(of: payload)
    }
}
