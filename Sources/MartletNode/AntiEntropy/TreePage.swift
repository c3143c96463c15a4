internal import MartletCore
internal import MartletRuntime

/// A page of one unit's records, read and checked: runs off the loop where reads may block.
struct TreePage: Sendable {
    struct Entry: Sendable {
        var place: UInt64
        /// Of the stored key: what tells records of one place apart.
        var keyHash: UInt64
        var digest: UInt64
    }

    var entries: [Entry] = []
    var isLast = true
    var records = 0
    var bytes = 0
    /// Stored keys of damaged records; the first few.
    var damaged: [[UInt8]] = []
}

/// Where a page is read.
struct TreeStretch: Sendable {
    var keyspace: UInt32
    var generation: UInt32
    /// Up to the end of the unit's slots.
    var from: UInt64
    var upTo: Int
    var records: Int
    var bytes: Int

    private static let mostDamaged = 64

    func page(_ snapshot: any StorageSnapshot) throws(StorageError) -> TreePage {
        var page = TreePage()
        var scratch = ByteBuffer()
        let lower = StoredKey.lowerBound(
            keyspace: keyspace, generation: generation, slot: UInt16(from >> 40), hash: from & 0xff_ffff_ffff)
        let upper =
            upTo < Slot.count
            ? StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(upTo))
            : StoredKey.upperBound(keyspace: keyspace, generation: generation)
        try withBytes(of: lower) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { key, record in
                    guard key.byteCount >= StoredKey.prefixLength else { return .continue }
                    page.records += 1
                    page.bytes += key.byteCount + record.byteCount
                    guard let digest = CatchUpStretch.digest(record, key, &scratch) else {
                        if page.damaged.count < Self.mostDamaged { page.damaged.append(key.array) }
                        return .continue
                    }
                    page.entries.append(
                        TreePage.Entry(place: StoredKey.place(of: key), keyHash: XXH3.hash(key), digest: digest))
                    guard page.entries.count > 1, page.records >= records || page.bytes >= bytes else {
                        return .continue
                    }
                    page.isLast = false
                    return .stop
                }
            }
        }
        return page
    }
}
