internal import MartletCore
public import MartletRuntime

extension Replica {
    /// The sum over all records of a keyspace on this node, those of all workers, of their keys' and contents' digests:
    /// equal on nodes that hold the same, whatever their backends. O(records); what is being committed may be missing.
    public func digest(keyspace: Int) async throws(StorageError) -> (records: Int, sum: UInt64) {
        await settled()
        let state = store.keyspaces[keyspace]
        let lower = StoredKey.lowerBound(keyspace: state.settings.id, generation: state.generation)
        let upper = StoredKey.upperBound(keyspace: state.settings.id, generation: state.generation)
        let snapshot = try store.backend.snapshot()
        var scratch = ByteBuffer()
        var (records, sum) = (0, UInt64(0))
        try withBytes(of: lower) { lower throws(StorageError) in
            try withBytes(of: upper) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { key, record in
                    records += 1
                    let digest = CatchUpStretch.digest(record, key, &scratch) ?? 0
                    sum &+= XXH3.hash(key, seed: digest)
                    return .continue
                }
            }
        }
        return (records, sum)
    }
}
