internal import MartletCore
internal import MartletRuntime

/// What a page of an exchange lists: runs off the loop where reads may block.
struct CatchUpListing: Sendable {
    var keys: [[UInt8]] = []
    var digests: [UInt64] = []
    /// The stored key at which it stopped; empty at the end.
    var upTo: [UInt8] = []
    /// Keys of damaged records; the first few.
    var damaged: [[UInt8]] = []
}

/// What a page of a peer is compared into.
struct CatchUpComparison: Sendable {
    var wanted: [Int] = []
    /// Keys and records as the answer has them, and how many.
    var records: [UInt8] = []
    var count = 0
    /// The stored key at which it stopped; empty at the end.
    var upTo: [UInt8] = []
    /// Keys of damaged records; the first few.
    var damaged: [[UInt8]] = []
}

/// A stretch of a keyspace's stored keys.
struct CatchUpStretch: Sendable {
    var keyspace: UInt32
    var generation: UInt32
    var slots: [Range<Int>]
    var from: [UInt8]
    var upTo: [UInt8] = []
    var entries: Int
    var bytes: Int

    private func bound(_ slot: Int) -> [UInt8] {
        slot < Slot.count
            ? StoredKey.lowerBound(keyspace: keyspace, generation: generation, slot: UInt16(slot))
            : StoredKey.upperBound(keyspace: keyspace, generation: generation)
    }

    /// Lends all records in ascending order of their keys until `body` answers `stop`.
    private func scan(
        _ snapshot: any StorageSnapshot, _ body: (RawSpan, RawSpan) -> ScanStep
    ) throws(StorageError) {
        var isStopped = false
        for range in slots where !isStopped {
            var (lower, upper) = (bound(range.lowerBound), bound(range.upperBound))
            if lower.lexicographicallyPrecedes(from) { lower = from }
            if !upTo.isEmpty, upTo.lexicographicallyPrecedes(upper) { upper = upTo }
            guard lower.lexicographicallyPrecedes(upper) else { continue }
            try withBytes(of: lower) { lower throws(StorageError) in
                try withBytes(of: upper) { upper throws(StorageError) in
                    try snapshot.scan(from: lower, to: upper) { key, record in
                        guard key.byteCount >= StoredKey.prefixLength else { return .continue }
                        let step = body(key, record)
                        if case .stop = step { isStopped = true }
                        return step
                    }
                }
            }
        }
    }

    /// Lists keys and digests. A damaged record is left out, so that the peer sends what it has.
    func list(_ snapshot: any StorageSnapshot) throws(StorageError) -> CatchUpListing {
        var listing = CatchUpListing()
        var scratch = ByteBuffer()
        var size = 0
        try scan(snapshot) { key, record in
            if listing.keys.count >= entries || size >= bytes {
                listing.upTo = key.array
                return .stop
            }
            if let digest = Self.digest(record, key, &scratch) {
                listing.keys.append(key.array)
                listing.digests.append(digest)
                size += key.byteCount + 10
            } else if listing.damaged.count < Self.mostDamaged {
                listing.damaged.append(key.array)
            }
            return .continue
        }
        return listing
    }

    /// Compares a peer's list with what is held here.
    func compare(_ listing: CatchUpListing, with snapshot: any StorageSnapshot) throws(StorageError)
        -> CatchUpComparison
    {
        var comparison = CatchUpComparison()
        var scratch = ByteBuffer()
        var next = 0
        var records = ByteBuffer()
        try scan(snapshot) { key, record in
            while next < listing.keys.count, withBytes(of: listing.keys[next], { $0.compare(key) }) < 0 {
                comparison.wanted.append(next)
                next += 1
            }
            if comparison.count >= entries || records.count >= bytes {
                comparison.upTo = key.array
                return .stop
            }
            let isListed = next < listing.keys.count && withBytes(of: listing.keys[next]) { $0.equals(key) }
            let own = isListed ? Self.digest(record, key, &scratch) : nil
            let isSound = isListed ? own != nil : (try? RecordView(record, storedKey: key)) != nil
            let isEqual = isListed && own == listing.digests[next]
            if !isSound, comparison.damaged.count < Self.mostDamaged { comparison.damaged.append(key.array) }
            if isListed, !isEqual { comparison.wanted.append(next) }
            if isSound, !isEqual {
                ReplicaWrite.append(key: key, record: record, to: &records)
                comparison.count += 1
            }
            if isListed { next += 1 }
            return .continue
        }
        if comparison.upTo.isEmpty { comparison.wanted += next..<max(next, listing.keys.count) }
        comparison.records = records.copy()
        return comparison
    }

    private static let mostDamaged = 1024

    /// Nil for a damaged record.
    static func digest(_ record: RawSpan, _ key: RawSpan, _ scratch: inout ByteBuffer) -> UInt64? {
        try? RecordDigest.digest(of: record, storedKey: key, scratch: &scratch) {
            ValueCodec.unpack($0, $1, length: $2, into: &$3)
        }
    }
}
