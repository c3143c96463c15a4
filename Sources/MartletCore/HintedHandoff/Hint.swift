/// A write that a node keeps for an owner which could not be reached: how it lies in the holder's backend.
///
/// ```
/// key:   class u8: 3    target node u32    then what follows the class byte in the record's own stored key; big-endian
/// value: version u8: 1    created u64, milliseconds since 1970    sequence u64    check u32    the encoded record
/// ```
/// One hint for a target and a key: further writes merge into it, so that a hot key costs the bytes of one, and a hint
/// for a key is found by one look. Keys of a partition are contiguous. `created` is the first write's time, from which
/// its age counts; `sequence` is the last one's, from a counter of the holder's that never goes back: what was replayed
/// is erased only if no later write has merged into it. The check covers the hint's key and what stands before it; the
/// record has its own checksum.
public struct Hint: Hashable, Sendable {
    /// When the first of the writes was kept, in milliseconds since 1970.
    public var created: UInt64
    /// The holder's count as of the last of the writes.
    public var sequence: UInt64

    public init(created: UInt64, sequence: UInt64) {
        self.created = created
        self.sequence = sequence
    }

    /// Bytes of a value before the record.
    public static let headerLength = 21
    /// Bytes of a key before the client's key.
    public static let prefixLength = StoredKey.prefixLength + 4

    // MARK: Keys

    /// Appends the key of a hint for a record.
    public static func append(keyFor target: UInt32, storedKey: RawSpan, to buffer: inout ByteBuffer) {
        buffer.append(StoredKey.Class.hint.rawValue)
        buffer.append(bigEndian: target)
        buffer.append(storedKey.extracting(1..<storedKey.byteCount))
    }

    public static func key(for target: UInt32, storedKey: RawSpan) -> [UInt8] {
        var buffer = ByteBuffer(capacity: storedKey.byteCount + 4)
        append(keyFor: target, storedKey: storedKey, to: &buffer)
        return buffer.copy()
    }

    /// Whom a hint is for, and the stored key of its record.
    public static func read(key: RawSpan) throws(ByteCursor.Malformed) -> (target: UInt32, storedKey: [UInt8]) {
        guard key.byteCount >= prefixLength, key.byte(0) == StoredKey.Class.hint.rawValue else {
            throw ByteCursor.Malformed()
        }
        return (
            key.bigEndian(1, as: UInt32.self), [StoredKey.Class.data.rawValue] + key.slice(5, key.byteCount)
        )
    }

    /// The first key of all hints for a node, and the first behind them.
    public static func bounds(for target: UInt32) -> (lower: [UInt8], upper: [UInt8]) {
        var lower = ByteBuffer(capacity: 5)
        lower.append(StoredKey.Class.hint.rawValue)
        lower.append(bigEndian: target)
        var upper = ByteBuffer(capacity: 5)
        upper.append(StoredKey.Class.hint.rawValue + (target == .max ? 1 : 0))
        if target < .max { upper.append(bigEndian: target + 1) }
        return (lower.copy(), upper.copy())
    }

    /// The first key of a node's hints in some slots of a keyspace, and the first behind them.
    public static func bounds(
        for target: UInt32, keyspace: UInt32, generation: UInt32, slots: Range<Int>
    ) -> (lower: [UInt8], upper: [UInt8]) {
        func bound(_ slot: Int) -> [UInt8] {
            let data = StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(slot))
            return withBytes(of: data) { key(for: target, storedKey: $0) }
        }
        return (bound(slots.lowerBound), bound(slots.upperBound))
    }

    // MARK: Values

    /// Appends the value of the hint with this key.
    public func append(record: RawSpan, key: RawSpan, to buffer: inout ByteBuffer) {
        let start = buffer.count
        buffer.append(1)
        buffer.append(littleEndian: created)
        buffer.append(littleEndian: sequence)
        let check = buffer.withBytes(start..<buffer.count) { Self.check($0, key) }
        buffer.append(littleEndian: check)
        buffer.append(record)
    }

    /// Reads a value: the hint, and where in it the record lies. A damaged one is none: its partition has to be
    /// compared.
    public static func read(
        value: RawSpan, key: RawSpan
    ) throws(ByteCursor.Malformed) -> (hint: Hint, record: Range<Int>) {
        guard value.byteCount > headerLength, value.byte(0) == 1,
            value.littleEndian(17, as: UInt32.self) == check(value.extracting(0..<17), key)
        else { throw ByteCursor.Malformed() }
        let hint = Hint(
            created: value.littleEndian(1, as: UInt64.self), sequence: value.littleEndian(9, as: UInt64.self))
        return (hint, headerLength..<value.byteCount)
    }

    private static func check(_ header: RawSpan, _ key: RawSpan) -> UInt32 {
        UInt32(truncatingIfNeeded: XXH3.hash(header, seed: XXH3.hash(key)))
    }
}
