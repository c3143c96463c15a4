internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// Records of keys of several workers, read and written together.
extension RecordStore {
    /// A copy of the record of a key, which is resident unless the store works inline.
    func copy(of key: [UInt8], keyspace: Int) throws(StorageError) -> RecordCopy {
        var storedKey = ByteBuffer(capacity: 64)
        let hash = withBytes(of: key) { locate($0, keyspace: keyspace, into: &storedKey) }
        var copy = RecordCopy(storedKey: storedKey.copy(), record: nil)
        try storedKey.withBytes { storedKey throws(StorageError) in
            if isInline {
                _ = try reader.read(storedKey) { copy.record = $0.array }
            } else if let entry = table.find(storedKey, hash: hash) {
                _ = entry.withRecord { copy.record = $0.array }
            }
        }
        return copy
    }

    /// Puts the writes into one batch.
    ///
    /// - Returns: the commit to wait for; 0 if they are applied.
    func applyGathered(_ writes: GatheredWrites) throws(StorageError) -> UInt64 {
        let commit = try applyOwn(durability: writes.durability) { batch in
            for copy in writes.records {
                withBytes(of: copy.storedKey) { key in
                    guard let record = copy.record else { return batch.delete(key) }
                    withBytes(of: record) { batch.put(key, $0) }
                }
            }
        }
        for effect in writes.effects {
            keyspaces[effect.keyspace].totals.records.add(effect.count, ordering: .relaxed)
            keyspaces[effect.keyspace].totals.expiring.add(effect.expiring, ordering: .relaxed)
        }
        return commit
    }

    /// Brings the table up to date with committed records; those it does not hold are left to be loaded when needed.
    func install(_ records: [RecordCopy]) {
        guard !isInline else { return }
        for copy in records {
            withBytes(of: copy.storedKey) { storedKey in
                guard let entry = table.find(storedKey, hash: hash(ofStored: storedKey)) else { return }
                let before = entry.byteCount
                if let record = copy.record { withBytes(of: record) { entry.store($0) } } else { entry.storeAbsence() }
                entry.isLoading = false
                table.resized(entry, from: before)
            }
        }
    }

    func hash(ofStored storedKey: RawSpan) -> UInt64 {
        if storedKey.byte(0) == StoredKey.Class.hint.rawValue { return XXH3.hash(storedKey, seed: hashSeed) }
        let id = storedKey.bigEndian(1, as: UInt32.self)
        guard let keyspace = keyspaces.firstIndex(where: { $0.settings.id == id }) else { return 0 }
        return hash(of: storedKey.extracting(StoredKey.prefixLength..<storedKey.byteCount), keyspace: keyspace)
    }
}
