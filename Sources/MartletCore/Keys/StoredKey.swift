/// The key under which a backend keeps something: 16 bytes of place, then the client's key.
///
/// `class u8 | keyspace u32 | generation u32 | slot u16 | keyed hash, 40 bits | key`, big-endian, so that a slot is one
/// contiguous range, a scan cursor is a slot and a hash, and raising the generation empties a keyspace at once.
public enum StoredKey {
    /// What a stored key is of; its first byte.
    public enum Class: UInt8, Sendable {
        case data = 1
        case meta = 2
        case hint = 3
        case consensus = 4
    }

    /// Bytes before the client's key.
    public static let prefixLength = 16

    /// The 40 bits that order keys within a slot. Keyed, so that clients cannot aim collisions.
    @inlinable
    public static func hash(_ key: RawSpan, seed: UInt64) -> UInt64 { XXH3.hash(key, seed: seed) >> 24 }

    /// Appends the stored key of a client's key.
    @inlinable
    public static func append(
        to buffer: inout ByteBuffer, keyspace: UInt32, generation: UInt32, slot: UInt16, hash: UInt64, key: RawSpan
    ) {
        buffer.reserve(prefixLength + key.byteCount)
        buffer.append(Class.data.rawValue)
        buffer.append(bigEndian: keyspace)
        buffer.append(bigEndian: generation)
        buffer.append(bigEndian: UInt64(slot) << 40 | (hash & 0xff_ffff_ffff), bytes: 7)
        buffer.append(key)
    }

    /// The first key of a place: all of a keyspace's generation from `slot` and `hash` on.
    public static func lowerBound(keyspace: UInt32, generation: UInt32, slot: UInt16 = 0, hash: UInt64 = 0) -> [UInt8] {
        var buffer = ByteBuffer(capacity: prefixLength)
        buffer.append(Class.data.rawValue)
        buffer.append(bigEndian: keyspace)
        buffer.append(bigEndian: generation)
        buffer.append(bigEndian: UInt64(slot) << 40 | (hash & 0xff_ffff_ffff), bytes: 7)
        return buffer.copy()
    }

    /// The first key after all of a keyspace's generation.
    public static func upperBound(keyspace: UInt32, generation: UInt32) -> [UInt8] {
        if generation == .max { return lowerBound(keyspace: keyspace + 1, generation: 0) }
        return lowerBound(keyspace: keyspace, generation: generation + 1)
    }

    /// A node's own entry, such as a lease.
    public static func meta(_ name: String) -> [UInt8] { [Class.meta.rawValue] + Array(name.utf8) }

    /// Where the slot and hash of a stored key lie, as one number: what orders keys within a keyspace.
    @inlinable
    public static func place(of storedKey: RawSpan) -> UInt64 {
        UInt64(storedKey.bigEndian(9, as: UInt16.self)) << 40
            | UInt64(storedKey.byte(11)) << 32 | UInt64(storedKey.bigEndian(12, as: UInt32.self))
    }
}

extension ByteBuffer {
    /// Appends the lowest `bytes` bytes of a number, most significant first.
    @inlinable
    mutating func append(bigEndian value: UInt64, bytes: Int) {
        reserve(8)
        append(bigEndian: value << UInt64(8 * (8 - bytes)))
        truncate(to: count - (8 - bytes))
    }
}
