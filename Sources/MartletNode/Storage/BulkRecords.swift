internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// Records that came in bulk under keys of which nothing was held, on their way to the disk: they are kept as they
/// came, since most of them nobody asks for before they can be read there.
struct BulkRecords {
    let bytes: [UInt8]
    /// Ascending by key.
    let entries: [KeyedRecord]
    let commit: UInt64

    /// Where the record of a stored key is; nil if it is not among them. O(log n).
    func record(of key: RawSpan) -> Range<Int>? {
        withBytes(of: bytes) { bytes in
            let at = entries.partitionIndex { bytes.extracting($0.key).compare(key) < 0 }
            guard at < entries.count, bytes.extracting(entries[at].key).equals(key) else { return nil }
            return entries[at].record
        }
    }
}

extension RecordStore {
    /// Takes sound records of keys of one keyspace, ascending, under which nothing is held, neither stored nor in
    /// memory (``holds(_:hash:)``). Not of a store that works inline.
    ///
    /// - Returns: the commit that makes them durable.
    func takeBulk(
        _ bytes: [UInt8], _ entries: [KeyedRecord], keyspace: Int, durability: Durability
    ) throws(StorageError) -> UInt64 {
        var live = 0
        let commit = try applyOwn(durability: durability) { batch in
            withBytes(of: bytes) { bytes in
                for entry in entries {
                    let (key, record) = (bytes.extracting(entry.key), bytes.extracting(entry.record))
                    batch.put(key, record)
                    trees?.changed(key, keyspace: keyspace, from: .none, to: record)
                    if (try? RecordView(ofSound: record))?.isTombstone == false { live += 1 }
                }
            }
        }
        bulk.append(BulkRecords(bytes: bytes, entries: entries, commit: commit))
        keyspaces[keyspace].totals.records.add(live, ordering: .relaxed)
        return commit
    }

    /// Whether memory knows of a stored key, be it that there is nothing under it.
    func holds(_ key: RawSpan, hash: UInt64) -> Bool {
        table.find(key, hash: hash) != nil || bulk.contains { $0.record(of: key) != nil }
    }

    /// Makes an entry of a record that came in bulk; nil if none did under that key.
    func entryOfBulk(_ key: RawSpan, hash: UInt64) -> RecordEntry? {
        for records in bulk {
            guard let range = records.record(of: key) else { continue }
            let entry = insertEntry(key, hash: hash, isLoading: false)
            let before = entry.byteCount
            withBytes(of: records.bytes) { entry.store($0.extracting(range)) }
            entry.pendingCommit = records.commit
            table.resized(entry, from: before)
            return entry
        }
        return nil
    }
}
