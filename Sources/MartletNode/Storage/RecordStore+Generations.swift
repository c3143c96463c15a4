internal import MartletCore
internal import MartletRuntime

/// A keyspace's generation, which is part of every stored key: raising it empties the keyspace.
extension RecordStore {
    /// Under which a worker notes the generation of a keyspace; each has its own, so that none overtakes another's.
    private static func generationKey(ofKeyspace id: UInt32, worker: Int) -> [UInt8] {
        StoredKey.meta(worker == 0 ? "generation/\(id)" : "generation/\(id)/\(worker)")
    }

    /// The greatest generation that any worker of a former run noted; 0 if none did.
    static func recordedGeneration(
        ofKeyspace id: UInt32, in snapshot: any StorageSnapshot
    ) throws(StorageError) -> UInt32 {
        var greatest: UInt32 = 0
        try withBytes(of: StoredKey.meta("generation/\(id)")) { lower throws(StorageError) in
            try withBytes(of: StoredKey.meta("generation/\(id)0")) { upper throws(StorageError) in
                try snapshot.scan(from: lower, to: upper) { _, value in
                    if value.byteCount == 4 { greatest = max(greatest, value.littleEndian(0, as: UInt32.self)) }
                    return .continue
                }
            }
        }
        return greatest
    }

    /// Puts a keyspace's generation into the backend, as durable as it can be, unless a later one is there.
    ///
    /// - Returns: the commit to wait for; 0 for none.
    func record(generation: UInt32, keyspace: Int) throws(StorageError) -> UInt64 {
        guard generation > recordedGenerations[keyspace] else { return newestCommit }
        let key = Self.generationKey(ofKeyspace: keyspaces[keyspace].settings.id, worker: worker)
        var value = ByteBuffer(capacity: 4)
        value.append(littleEndian: generation)
        let bytes = value.copy()
        let commit = try applyOwn(durability: backend.properties.maximumDurability) { batch in
            withBytes(of: key) { key in withBytes(of: bytes) { batch.put(key, $0) } }
        }
        recordedGenerations[keyspace] = generation
        return commit
    }

    /// Serves a keyspace under another generation from now on, unless it serves it under a later one already.
    func enter(generation: UInt32, keyspace: Int) {
        guard generation > keyspaces[keyspace].generation else { return }
        keyspaces[keyspace].generation = generation
        trees?.forget(keyspace: keyspace)
        onGeneration?()
    }
}
