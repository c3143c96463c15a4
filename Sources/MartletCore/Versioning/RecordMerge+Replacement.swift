extension RecordMerge {
    /// Appends what a replica stores when its own record is damaged and a peer's is at hand: the peer's, with an entry
    /// of `fresh` in its context.
    ///
    /// The damaged record may have held dots of this replica that the peer has not seen. Were the peer's record stored
    /// as it is, the replica would go on counting from its own entry there and mint such a dot a second time, and the
    /// second write would be taken for the first. With the entry of a fresh birth, which no write ever gets, it counts
    /// on from that.
    ///
    /// - Parameter fresh: the first dot of a birth newly drawn by this replica.
    public static func replacement(
        remote: RawSpan, storedKey: RawSpan, fresh: Dot, into buffer: inout ByteBuffer
    ) throws(RecordView.Damage) {
        let view = try RecordView(remote, storedKey: storedKey)
        var parts = try RecordParts(view, of: remote)
        parts.context.insert(fresh)
        let common = parts.siblings.first?.place.codec ?? .none
        let isTombstone = parts.siblings.allSatisfy(\.place.isTombstone)
        let start = RecordEncoder.begin(&buffer, kind: isTombstone ? .tombstone : .string, codec: common)
        parts.context.encode(into: &buffer)
        buffer.append(varint: UInt64(parts.siblings.count))
        for sibling in parts.siblings {
            let index = UInt64(parts.context.position(of: sibling.dot.actor))
            RecordEncoder.copy(&buffer, common: common, index: index, sibling: sibling.place, of: remote)
        }
        for section in parts.sections { section.append(to: &buffer, of: remote) }
        RecordEncoder.finish(&buffer, from: start, storedKey: storedKey)
    }
}
