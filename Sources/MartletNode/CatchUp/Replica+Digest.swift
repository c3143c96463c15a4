internal import MartletCore
public import MartletRuntime

extension Replica {
    /// The sum over all records of a keyspace on this node, those of all workers, of their keys' and contents' digests:
    /// equal on nodes that hold the same, whatever their backends. O(records); what is being committed may be missing.
    public func digest(keyspace: Int) async throws(StorageError) -> (records: Int, sum: UInt64) {
        let digests = try await digests(keyspace: keyspace, partitions: 1)
        return digests[0] ?? (0, 0)
    }

    /// As ``digest(keyspace:)``, by partition; one without a record has no entry.
    ///
    /// - Parameter partitions: how many equal arcs the slots are divided into, a power of two.
    public func digests(
        keyspace: Int, partitions: Int
    ) async throws(StorageError) -> [Int: (records: Int, sum: UInt64)] {
        await settled()
        let state = store.keyspaces[keyspace]
        let lower = StoredKey.lowerBound(keyspace: state.settings.id, generation: state.generation)
        let upper = StoredKey.upperBound(keyspace: state.settings.id, generation: state.generation)
        let snapshot = try store.backend.snapshot()
        var scratch = ByteBuffer()
        var digests: [Int: (records: Int, sum: UInt64)] = [:]
        try withBytes(of: lower) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { key, record in
                    guard key.byteCount >= StoredKey.prefixLength else { return .continue }
                    let digest = CatchUpStretch.digest(record, key, &scratch) ?? 0
                    let partition = Int(key.bigEndian(9, as: UInt16.self)) * partitions / Slot.count
                    let former = digests[partition] ?? (0, 0)
                    digests[partition] = (former.records + 1, former.sum &+ XXH3.hash(key, seed: digest))
                    return .continue
                }
            }
        }
        return digests
    }
}
