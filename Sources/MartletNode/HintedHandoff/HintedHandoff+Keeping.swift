internal import MartletCore
internal import MartletRuntime

/// A write for an owner that could not be reached: the stored key and the record.
struct HintedWrite: Sendable {
    var key: [UInt8]
    var record: [UInt8]
}

/// Taking hints, and erasing them.
extension HintedHandoff {
    /// Keeps writes for a node; `done` hears, by write, what became of each once it is as durable as was asked, or not.
    func take(
        _ writes: [HintedWrite], for node: UInt32, durability: Durability,
        _ done: @escaping ([ReplicaWriteReply.Outcome]) -> Void
    ) {
        guard isReady, !isStopped, node != replication.membership.node, replication.isMember(node) else {
            return done(writes.map { _ in .refused(isReady ? .other : .busy) })
        }
        let keys = writes.map { write in withBytes(of: write.key) { Hint.key(for: node, storedKey: $0) } }
        replication.whenResident(keys) { [self] in
            if machine.ledger.target(node) == nil, replication.answers(node) { receive(.reachable(node)) }
            var commit: UInt64 = 0
            var outcomes: [ReplicaWriteReply.Outcome] = []
            var added: [HintEntry] = []
            for (write, key) in zip(writes, keys) {
                outcomes.append(keep(write, key, for: node, durability, &commit, &added))
            }
            publish()
            schedule()
            store.whenDone(commit) { [self] error in
                guard let error else { return done(outcomes) }
                // What the ledger took for new is not there.
                for entry in added { receive(.erased(node, entry, isGone: true)) }
                done(outcomes.map { if case .acknowledged = $0 { ReplicaWriteReply.Outcome(error) } else { $0 } })
            }
        }
    }

    /// Merges a write into the hint that is held for its key, or keeps one; its place in the store is resident.
    private func keep(
        _ write: HintedWrite, _ key: [UInt8], for node: UInt32, _ asked: Durability, _ commit: inout UInt64,
        _ added: inout [HintEntry]
    ) -> ReplicaWriteReply.Outcome {
        let durability = min(
            max(asked, replication.ownDurability), store.backend.properties.maximumDurability)
        return withBytes(of: write.key) { storedKey in
            withBytes(of: write.record) { record in
                guard let keyspace = store.keyspace(ofStored: storedKey) else { return .refused(.unknownKeyspace) }
                guard let view = try? RecordValidator.validate(record, storedKey: storedKey) else {
                    return .refused(.other)
                }
                do throws(StorageError) {
                    let former = try held(key)
                    var merged = ByteBuffer()
                    let policy = store.keyspaces[keyspace].policy
                    var outcome = RecordMerge.Outcome.remote
                    if let former, let found = former.record {
                        withBytes(of: found) { found in
                            let result = try? RecordMerge.merge(
                                local: found, remote: record, storedKey: storedKey, policy: policy, into: &merged)
                            outcome = result ?? .remote
                        }
                    }
                    switch outcome {
                    case .local: commit = max(commit, withBytes(of: key, store.pendingCommit))
                    case .remote: merged.append(record)
                    case .merged: break
                    }
                    if outcome == .local { return .acknowledged(durability.asReplicaDurability, stamp: view.stamp) }
                    let place = (key: key, partition: partition(of: storedKey, keyspace: keyspace), node: node)
                    guard try put(merged, place, former, durability, &commit, &added) else {
                        let slot = storedKey.bigEndian(9, as: UInt16.self)
                        replication.compareSoon(keyspace: keyspace, slot: slot, missingAt: node)
                        return .refused(.outOfMemory)
                    }
                    return .acknowledged(durability.asReplicaDurability, stamp: view.stamp)
                } catch {
                    return .refused(error.code == .outOfSpace ? .outOfMemory : .closed)
                }
            }
        }
    }

    private typealias Place = (key: [UInt8], partition: Int, node: UInt32)

    /// Stores a hint unless there is no room for it.
    private func put(
        _ record: borrowing ByteBuffer, _ place: Place, _ former: HeldHint?, _ durability: Durability,
        _ commit: inout UInt64, _ added: inout [HintEntry]
    ) throws(StorageError) -> Bool {
        let size = place.key.count + Hint.headerLength + record.count
        let wall = wallMilliseconds
        // Of one that is damaged only the size is known.
        let merging = former.map { ($0.hint ?? Hint(created: wall, sequence: 0), $0.bytes) }
        let hint = machine.keep(
            for: place.node, partition: place.partition, bytes: size, merging: merging, wallMilliseconds: wall,
            now: store.loop.now.nanoseconds)
        guard let hint else { return false }
        let entry = HintEntry(
            key: place.key, partition: place.partition, created: hint.created, sequence: hint.sequence, bytes: size)
        var batch = WriteBatch()
        var value = ByteBuffer(capacity: Hint.headerLength + record.count)
        withBytes(of: place.key) { key in
            record.withBytes { hint.append(record: $0, key: key, to: &value) }
            value.withBytes { batch.put(key, $0) }
        }
        erasing.remove(place.key)
        do throws(StorageError) {
            let hash = withBytes(of: place.key) { store.hash(ofStored: $0) }
            commit = max(commit, try store.apply(&batch, hashes: [hash], durability: durability))
        } catch {
            if former == nil { receive(.erased(place.node, entry, isGone: true)) }
            throw error
        }
        if former == nil { added.append(entry) }
        return true
    }

    // MARK: What is held

    /// A hint as it lies in the store; without hint or record where these are damaged.
    struct HeldHint {
        var hint: Hint?
        var record: [UInt8]?
        /// Of key and value.
        var bytes: Int
    }

    /// The hint under a key, which is resident unless the store works inline.
    func held(_ key: [UInt8]) throws(StorageError) -> HeldHint? {
        var held: HeldHint?
        try withBytes(of: key) { key throws(StorageError) in
            try store.withHeld(key) { value in
                guard let value else { return }
                held = HeldHint(bytes: key.byteCount + value.byteCount)
                guard let read = try? Hint.read(value: value, key: key) else { return }
                held?.hint = read.hint
                let record = value.extracting(read.record)
                guard let storedKey = try? Hint.read(key: key).storedKey else { return }
                let isSound = withBytes(of: storedKey) { (try? RecordView(record, storedKey: $0)) != nil }
                if isSound { held?.record = record.array }
            }
        }
        return held
    }

    // MARK: Erasing

    /// Erases hints into which no later write has merged.
    func erase(_ entries: [HintEntry], for node: UInt32) {
        replication.whenResident(entries.map(\.key)) { [self] in
            guard !isStopped else { return }
            var batch = WriteBatch()
            var hashes: [UInt64] = []
            var gone: [HintEntry] = []
            for entry in entries {
                guard let held = try? held(entry.key), entry.isDamaged || held.hint?.sequence == entry.sequence,
                    !erasing.contains(entry.key)
                else { continue }
                withBytes(of: entry.key) { key in
                    batch.delete(key)
                    hashes.append(store.hash(ofStored: key))
                }
                gone.append(entry)
            }
            guard !gone.isEmpty, let commit = try? store.apply(&batch, hashes: hashes, durability: .none) else {
                return settle(entries, gone: [], for: node)
            }
            if commit > 0 {
                erasing.formUnion(gone.map(\.key))
                store.whenDone(commit) { [self] error in
                    erasing.subtract(gone.map(\.key))
                    guard error != nil else { return }
                    for entry in gone { machine.restore(entry, for: node) }
                    receive(.time)
                }
            }
            settle(entries, gone: Set(gone.map(\.key)), for: node)
        }
    }

    private func settle(_ entries: [HintEntry], gone: Set<[UInt8]>, for node: UInt32) {
        for entry in entries { receive(.erased(node, entry, isGone: gone.contains(entry.key))) }
    }
}
