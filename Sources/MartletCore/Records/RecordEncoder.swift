/// One value to be stored as the sole sibling of a key.
public struct NewValue: Sendable {
    public var stamp: UInt64
    /// Milliseconds since 1970; `Int64.max` for never.
    public var expiry: Int64
    /// The writer's retry token.
    public var token: (UInt64, UInt64)?
    public var codec: RecordFormat.Codec
    /// Bytes before compression.
    public var length: Int

    @inlinable
    public init(
        stamp: UInt64, expiry: Int64 = .max, token: (UInt64, UInt64)? = nil, codec: RecordFormat.Codec = .none,
        length: Int
    ) {
        self.stamp = stamp
        self.expiry = expiry
        self.token = token
        self.codec = codec
        self.length = length
    }
}

/// Encodes records of one sibling, the common case, straight into a batch's arena.
public enum RecordEncoder {
    /// Appends a record whose only sibling is `value`, with a context of one entry.
    @inlinable
    public static func append(
        to buffer: inout ByteBuffer, storedKey: RawSpan, dot: Dot, value: NewValue, bytes: RawSpan
    ) {
        let start = begin(&buffer, kind: .string, codec: value.codec)
        buffer.append(UInt8(1))
        VersionVector.Entry(actor: dot.actor, counter: dot.counter).encode(into: &buffer)
        sibling(&buffer, index: 0, counter: dot.counter, value: value, bytes: bytes)
        finish(&buffer, from: start, storedKey: storedKey)
    }

    /// Appends a record whose only sibling is `value` and whose context is `context` with `dot` in it.
    public static func append(
        to buffer: inout ByteBuffer, storedKey: RawSpan, context: VersionVector, dot: Dot, value: NewValue,
        bytes: RawSpan
    ) {
        let start = begin(&buffer, kind: .string, codec: value.codec)
        var context = context
        context.insert(dot)
        context.encode(into: &buffer)
        let index = context.entries.firstIndex { $0.actor == dot.actor } ?? 0
        sibling(&buffer, index: UInt64(index), counter: dot.counter, value: value, bytes: bytes)
        finish(&buffer, from: start, storedKey: storedKey)
    }

    @inlinable
    static func begin(_ buffer: inout ByteBuffer, kind: RecordFormat.Kind, codec: RecordFormat.Codec) -> Int {
        let start = buffer.count
        let head =
            UInt32(RecordFormat.version) | UInt32(kind.rawValue) << 8 | UInt32(codec.rawValue) << 24
        buffer.append(littleEndian: head)
        buffer.append(littleEndian: UInt64(0))
        return start
    }

    @inlinable
    static func sibling(_ buffer: inout ByteBuffer, index: UInt64, counter: UInt64, value: NewValue, bytes: RawSpan) {
        var flags: RecordFormat.SiblingFlags = []
        if value.expiry != .max { flags.insert(.expiry) }
        if value.token != nil { flags.insert(.token) }
        buffer.append(UInt8(1))
        buffer.append(flags.rawValue)
        buffer.append(varint: index)
        buffer.append(varint: counter)
        buffer.append(littleEndian: value.stamp)
        if value.expiry != .max { buffer.append(littleEndian: value.expiry) }
        if let token = value.token {
            buffer.append(littleEndian: token.0)
            buffer.append(littleEndian: token.1)
        }
        if value.codec != .none { buffer.append(varint: UInt64(value.length)) }
        buffer.append(varint: UInt64(bytes.byteCount))
        buffer.append(bytes)
    }

    @inlinable
    static func finish(_ buffer: inout ByteBuffer, from start: Int, storedKey: RawSpan) {
        let sum = buffer.withBytes(start..<buffer.count) { RecordFormat.checksum(of: $0, storedKey: storedKey) }
        buffer.store(littleEndian: sum, at: start + 4)
    }
}
