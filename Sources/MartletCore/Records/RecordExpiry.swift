/// Gives the space of expired values back. Their dots and contexts stay: an expired value is a tombstone that was
/// written with the value, and is collected as one.
public enum RecordExpiry {
    /// From when on a read finds no value in a record that was checked: when the last of its values expires, or was
    /// deleted, by whichever clock; in milliseconds since 1970. Nil if one of them never goes. O(siblings).
    public static func deadSince(ofSound record: RawSpan) -> Int64? {
        guard let view = try? RecordView(parsing: record) else { return nil }
        if view.siblingCount == 1 { return deadSince(view.isTombstone, view.expiry, stamp: view.stamp) }
        var siblings = RecordSiblings(view)
        var last: Int64 = 0
        while let next = try? siblings.next(of: record) {
            let sibling = next.sibling
            guard let since = deadSince(sibling.isTombstone, sibling.expiry, stamp: sibling.stamp) else { return nil }
            last = max(last, since)
        }
        return last
    }

    private static func deadSince(_ isTombstone: Bool, _ expiry: Int64, stamp: UInt64) -> Int64? {
        let written = HybridLogicalClock.milliseconds(of: stamp)
        if expiry < .max { return max(written, expiry) }
        return isTombstone ? written : nil
    }

    /// Appends the record with the bytes of values that expired at `milliseconds` or before dropped.
    ///
    /// Each keeps its dot, stamp, expiry and token, and the hash of its value in the place of the bytes, so that the
    /// record's digest is the same and replicas that drop at different times need no repair.
    ///
    /// - Parameters:
    ///   - milliseconds: the wall clock less the clock bound, so that no replica's clock still finds the value.
    ///   - scratch: where packed values are unpacked; it is left empty.
    ///   - unpack: called for values with a codec.
    /// - Returns: false, with nothing appended, if there is nothing to drop.
    public static func drop(
        expiredBy milliseconds: Int64, of record: RawSpan, storedKey: RawSpan, into buffer: inout ByteBuffer,
        scratch: inout ByteBuffer, unpack: ValueUnpacker
    ) throws(RecordView.Damage) -> Bool {
        let view = try RecordView(record, storedKey: storedKey)
        if view.siblingCount == 1, view.isTombstone || view.expiry > milliseconds { return false }
        let parts = try RecordParts(view, of: record)
        let isDue = { (sibling: RecordSibling) in
            sibling.flags.contains(.expiry) && !sibling.isTombstone && sibling.expiry <= milliseconds
        }
        guard parts.siblings.contains(where: { isDue($0.place) }) else { return false }
        let isTombstone = parts.siblings.allSatisfy { $0.place.isTombstone || isDue($0.place) }
        let common = parts.siblings.first.map { isDue($0.place) ? .none : $0.place.codec } ?? .none
        let base = buffer.count
        let start = RecordEncoder.begin(&buffer, kind: isTombstone ? .tombstone : .string, codec: common)
        parts.context.encode(into: &buffer)
        buffer.append(varint: UInt64(parts.siblings.count))
        do throws(RecordView.Damage) {
            for sibling in parts.siblings {
                let index = UInt64(parts.context.position(of: sibling.dot.actor))
                guard isDue(sibling.place) else {
                    RecordEncoder.copy(&buffer, common: common, index: index, sibling: sibling.place, of: record)
                    continue
                }
                let hash = try RecordDigest.valueHash(sibling.place, of: record, scratch: &scratch, unpack: unpack)
                RecordEncoder.dropped(&buffer, common: common, index: index, sibling: sibling.place, of: record, hash)
            }
        } catch {
            buffer.truncate(to: base)
            throw error
        }
        for section in parts.sections { section.append(to: &buffer, of: record) }
        RecordEncoder.finish(&buffer, from: start, storedKey: storedKey)
        return true
    }
}

extension RecordEncoder {
    /// Appends a sibling without its value's bytes.
    static func dropped(
        _ buffer: inout ByteBuffer, common: RecordFormat.Codec, index: UInt64, sibling: RecordSibling,
        of record: RawSpan, _ hash: UInt64
    ) {
        let flags = sibling.flags.subtracting(.ownCodec).union(.tombstone)
        head(&buffer, flags: flags, codec: .none, common: common)
        buffer.append(varint: index)
        buffer.append(varint: sibling.counter)
        buffer.append(littleEndian: sibling.stamp)
        buffer.append(littleEndian: sibling.expiry)
        if let token = sibling.token { buffer.append(record.extracting(token)) }
        buffer.append(varint: 8)
        buffer.append(littleEndian: hash)
    }
}
