/// What became of the entries of a ``CoordinateWrite``, in their order. The positions of receipts are those of the
/// preference list in the epoch of the frame.
///
/// ```
/// count varint, then per entry: outcome u8, and
///     0 applied:      owners u64, hints u64, weakest durability u8, existed u8, stamp u64,
///                     the context: a varint length and bytes
///     1 no quorum:    reachable u8, needed u8
///     2 durability unmet
///     3 refused:      refusal u8
///     4 unknown:      acknowledged u8, needed u8
/// ```
public struct CoordinateWriteReply: Hashable, Sendable {
    /// What became of one key's write.
    public struct Entry: Hashable, Sendable {
        public var answer: WriteAnswer
        /// Of an applied write, whether there was a live value before.
        public var existed = false
        /// Of an applied write, its stamp.
        public var stamp: UInt64 = 0
        /// Of an applied write, where the context of the new version lies: an encoded ``VersionVector``, or empty.
        public var context = 0..<0
    }

    public var count: Int
    private var firstEntry: Int

    /// Appends the count; as many entries have to follow.
    public static func begin(count: Int, in buffer: inout ByteBuffer) {
        precondition(count >= 1 && count <= ReplicaMessageLimits.entries)
        buffer.append(varint: UInt64(count))
    }

    /// Appends an entry; `existed`, `stamp` and `context` are sent of applied writes only.
    public static func append(
        _ answer: WriteAnswer, existed: Bool = false, stamp: UInt64 = 0, context: RawSpan, to buffer: inout ByteBuffer
    ) {
        switch answer {
        case .applied(let receipt):
            buffer.append(0)
            buffer.append(littleEndian: receipt.owners.mask)
            buffer.append(littleEndian: receipt.hints.mask)
            buffer.append(receipt.weakest.rawValue)
            buffer.append(existed ? 1 : 0)
            buffer.append(littleEndian: stamp)
            buffer.append(field: context)
        case .notApplied(.noQuorum(let reachable, let needed)):
            buffer.append(1)
            buffer.append(UInt8(clamping: reachable))
            buffer.append(UInt8(clamping: needed))
        case .notApplied(.durabilityUnmet): buffer.append(2)
        case .notApplied(.refused(let reason)):
            buffer.append(3)
            buffer.append(reason.rawValue)
        case .unknown(let acknowledged, let needed):
            buffer.append(4)
            buffer.append(UInt8(clamping: acknowledged))
            buffer.append(UInt8(clamping: needed))
        }
    }

    /// Reads a payload, checked whole. O(entries and contexts).
    public init(_ payload: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        count = try cursor.entryCount(ofAtLeast: 1, in: payload)
        firstEntry = cursor.offset
        var entries = entries()
        while let entry = try entries.next(of: payload) {
            if !entry.context.isEmpty { try VersionVector.check(payload.extracting(entry.context)) }
        }
        try entries.cursor.end(of: payload)
    }

    /// The entries, from the first.
    public func entries() -> Entries { Entries(cursor: ByteCursor(at: firstEntry), left: count) }

    /// Reads entries one after another.
    public struct Entries: Sendable {
        fileprivate var cursor: ByteCursor
        private var left: Int

        fileprivate init(cursor: ByteCursor, left: Int) {
            self.cursor = cursor
            self.left = left
        }

        /// The next entry; nil after the last. Throws only for a payload other than the one that was read.
        public mutating func next(of payload: RawSpan) throws(ByteCursor.Malformed) -> Entry? {
            guard left > 0 else { return nil }
            left -= 1
            switch try cursor.byte(of: payload) {
            case 0: return try applied(payload)
            case 1:
                let (reachable, needed) = (try cursor.byte(of: payload), try cursor.byte(of: payload))
                return Entry(answer: .notApplied(.noQuorum(reachable: Int(reachable), needed: Int(needed))))
            case 2: return Entry(answer: .notApplied(.durabilityUnmet))
            case 3: return Entry(answer: .notApplied(.refused(ReplicaRefusal(code: try cursor.byte(of: payload)))))
            case 4:
                let (acknowledged, needed) = (try cursor.byte(of: payload), try cursor.byte(of: payload))
                return Entry(answer: .unknown(acknowledged: Int(acknowledged), needed: Int(needed)))
            default: throw ByteCursor.Malformed()
            }
        }

        private mutating func applied(_ payload: RawSpan) throws(ByteCursor.Malformed) -> Entry {
            let owners = PositionSet(mask: try cursor.littleEndian(of: payload, as: UInt64.self))
            let hints = PositionSet(mask: try cursor.littleEndian(of: payload, as: UInt64.self))
            let weakest = try cursor.code(ReplicaDurability.self, of: payload)
            let existed = try cursor.byte(of: payload)
            guard existed <= 1, owners.intersection(hints).isEmpty, !owners.union(hints).isEmpty else {
                throw ByteCursor.Malformed()
            }
            let stamp = try cursor.littleEndian(of: payload, as: UInt64.self)
            let context = try cursor.field(upTo: ReplicaMessageLimits.context, of: payload)
            return Entry(
                answer: .applied(WriteReceipt(owners: owners, hints: hints, weakest: weakest)), existed: existed == 1,
                stamp: stamp, context: context)
        }
    }
}
