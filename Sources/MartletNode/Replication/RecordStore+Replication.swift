internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// What a replica does with records of other nodes.
extension RecordStore {
    /// What a replica holds of one key.
    enum HeldRecord {
        case none
        case record([UInt8], digest: UInt64)
        case damaged
    }

    /// The keyspace of a stored key of a peer; nil if there is none, or this node is in another generation of it.
    func keyspace(ofStored storedKey: RawSpan) -> Int? {
        guard storedKey.byteCount >= StoredKey.prefixLength else { return nil }
        let id = storedKey.bigEndian(1, as: UInt32.self)
        let generation = storedKey.bigEndian(5, as: UInt32.self)
        return keyspaces.firstIndex { $0.settings.id == id && $0.generation == generation }
    }

    /// Asks for the records of stored keys and keeps them in memory until the residency is released.
    func require(storedKey: RawSpan, in residency: Residency) {
        guard !isInline else { return }
        residency.keep(fetch(storedKey, hash: hash(ofStored: storedKey)))
    }

    /// As ``require(storedKey:in:)``, of the keys of many entries of a message.
    func require(_ entries: [KeyedRecord], of payload: RawSpan, in residency: Residency) {
        guard !isInline else { return }
        let hashes = entries.map { hash(ofStored: payload.extracting($0.key)) }
        table.touch(hashes)
        for (entry, hash) in zip(entries, hashes) {
            residency.keep(fetch(payload.extracting(entry.key), hash: hash))
        }
    }

    /// What is held under a stored key, which is resident unless the store works inline.
    func held(_ storedKey: RawSpan) throws(StorageError) -> HeldRecord {
        var held = HeldRecord.none
        try withHeld(storedKey) { record in
            guard let record else { return }
            do throws(RecordView.Damage) {
                held = .record(record.array, digest: try digest(of: record, storedKey: storedKey))
            } catch {
                noteDamage(storedKey)
                held = .damaged
            }
        }
        return held
    }

    func digest(of record: RawSpan, storedKey: RawSpan) throws(RecordView.Damage) -> UInt64 {
        try RecordDigest.digest(of: record, storedKey: storedKey, scratch: &digestScratch) {
            ValueCodec.unpack($0, $1, length: $2, into: &$3)
        }
    }

    /// Lends the stored key of a client's key and the digest of what is held under it; false if that is damaged, or
    /// cannot be read.
    func withDigest(of key: RawSpan, keyspace: Int, _ body: (RawSpan, UInt64?) -> Void) -> Bool {
        let hash = locate(key, keyspace: keyspace, into: &keyScratch)
        return keyScratch.withBytes { storedKey in
            var digest: UInt64?
            var isSound = true
            do throws(StorageError) {
                try withHeld(storedKey, hash: hash) { record in
                    guard let record else { return }
                    do throws(RecordView.Damage) {
                        digest = try self.digest(of: record, storedKey: storedKey)
                    } catch {
                        noteDamage(storedKey)
                        isSound = false
                    }
                }
            } catch {
                isSound = false
            }
            if isSound { body(storedKey, digest) }
            return isSound
        }
    }

    func withHeld(
        _ storedKey: RawSpan, hash: UInt64? = nil, _ body: (RawSpan?) -> Void
    ) throws(StorageError) {
        var isFound = false
        if isInline {
            isFound = try reader.read(storedKey) { body($0) }
        } else {
            let entry = fetch(storedKey, hash: hash ?? self.hash(ofStored: storedKey))
            if entry.isLoading { readNow(entry) }
            if let error = entry.loadError { throw error }
            isFound = entry.withRecord { body($0) }
        }
        if !isFound { body(nil) }
    }

    /// Merges a record that a peer or this node's coordinator sent into what is held, which is resident.
    ///
    /// - Returns: the commit that makes it durable; 0 if nothing has to be waited for.
    func merge(
        _ record: RawSpan, storedKey: RawSpan, keyspace: Int, policy: ConflictPolicy, durability: Durability
    ) throws(StorageError) -> UInt64 {
        defer { mergeBatch.removeAll() }
        var outcome = RecordMerge.Outcome.remote
        var wasLive = false
        var merged = ByteBuffer()
        var former = TreeEntry.none
        try withHeld(storedKey) { held in
            guard let held else { return }
            do throws(RecordView.Damage) {
                outcome = try RecordMerge.merge(
                    local: held, remote: record, storedKey: storedKey, policy: policy, into: &merged)
                wasLive = try !RecordView(ofSound: held).isTombstone
                if outcome != .local, let trees { former = trees.entry(of: held, storedKey) }
            } catch {
                former = .unknown
                // What came stands in its place, under a birth of its own: the dots it held are not known.
                noteDamage(storedKey)
                merged.removeAll()
                let fresh = minting.newDot()
                try? RecordMerge.replacement(remote: record, storedKey: storedKey, fresh: fresh, into: &merged)
                if !merged.isEmpty {
                    outcome = .merged
                    onReplaced?(storedKey)
                }
            }
        }
        switch outcome {
        case .local: return pendingCommit(of: storedKey)
        case .remote: mergeBatch.put(storedKey, record)
        case .merged: merged.withBytes { mergeBatch.put(storedKey, $0) }
        }
        let commit = try apply(&mergeBatch, hashes: [isInline ? 0 : hash(ofStored: storedKey)], durability: durability)
        var isLive = wasLive
        mergeBatch.withOperation(0) { _, record, _ in
            trees?.changed(storedKey, keyspace: keyspace, from: former, to: record)
            isLive = !((try? RecordView(ofSound: record))?.isTombstone ?? true)
        }
        if isLive != wasLive { keyspaces[keyspace].totals.records.add(isLive ? 1 : -1, ordering: .relaxed) }
        return commit
    }

    /// The commit that what is held waits for; 0 for none.
    func pendingCommit(of storedKey: RawSpan) -> UInt64 {
        guard !isInline, let entry = table.find(storedKey, hash: hash(ofStored: storedKey)) else { return 0 }
        return entry.pendingCommit > committed ? entry.pendingCommit : 0
    }
}
