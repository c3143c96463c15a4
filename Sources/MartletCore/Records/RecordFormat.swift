/// The stored record, version 1. All that a replica knows of one key, as a backend keeps it:
///
/// ```
/// 0   format version u8 (1)     1  kind u8    2  flags u8    3  codec u8
/// 4   checksum u64: XXH3 of the bytes from 12 on, seeded with the XXH3 of the stored key and the first four bytes
/// 12  context: count varint, then per entry node u32, incarnation u64, birth varint, counter varint
///     siblings: count varint, then per sibling
///         flags u8, [codec u8], index of its actor in the context varint, counter varint, stamp u64,
///         [expiry i64, milliseconds], [token 16 bytes], [length before compression varint], length varint, bytes
///     sections until the end: tag varint, length varint, bytes; unknown ones are kept untouched
///         tag 1: writes that carried a retry token and are siblings no more (RetryMemory)
/// ```
/// Numbers of fixed width are little-endian. The checksum covers the stored key, so a record that is found under
/// another key is as damaged as one with a flipped bit. Written in ascending order: the context by actor, siblings by
/// dot, sections by tag, each at most once. The context covers the siblings' own dots. The header's codec is that of
/// the siblings without one of their own: replicas that compress differently meet in one record when they are merged.
///
/// A sibling with both an expiry and the tombstone flag is a value whose bytes were dropped once it had expired; in
/// their place stands their hash (8 bytes), so that the record's digest stays what it was.
public enum RecordFormat {
    public static let version: UInt8 = 1
    public static let headerLength = 12

    public enum Kind: UInt8, Sendable {
        case string = 1
        case tombstone = 2
    }

    /// How the bytes of the record's values are compressed.
    public enum Codec: UInt8, Sendable, CaseIterable {
        case none = 0
        case lz4 = 1
        case zstd = 2
    }

    /// Bits of a sibling's flags.
    public struct SiblingFlags: OptionSet, Sendable {
        public var rawValue: UInt8
        @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
        @inlinable public static var expiry: Self { Self(rawValue: 1) }
        @inlinable public static var token: Self { Self(rawValue: 2) }
        @inlinable public static var tombstone: Self { Self(rawValue: 4) }
        /// Its bytes are packed in another way than the header says.
        @inlinable public static var ownCodec: Self { Self(rawValue: 8) }
        /// There was a live value before the write; told with a token only, to answer its repetition.
        @inlinable public static var replaced: Self { Self(rawValue: 16) }
        /// All that this version knows.
        @inlinable static var known: Self { Self(rawValue: 31) }
    }

    /// The checksum of a record of at least ``headerLength`` bytes. O(length).
    @inlinable
    public static func checksum(of record: RawSpan, storedKey: RawSpan) -> UInt64 {
        checksum(of: record, keyHash: XXH3.hash(storedKey, seed: 0))
    }

    /// The same from the stored key's hash, for those who check several records of one key.
    ///
    /// The header adds nothing for the plainest records, so that it costs and changes nothing there.
    @inlinable
    static func checksum(of record: RawSpan, keyHash: UInt64) -> UInt64 {
        let header = UInt64(record.littleEndian(0, as: UInt32.self) ^ 0x0000_0101) &* 0x9e37_79b9_7f4a_7c15
        return XXH3.hash(record.extracting(headerLength..<record.byteCount), seed: keyHash ^ header)
    }
}
