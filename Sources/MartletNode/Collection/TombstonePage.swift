internal import MartletCore
internal import MartletRuntime

/// What a look for tombstones finds in some of a unit's records: runs off the loop where reads may block.
struct TombstonePage: Sendable {
    /// Those that are old enough, ascending.
    var entries: [CollectionEntry] = []
    /// When the first of the others is, in milliseconds since 1970; nil if no other record ever is.
    var due: Int64?
    /// The stored key to go on behind; nil at the end.
    var last: [UInt8]?
    var bytes = 0
}

/// Where is looked for tombstones.
struct TombstoneStretch: Sendable {
    var keyspace: UInt32
    var generation: UInt32
    var slots: Range<Int>
    /// Behind this stored key; empty: from the first.
    var after: [UInt8]
    var records: Int
    var bytes: Int
    /// Tombstones in a page.
    var entries: Int
    /// Values that were gone by then are old enough: milliseconds since 1970.
    var deadBy: Int64

    func page(_ snapshot: any StorageSnapshot) throws(StorageError) -> TombstonePage {
        var page = TombstonePage()
        var scratch = ByteBuffer()
        var seen = 0
        let first = StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(slots.lowerBound))
        let upper =
            slots.upperBound < Slot.count
            ? StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(slots.upperBound))
            : StoredKey.upperBound(keyspace: keyspace, generation: generation)
        try withBytes(of: after.isEmpty ? first : after + [0]) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { key, record in
                    guard key.byteCount >= StoredKey.prefixLength else { return .continue }
                    seen += 1
                    page.bytes += key.byteCount + record.byteCount
                    // A damaged one is healed, not collected.
                    if (try? RecordView(record, storedKey: key)) != nil,
                        let since = RecordExpiry.deadSince(ofSound: record)
                    {
                        if since > deadBy {
                            page.due = min(page.due ?? .max, since)
                        } else if let digest = CatchUpStretch.digest(record, key, &scratch) {
                            page.entries.append(CollectionEntry(key: key.array, digest: digest))
                        }
                    }
                    let isFull = seen >= records || page.bytes >= bytes || page.entries.count >= entries
                    guard isFull else { return .continue }
                    page.last = key.array
                    return .stop
                }
            }
        }
        return page
    }
}
