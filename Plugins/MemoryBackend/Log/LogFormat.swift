internal import MartletCore
internal import MartletRuntime

/// The files of the commit log: `log-<generation>` and `snapshot-<generation>`, the generation in 16 hex digits.
///
/// A snapshot of generation g holds all that was applied before the first frame of log g; logs g, g+1, ... follow it.
/// Both kinds of file are a header and frames. Numbers are little-endian; checksums are XXH3.
/// ```
/// header  magic "MLTMEM" | kind 'L' or 'S' | version u8 = 1 | generation u64 | first sequence u64 | checksum u64 of
/// these frame   checksum u64 of the rest, seeded with the generation | payload length u32 | operations u32
///         | sequence u64 | synced u64 | payload
/// payload per operation: varint (key length * 2 + is delete) | key | put only: varint value length | value
/// ```
/// In a log, a frame is a batch; sequences count on by one, also from one log to the next. `synced` says how much of
/// this file was known to be on stable storage when the frame was written: a bad frame before such a mark is damage,
/// and the file is refused; a bad frame after all such marks is the tail of an interrupted write, and is cut off.
/// A frame of no operations changes nothing; close writes one, as a mark.
/// In a snapshot, frames hold puts and count from 0; the last has no operations and the number of pairs as payload,
/// u64.
enum LogFormat {
    static let version: UInt8 = 1
    static let headerSize = 32
    static let frameHeaderSize = 32

    enum Kind: UInt8 {
        case log = 0x4c
        case snapshot = 0x53
    }

    struct Header: Equatable {
        var generation: UInt64
        var firstSequence: UInt64
    }

    /// A frame but for its payload.
    struct Frame: Equatable {
        var length: Int
        var operations: UInt32
        var sequence: UInt64
        var synced: UInt64
        var size: Int { frameHeaderSize + length }
    }

    static func name(_ kind: Kind, _ generation: UInt64) -> String {
        let digits = String(generation, radix: 16)
        return (kind == .log ? "log-" : "snapshot-") + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The kind and generation that a file's name tells, or nil if it is none of ours.
    static func parse(_ name: String) -> (kind: Kind, generation: UInt64)? {
        let parts = name.split(separator: "-")
        guard parts.count == 2, let generation = UInt64(parts[1], radix: 16) else { return nil }
        for kind in [Kind.log, .snapshot] where Self.name(kind, generation) == name { return (kind, generation) }
        return nil
    }

    static func append(_ header: Header, of kind: Kind, to buffer: inout ByteBuffer) {
        let start = buffer.count
        buffer.append("MLTMEM")
        buffer.append(kind.rawValue)
        buffer.append(version)
        buffer.append(littleEndian: header.generation)
        buffer.append(littleEndian: header.firstSequence)
        buffer.append(littleEndian: buffer.withBytes(start..<start + 24) { XXH3.hash($0) })
    }

    static func header(
        _ bytes: RawSpan, of kind: Kind, generation: UInt64, path: String
    ) throws(StorageError) -> Header {
        guard bytes.byteCount >= headerSize, bytes.extracting(0..<6).text == "MLTMEM", bytes.byte(6) == kind.rawValue
        else { throw StorageError(.corrupted, "\(path): not a file of a commit log (at offset 0)") }
        guard bytes.byte(7) == version else {
            throw StorageError(
                .incompatible, "\(path): is of version \(bytes.byte(7)); this program reads version \(version)")
        }
        let header = Header(
            generation: bytes.littleEndian(8, as: UInt64.self), firstSequence: bytes.littleEndian(16, as: UInt64.self))
        guard XXH3.hash(bytes.extracting(0..<24)) == bytes.littleEndian(24, as: UInt64.self),
            header.generation == generation
        else { throw StorageError(.corrupted, "\(path): the header at offset 0 is damaged") }
        return header
    }

    /// Begins a frame at the buffer's end; its payload follows, then ``seal(_:at:frame:generation:)``.
    static func beginFrame(in buffer: inout ByteBuffer) -> Int {
        let start = buffer.count
        for _ in 0..<4 { buffer.append(littleEndian: UInt64(0)) }
        return start
    }

    /// Completes the frame that begins at `start` and reaches to the buffer's end. Its length is taken from there.
    static func seal(
        _ buffer: inout ByteBuffer, at start: Int, operations: Int, sequence: UInt64, synced: UInt64, generation: UInt64
    ) {
        let length = buffer.count - start - frameHeaderSize
        buffer.store(littleEndian: UInt32(truncatingIfNeeded: length), at: start + 8)
        buffer.store(littleEndian: UInt32(truncatingIfNeeded: operations), at: start + 12)
        buffer.store(littleEndian: sequence, at: start + 16)
        buffer.store(littleEndian: synced, at: start + 24)
        let checksum = buffer.withBytes(start + 8..<buffer.count) { XXH3.hash($0, seed: generation) }
        buffer.store(littleEndian: checksum, at: start)
    }

    /// What the frame header at `offset` says, unchecked.
    static func frame(_ bytes: RawSpan, at offset: Int) -> Frame {
        Frame(
            length: Int(bytes.littleEndian(offset + 8, as: UInt32.self)),
            operations: bytes.littleEndian(offset + 12, as: UInt32.self),
            sequence: bytes.littleEndian(offset + 16, as: UInt64.self),
            synced: bytes.littleEndian(offset + 24, as: UInt64.self))
    }

    /// Whether the frame at `offset`, all of which is there, is what was written.
    static func isIntact(_ frame: Frame, _ bytes: RawSpan, at offset: Int, generation: UInt64) -> Bool {
        XXH3.hash(bytes.extracting(offset + 8..<offset + frame.size), seed: generation)
            == bytes.littleEndian(offset, as: UInt64.self)
    }

    static func append(_ key: RawSpan, _ value: RawSpan, isDelete: Bool, to buffer: inout ByteBuffer) {
        buffer.append(varint: UInt64(key.byteCount) << 1 | (isDelete ? 1 : 0))
        buffer.append(key)
        guard !isDelete else { return }
        buffer.append(varint: UInt64(value.byteCount))
        buffer.append(value)
    }

    /// Carries out a payload's operations.
    static func replay(_ payload: RawSpan, operations: UInt32, into tree: inout Tree) throws(ByteCursor.Malformed) {
        var cursor = ByteCursor()
        for _ in 0..<operations {
            let head = try cursor.varint(of: payload)
            let key = try cursor.take(length(head >> 1, most: Leaf.maximumKeyLength), of: payload)
            if head & 1 != 0 {
                _ = tree.remove(payload.extracting(key))
            } else {
                let count = try length(cursor.varint(of: payload), most: Leaf.maximumValueLength)
                let value = try cursor.take(count, of: payload)
                tree.put(payload.extracting(key), payload.extracting(value))
            }
        }
        guard cursor.offset == payload.byteCount else { throw ByteCursor.Malformed() }
    }

    private static func length(_ value: UInt64, most: Int) throws(ByteCursor.Malformed) -> Int {
        guard value <= UInt64(most) else { throw ByteCursor.Malformed() }
        return Int(value)
    }
}
