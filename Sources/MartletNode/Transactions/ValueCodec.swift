internal import CLZ4
internal import CZstd
internal import MartletCore

/// Compression of values above the backend, so that every backend stores the same bytes.
enum ValueCodec {
    /// Shorter values are stored as they are: the frame would eat what is won.
    static let leastLength = 64

    /// Appends the packed value to `buffer` if that is worth at least an eighth of it.
    ///
    /// - Returns: how it was packed; `none` means that nothing was appended.
    static func pack(
        _ value: RawSpan, as codec: RecordFormat.Codec, into buffer: inout ByteBuffer
    ) -> RecordFormat.Codec {
        guard codec != .none, value.byteCount >= leastLength else { return .none }
        let limit = value.byteCount - value.byteCount / 8
        let written = unsafe buffer.append(upTo: limit) { target in
            unsafe value.withUnsafeBytes { source -> Int in
                guard let from = source.baseAddress, let to = target.baseAddress else { return 0 }
                if codec == .lz4 {
                    return unsafe Int(
                        LZ4_compress_default(
                            from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self),
                            Int32(source.count), Int32(target.count)))
                }
                let size = unsafe ZSTD_compress(to, target.count, from, source.count, 1)
                return ZSTD_isError(size) != 0 ? 0 : size
            }
        }
        return written > 0 ? codec : .none
    }

    /// Appends the value; false if the bytes are not what ``pack(_:as:into:)`` made of `length` bytes.
    static func unpack(
        _ packed: RawSpan, _ codec: RecordFormat.Codec, length: Int, into buffer: inout ByteBuffer
    ) -> Bool {
        let written = unsafe buffer.append(upTo: length) { target in
            unsafe packed.withUnsafeBytes { source -> Int in
                guard let from = source.baseAddress, let to = target.baseAddress else { return 0 }
                if codec == .lz4 {
                    let size = unsafe LZ4_decompress_safe(
                        from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self),
                        Int32(source.count), Int32(target.count))
                    return max(0, Int(size))
                }
                let size = unsafe ZSTD_decompress(to, target.count, from, source.count)
                return ZSTD_isError(size) != 0 ? 0 : size
            }
        }
        return written == length
    }
}
