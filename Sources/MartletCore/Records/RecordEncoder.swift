/// One value to be stored under a new dot.
public struct NewValue: Sendable {
    public var stamp: UInt64
    /// Milliseconds since 1970; `Int64.max` for never.
    public var expiry: Int64
    /// The writer's retry token.
    public var token: (UInt64, UInt64)?
    /// Whether there was a live value before; kept with a token only.
    public var existed = false
    public var codec: RecordFormat.Codec
    /// Bytes before compression.
    public var length: Int
    /// Whether it says that the key was deleted; it has no bytes then.
    public var isTombstone = false

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

    /// A delete: a tombstone, which never expires.
    @inlinable
    public static func tombstone(stamp: UInt64, token: (UInt64, UInt64)? = nil) -> NewValue {
        var value = NewValue(stamp: stamp, token: token, length: 0)
        value.isTombstone = true
        return value
    }

    @inlinable var kind: RecordFormat.Kind { isTombstone ? .tombstone : .string }

    @inlinable var flags: RecordFormat.SiblingFlags {
        var flags: RecordFormat.SiblingFlags = []
        if expiry != .max { flags.insert(.expiry) }
        if token != nil { flags.formUnion(existed ? [.token, .replaced] : .token) }
        if isTombstone { flags.insert(.tombstone) }
        return flags
    }
}

/// Encodes records straight into a batch's arena.
public enum RecordEncoder {
    /// Appends a record whose only sibling is `value`, with a context of one entry.
    @inlinable
    public static func append(
        to buffer: inout ByteBuffer, storedKey: RawSpan, dot: Dot, value: NewValue, bytes: RawSpan
    ) {
        let start = begin(&buffer, kind: value.kind, codec: value.codec)
        buffer.append(UInt8(1))
        VersionVector.Entry(actor: dot.actor, counter: dot.counter).encode(into: &buffer)
        buffer.append(UInt8(1))
        sibling(&buffer, common: value.codec, index: 0, counter: dot.counter, value: value, bytes: bytes)
        finish(&buffer, from: start, storedKey: storedKey)
    }

    /// Appends a record whose only sibling is `value` and whose context is `context` with `dot` in it.
    public static func append(
        to buffer: inout ByteBuffer, storedKey: RawSpan, context: VersionVector, dot: Dot, value: NewValue,
        bytes: RawSpan
    ) {
        let start = begin(&buffer, kind: value.kind, codec: value.codec)
        var context = context
        context.insert(dot)
        context.encode(into: &buffer)
        let index = context.entries.firstIndex { $0.actor == dot.actor } ?? 0
        buffer.append(UInt8(1))
        sibling(
            &buffer, common: value.codec, index: UInt64(index), counter: dot.counter, value: value, bytes: bytes)
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

    /// Appends a new sibling to a record whose header says `common`.
    @inlinable
    static func sibling(
        _ buffer: inout ByteBuffer, common: RecordFormat.Codec, index: UInt64, counter: UInt64, value: NewValue,
        bytes: RawSpan
    ) {
        head(&buffer, flags: value.flags, codec: value.codec, common: common)
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

    /// Appends a sibling of another record, its actor now at `index` of the context.
    @inlinable
    static func copy(
        _ buffer: inout ByteBuffer, common: RecordFormat.Codec, index: UInt64, sibling: RecordSibling,
        of record: RawSpan
    ) {
        head(&buffer, flags: sibling.flags.subtracting(.ownCodec), codec: sibling.codec, common: common)
        buffer.append(varint: index)
        buffer.append(varint: sibling.counter)
        buffer.append(record.extracting(sibling.tail..<sibling.value.upperBound))
    }

    @inlinable
    static func head(
        _ buffer: inout ByteBuffer, flags: RecordFormat.SiblingFlags, codec: RecordFormat.Codec,
        common: RecordFormat.Codec
    ) {
        if codec == common {
            buffer.append(flags.rawValue)
        } else {
            buffer.append(flags.union(.ownCodec).rawValue)
            buffer.append(codec.rawValue)
        }
    }

    @inlinable
    static func finish(_ buffer: inout ByteBuffer, from start: Int, storedKey: RawSpan) {
        finish(&buffer, from: start, keyHash: XXH3.hash(storedKey, seed: 0))
    }

    @inlinable
    static func finish(_ buffer: inout ByteBuffer, from start: Int, keyHash: UInt64) {
        let sum = buffer.withBytes(start..<buffer.count) { RecordFormat.checksum(of: $0, keyHash: keyHash) }
        buffer.store(littleEndian: sum, at: start + 4)
    }
}
