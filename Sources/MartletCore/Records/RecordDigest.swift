/// Unpacks a value: appends `length` bytes to the buffer; false if the packed bytes are not that codec's.
public typealias ValueUnpacker = (
    _ packed: RawSpan, _ codec: RecordFormat.Codec, _ length: Int, _ into: inout ByteBuffer
) -> Bool

/// The hash of what a record says, however it is written: digest reads, Merkle leaves and "equal replicas" compare it.
///
/// It covers the stored key, the context, every sibling with its value as it was before compression, and the sections,
/// in ascending order of actors, dots and tags. Records that differ only in codecs, in the order of siblings or context
/// entries, or in whether the bytes of an expired value were dropped, have one digest.
///
/// Of a record of one sibling that does not expire, and no sections, it is the checksum that the record has when it is
/// written plainly, as most are: nothing is left to be computed then.
public enum RecordDigest {
    /// The digest of a record that was found under `storedKey`.
    ///
    /// Allocates nothing for a record of one sibling and no sections in canonical order. O(bytes before compression).
    ///
    /// - Parameters:
    ///   - seed: a secret of the cluster, so that clients cannot aim collisions.
    ///   - scratch: where packed values are unpacked; it is left empty.
    ///   - unpack: called for values with a codec.
    public static func digest(
        of record: RawSpan, storedKey: RawSpan, seed: UInt64 = 0, scratch: inout ByteBuffer, unpack: ValueUnpacker
    ) throws(RecordView.Damage) -> UInt64 {
        let keyHash = XXH3.hash(storedKey, seed: 0)
        try RecordView.check(record, keyHash: keyHash)
        return try digest(
            ofSound: record, storedKey: storedKey, seed: seed, scratch: &scratch, unpack: unpack)
    }

    /// The same of a record that was checked just now, or is being written: its checksum is taken for what it says.
    ///
    /// ~35 ns for a plain record: what the trees take of each write, twice.
    public static func digest(
        ofSound record: RawSpan, storedKey: RawSpan, seed: UInt64 = 0, scratch: inout ByteBuffer, unpack: ValueUnpacker
    ) throws(RecordView.Damage) -> UInt64 {
        if let sole = SoleRecord(record), isPlain(sole, record) {
            return keyed(record.littleEndian(4, as: UInt64.self), seed)
        }
        let view: RecordView
        do throws(ByteCursor.Malformed) { view = try RecordView(parsing: record) } catch { throw .damaged }
        if view.siblingCount == 1, view.siblings.upperBound == record.byteCount, view.expiry == .max {
            return keyed(try plainChecksum(view, of: record, storedKey, &scratch, unpack), seed)
        }
        var digest = XXH3.hash(storedKey, seed: seed)
        if view.siblingCount == 1, view.siblings.upperBound == record.byteCount,
            try add(
                contextOf: view, record, to: &digest)
        {
            var siblings = RecordSiblings(view)
            guard let (dot, sibling) = try siblings.next(of: record) else { throw .damaged }
            let hash = try valueHash(sibling, of: record, scratch: &scratch, unpack: unpack)
            add(dot, sibling, of: record, valueHash: hash, to: &digest)
            return digest
        }
        digest = XXH3.hash(storedKey, seed: seed)
        let parts = try RecordParts(view, of: record)
        for entry in parts.context.entries { add(entry, to: &digest) }
        for sibling in parts.siblings {
            let hash = try valueHash(sibling.place, of: record, scratch: &scratch, unpack: unpack)
            add(sibling.dot, sibling.place, of: record, valueHash: hash, to: &digest)
        }
        for section in parts.sections {
            let hash = XXH3.hash(record.extracting(section.bytes))
            add([section.tag, hash, UInt64(section.bytes.count), 3], to: &digest)
        }
        return digest
    }

    @inline(__always)
    private static func keyed(_ checksum: UInt64, _ seed: UInt64) -> UInt64 {
        guard seed != 0 else { return checksum }
        var digest = seed
        add([checksum, 0, 0, 4], to: &digest)
        return digest
    }

    /// Whether a record's bytes are those that it has when it is written plainly.
    @inline(__always)
    private static func isPlain(_ sole: SoleRecord, _ record: RawSpan) -> Bool {
        guard record.byte(3) == RecordFormat.Codec.none.rawValue,
            sole.sibling.flags.isDisjoint(with: [.expiry, .ownCodec])
        else { return false }
        return sole.contextCount == 1 || isAscending(sole, record)
    }

    private static func isAscending(_ sole: SoleRecord, _ record: RawSpan) -> Bool {
        var cursor = ByteCursor(at: sole.firstEntry)
        var former: ReplicaActor?
        for _ in 0..<sole.contextCount {
            guard let entry = try? VersionVector.Entry(decoding: record, at: &cursor) else { return false }
            if let former, !(former < entry.actor) { return false }
            former = entry.actor
        }
        return true
    }

    /// The checksum of a record of one sibling when it is written plainly.
    private static func plainChecksum(
        _ view: RecordView, of record: RawSpan, _ storedKey: RawSpan, _ scratch: inout ByteBuffer,
        _ unpack: ValueUnpacker
    ) throws(RecordView.Damage) -> UInt64 {
        let parts = try RecordParts(view, of: record)
        guard let (dot, sibling) = parts.siblings.first.map({ ($0.dot, $0.place) }) else { throw .damaged }
        scratch.removeAll()
        defer { scratch.removeAll() }
        let kind: RecordFormat.Kind = sibling.isTombstone ? .tombstone : .string
        let start = RecordEncoder.begin(&scratch, kind: kind, codec: .none)
        parts.context.encode(into: &scratch)
        scratch.append(UInt8(1))
        scratch.append(sibling.flags.subtracting(.ownCodec).rawValue)
        scratch.append(varint: UInt64(parts.context.position(of: dot.actor)))
        scratch.append(varint: sibling.counter)
        scratch.append(littleEndian: sibling.stamp)
        if let token = sibling.token { scratch.append(record.extracting(token)) }
        scratch.append(varint: UInt64(sibling.length))
        let stored = record.extracting(sibling.value)
        let before = scratch.count
        if sibling.codec == .none {
            scratch.append(stored)
        } else {
            guard unpack(stored, sibling.codec, sibling.length, &scratch), scratch.count - before == sibling.length
            else { throw .damaged }
        }
        RecordEncoder.finish(&scratch, from: start, storedKey: storedKey)
        return scratch.withBytes { $0.littleEndian(4, as: UInt64.self) }
    }

    /// The same for records that are known to have no packed value; one that has is damaged.
    public static func digest(
        of record: RawSpan, storedKey: RawSpan, seed: UInt64 = 0
    ) throws(RecordView.Damage) -> UInt64 {
        var scratch = ByteBuffer()
        return try digest(of: record, storedKey: storedKey, seed: seed, scratch: &scratch) { _, _, _, _ in false }
    }

    /// False if the entries are not in ascending order.
    private static func add(
        contextOf view: RecordView, _ record: RawSpan, to digest: inout UInt64
    ) throws(RecordView.Damage) -> Bool {
        var cursor = ByteCursor(at: view.firstEntry)
        var former: ReplicaActor?
        for _ in 0..<view.contextCount {
            guard let entry = try? VersionVector.Entry(decoding: record, at: &cursor) else { throw .damaged }
            if let former, !(former < entry.actor) { return false }
            add(entry, to: &digest)
            former = entry.actor
        }
        return true
    }

    private static func add(_ entry: VersionVector.Entry, to digest: inout UInt64) {
        add(
            [UInt64(entry.actor.node) << 8 | 1, entry.actor.incarnation, entry.actor.birth, entry.counter], to: &digest)
    }

    private static func add(
        _ dot: Dot, _ sibling: RecordSibling, of record: RawSpan, valueHash: UInt64, to digest: inout UInt64
    ) {
        let isDeleted = sibling.isTombstone && !sibling.isDropped
        let replaced: UInt64 = sibling.flags.contains(.replaced) ? 0x40 : 0
        let flags =
            UInt64(dot.actor.node) << 8 | (isDeleted ? 0x12 : 0x02) | (sibling.token == nil ? 0 : 0x20) | replaced
        add([flags, dot.actor.incarnation, dot.actor.birth, dot.counter], to: &digest)
        add([sibling.stamp, UInt64(bitPattern: sibling.expiry), valueHash, 2], to: &digest)
        if let token = sibling.token { digest = XXH3.hash(record.extracting(token), seed: digest) }
    }

    private static func add(_ words: InlineArray<4, UInt64>, to digest: inout UInt64) {
        var words = words
        for index in words.indices { words[index] = words[index].littleEndian }
        digest = unsafe XXH3.hash(words.span.bytes, seed: digest)
    }

    /// The hash of a value as it was before compression; of a dropped one, what was kept of it.
    static func valueHash(
        _ sibling: RecordSibling, of record: RawSpan, scratch: inout ByteBuffer, unpack: ValueUnpacker
    ) throws(RecordView.Damage) -> UInt64 {
        let stored = record.extracting(sibling.value)
        if sibling.isDropped, stored.byteCount == 8 { return stored.littleEndian(0, as: UInt64.self) }
        guard sibling.codec != .none, !sibling.isTombstone else { return XXH3.hash(stored) }
        scratch.removeAll()
        defer { scratch.removeAll() }
        guard unpack(stored, sibling.codec, sibling.length, &scratch), scratch.count == sibling.length else {
            throw .damaged
        }
        return scratch.withBytes { XXH3.hash($0) }
    }
}
