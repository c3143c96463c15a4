internal import MartletCore
internal import MartletRuntime

/// Stretches of a keyspace's slots whose live keys are looked up: runs off the loop where reads may block.
struct KeyStretch: Sendable {
    var keyspace: UInt32
    var generation: UInt32
    var slots: [Range<Int>]
    /// Slot and hash to begin at.
    var from: UInt64
    /// Records looked at before it stops, but for those of one place, which are never split.
    var limit: Int
    var wantsKeys: Bool
    /// What has expired by then is not live: milliseconds since 1970.
    var now: Int64

    /// Bytes of keys in a page, about.
    static let pageBytes = 256 << 10

    func page(_ snapshot: any StorageSnapshot) throws(StorageError) -> KeyPageReply {
        var page = KeyPageReply(next: nil, seen: 0, live: 0, keys: [])
        var last = UInt64.max
        var size = 0
        for range in slots where page.next == nil {
            let first = max(from, UInt64(range.lowerBound) << 40)
            guard first < UInt64(range.upperBound) << 40 else { continue }
            let lower = StoredKey.lowerBound(
                keyspace: keyspace, generation: generation, slot: UInt16(first >> 40), hash: first & 0xff_ffff_ffff)
            try withBytes(of: lower) { lower throws(StorageError) in
                try withBytes(of: upperBound(range)) { upper throws(StorageError) in
                    try snapshot.scan(from: lower, to: upper) { key, record in
                        guard key.byteCount >= StoredKey.prefixLength else { return .continue }
                        let place = StoredKey.place(of: key)
                        if page.seen >= limit || size >= Self.pageBytes, place != last {
                            page.next = place
                            return .stop
                        }
                        last = place
                        page.seen += 1
                        // A damaged record's key is listed: reading it says what is wrong.
                        let view = try? RecordView(record, storedKey: key)
                        if let view, view.isTombstone || view.expiry <= now { return .continue }
                        page.live += 1
                        if wantsKeys {
                            page.keys.append(key.slice(StoredKey.prefixLength, key.byteCount))
                            size += key.byteCount
                        }
                        return .continue
                    }
                }
            }
        }
        return page
    }

    private func upperBound(_ range: Range<Int>) -> [UInt8] {
        range.upperBound < Slot.count
            ? StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(range.upperBound))
            : StoredKey.upperBound(keyspace: keyspace, generation: generation)
    }
}
