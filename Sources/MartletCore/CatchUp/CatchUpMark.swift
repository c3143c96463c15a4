/// What a worker keeps in its data set of how far that can be trusted, so that the next start knows.
///
/// ```
/// version u8: 1    durability u8    workers u16    worker u16
/// keyspaces: count varint, then each id u32, runs: count varint, then each first slot u16, slots u16: caught up
/// ```
/// Written when the worker begins and whenever units become caught up. A start trusts what is marked if the former run
/// was closed in order, or synced every write before it was acknowledged; with other workers the marks are void.
public struct CatchUpMark: Hashable, Sendable {
    public var durability: ReplicaDurability
    public var workers: Int
    public var worker: Int
    /// By the keyspace's id, the slots that are caught up.
    public var keyspaces: [UInt32: [Range<Int>]]

    public init(durability: ReplicaDurability, workers: Int, worker: Int, keyspaces: [UInt32: [Range<Int>]]) {
        self.durability = durability
        self.workers = workers
        self.worker = worker
        self.keyspaces = keyspaces
    }

    public func append(to buffer: inout ByteBuffer) {
        buffer.append(1)
        buffer.append(durability.rawValue)
        buffer.append(littleEndian: UInt16(clamping: workers))
        buffer.append(littleEndian: UInt16(clamping: worker))
        buffer.append(varint: UInt64(keyspaces.count))
        for (id, runs) in keyspaces.sorted(by: { $0.key < $1.key }) {
            buffer.append(littleEndian: id)
            buffer.append(varint: UInt64(runs.count))
            for run in runs { buffer.append(slots: run) }
        }
    }

    public init(_ bytes: RawSpan) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        guard try cursor.byte(of: bytes) == 1 else { throw ByteCursor.Malformed() }
        durability = try cursor.code(ReplicaDurability.self, of: bytes)
        workers = Int(try cursor.littleEndian(of: bytes, as: UInt16.self))
        worker = Int(try cursor.littleEndian(of: bytes, as: UInt16.self))
        keyspaces = [:]
        for _ in 0..<(try cursor.number(ofAtLeast: 5, in: bytes)) {
            let id = try cursor.littleEndian(of: bytes, as: UInt32.self)
            var runs: [Range<Int>] = []
            for _ in 0..<(try cursor.number(ofAtLeast: 4, in: bytes)) {
                runs.append(try cursor.slots(after: runs.last, of: bytes))
            }
            keyspaces[id] = runs
        }
        try cursor.end(of: bytes)
    }

    /// Whether all of some slots are marked. O(log runs).
    public func covers(_ slots: Range<Int>, ofKeyspace id: UInt32) -> Bool {
        guard let runs = keyspaces[id] else { return false }
        let at = runs.partitionIndex { $0.upperBound <= slots.lowerBound }
        return at < runs.count && runs[at].lowerBound <= slots.lowerBound && runs[at].upperBound >= slots.upperBound
    }
}
