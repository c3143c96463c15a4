/// The form of a message on a link: 48 bytes of header, then the payload. All numbers are little-endian.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | XXH3 of all bytes that follow |
/// | 8 | 4 | length of the frame, header included |
/// | 12 | 2 | magic, `ML` |
/// | 14 | 1 | version of the frame's form |
/// | 15 | 1 | 0; ignored when read |
/// | 16 | 8 | request |
/// | 24 | 8 | epoch |
/// | 32 | 8 | stamp |
/// | 40 | 4 | deadline, milliseconds |
/// | 44 | 2 | kind |
/// | 46 | 2 | 0; ignored when read |
public enum Frame {
    /// Bytes before the payload.
    public static let headerLength = 48
    /// The longest frame, header included.
    public static let longest = 64 << 20
    /// `ML`.
    @usableFromInline static let magic: UInt16 = 0x4C4D
    @usableFromInline static let version: UInt8 = 1

    /// Appends one frame; `body` appends the payload. Nothing is allocated but what the buffer grows by.
    ///
    /// - Returns: false, with the buffer as it was, if the frame would be longer than ``longest``.
    @inlinable
    public static func append(
        _ header: MessageHeader, to buffer: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void
    ) -> Bool {
        let start = buffer.count
        buffer.reserve(headerLength)
        buffer.append(littleEndian: UInt64(0))
        buffer.append(littleEndian: UInt32(0))
        buffer.append(littleEndian: UInt32(magic) | UInt32(version) << 16)
        buffer.append(littleEndian: header.request)
        buffer.append(littleEndian: header.epoch)
        buffer.append(littleEndian: header.stamp)
        buffer.append(littleEndian: UInt64(header.deadline) | UInt64(header.kind.rawValue) << 32)
        body(&buffer)
        let length = buffer.count - start
        precondition(length >= headerLength, "a payload's body took away what it did not write")
        guard length <= longest else {
            buffer.truncate(to: start)
            return false
        }
        buffer.store(littleEndian: UInt32(truncatingIfNeeded: length), at: start + 8)
        let checksum = buffer.withBytes(start + 8..<start + length) { XXH3.hash($0) }
        buffer.store(littleEndian: checksum, at: start)
        return true
    }
}

/// What is wrong with bytes that should be a frame. The link they came on cannot go on: where the next frame begins is
/// no longer known.
public enum FrameError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Not Martlet's frames at all.
    case badMagic(UInt16)
    /// A form of frames that this version does not read.
    case badVersion(UInt8)
    /// Shorter than a header, or longer than the link takes.
    case badLength(UInt32)
    /// The bytes are not those that were sent.
    case badChecksum

    public var description: String {
        switch self {
        case .badMagic(let magic): "not a frame: magic 0x\(String(magic, radix: 16))"
        case .badVersion(let version): "frame version \(version) is not understood"
        case .badLength(let length): "a frame of \(length) bytes is not taken"
        case .badChecksum: "a frame is damaged: its checksum does not match"
        }
    }
}

/// Finds frames in what a link received, in place.
///
/// It keeps nothing: a frame that trickles in is looked at by its header only until it is whole. Memory grows with the
/// bytes that came, never with a length that a peer claims.
public struct FrameParser: Sendable {
    /// What ``next(_:at:)`` found.
    public enum Step: Sendable {
        /// A frame whose payload lies at this place of the bytes; the frame ends where its payload does.
        case frame(MessageHeader, payload: Range<Int>)
        /// More bytes are needed.
        case incomplete
    }

    /// The longest frame taken, in bytes; at most ``Frame/longest``.
    public var longest: Int

    public init(longest: Int = Frame.longest) { self.longest = min(longest, Frame.longest) }

    /// Looks for a frame at `start`. O(length of the frame) once it is whole, O(1) before.
    @inlinable
    public func next(_ bytes: RawSpan, at start: Int) throws(FrameError) -> Step {
        let left = bytes.byteCount - start
        guard left >= 16 else { return .incomplete }
        let sign = bytes.littleEndian(start + 12, as: UInt32.self)
        if sign & 0xFF_FFFF != UInt32(Frame.magic) | UInt32(Frame.version) << 16 { throw Self.foreign(sign) }
        let claimed = bytes.littleEndian(start + 8, as: UInt32.self)
        let length = Int(claimed)
        guard length >= Frame.headerLength, length <= longest else { throw .badLength(claimed) }
        guard left >= length else { return .incomplete }
        let end = start + length
        guard XXH3.hash(bytes.extracting(start + 8..<end)) == bytes.littleEndian(start, as: UInt64.self) else {
            throw .badChecksum
        }
        let tail = bytes.littleEndian(start + 40, as: UInt64.self)
        let header = MessageHeader(
            kind: MessageKind(rawValue: UInt16(truncatingIfNeeded: tail >> 32)),
            request: bytes.littleEndian(start + 16, as: UInt64.self),
            deadline: UInt32(truncatingIfNeeded: tail),
            epoch: bytes.littleEndian(start + 24, as: UInt64.self),
            stamp: bytes.littleEndian(start + 32, as: UInt64.self))
        return .frame(header, payload: start + Frame.headerLength..<end)
    }

    @usableFromInline
    static func foreign(_ sign: UInt32) -> FrameError {
        let magic = UInt16(truncatingIfNeeded: sign)
        return magic == Frame.magic ? .badVersion(UInt8(truncatingIfNeeded: sign >> 16)) : .badMagic(magic)
    }
}
