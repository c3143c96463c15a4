internal import MartletCore
internal import MartletRuntime

/// Records that too few owners hold intact.
extension Replication {
    /// What is left of a record that no quorum could be read of because owners hold it damaged; nil if that is not why,
    /// or if an owner that may hold it intact does not answer.
    ///
    /// - Parameter more: owners that turned out to hold it damaged since.
    func readDespiteDamage(
        _ read: ReadInFlight, in keyspace: Int, and more: PositionSet = PositionSet(),
        _ done: @escaping (RecordCopy?) -> Void
    ) {
        let allDamaged = read.operation.damaged.union(more)
        let others = read.operation.ownerSet.subtracting(allDamaged)
        guard !allDamaged.isEmpty else { return done(nil) }
        let isShort = !read.operation.quorum.isMet(by: others)
        let storedKey = read.storedKey
        let damaged: [UInt8] = [0]  // no record: it reads as a damaged one
        guard !others.isEmpty else {
            return done(RecordCopy(storedKey: storedKey, record: damaged, isDamaged: true, needsBirth: true))
        }
        self.read(storedKey: storedKey, in: keyspace, quorum: Quorum(needed: others.count), among: others) {
            [self] answer, left in
            guard case .value = answer else {
                guard !left.operation.damaged.isEmpty else { return done(nil) }
                return readDespiteDamage(read, in: keyspace, and: allDamaged.union(left.operation.damaged), done)
            }
            let record = left.source ?? (isShort ? damaged : nil)
            done(RecordCopy(storedKey: storedKey, record: record, isDamaged: isShort, needsBirth: true))
        }
    }

    /// As ``merge(_:_:_:commit:)``, of what one peer holds and this replica did not list as stored: that is not enough
    /// to stand in the place of a damaged record, which may have been a later one that the peer missed.
    func mergeExchanged(
        _ record: RawSpan, _ storedKey: RawSpan, _ durability: Durability, commit: inout UInt64
    ) -> ReplicaWriteReply.Outcome {
        if let catchUp, catchUp.isCaughtUp(storedKey), store.isDamaged(storedKey) {
            catchUp.heal([storedKey.array])
            return .acknowledged(durability.asReplicaDurability, stamp: 0)
        }
        var own: UInt64 = 0
        let outcome = merge(record, storedKey, durability, commit: &own)
        if own == 0, case .acknowledged = outcome, store.isUnwritten(record, storedKey) {
            own = (try? store.replace(storedKey, with: record, durability: ownDurability)) ?? 0
        }
        commit = max(commit, own)
        return outcome
    }
}

extension CatchUp {
    /// Records that are healed at once at most; what is left the next pass finds.
    private static let healingLimit = 64

    func isCaughtUp(_ storedKey: RawSpan) -> Bool {
        guard let keyspace = store.keyspace(ofStored: storedKey) else { return false }
        return machine.isCaughtUp(slot: storedKey.bigEndian(9, as: UInt16.self), keyspace: keyspace)
    }

    /// Has other owners say what stands in the place of damaged records: as many as it takes for a replica that lost
    /// its data to count again, or all there are.
    func heal(_ storedKeys: [[UInt8]]) {
        for key in storedKeys where healing.count < Self.healingLimit && withBytes(of: key, isCaughtUp) {
            guard healing.insert(key).inserted else { continue }
            replication.whenResident([key]) { [self] in beginHealing(key) }
        }
    }

    private func beginHealing(_ key: [UInt8]) {
        guard !isStopped, let held = try? withBytes(of: key, { key throws(StorageError) in try store.held(key) }) else {
            return endHealing(key)
        }
        switch held {
        case .none: endHealing(key)
        case .record(let record, _):  // what is in memory is sound, what is stored under it is not
            _ = try? withBytes(of: key) { key throws(StorageError) in
                try withBytes(of: record) { record throws(StorageError) in
                    try store.replace(key, with: record, durability: replication.ownDurability)
                }
            }
            endHealing(key)
        case .damaged: askOthers(key, without: PositionSet())
        }
    }

    /// Has what is held under a key exchanged with all others that own it.
    func oweToAll(_ storedKey: RawSpan) {
        guard let keyspace = store.keyspace(ofStored: storedKey) else { return }
        let slot = storedKey.bigEndian(9, as: UInt16.self)
        replication.antiEntropy?.mark(nil, keyspace: keyspace, slot: slot)
    }

    private func endHealing(_ key: [UInt8]) { healing.remove(key) }

    /// - Parameter mute: owners that are known not to know.
    private func askOthers(_ key: [UInt8], without mute: PositionSet) {
        let slot = withBytes(of: key) { $0.bigEndian(9, as: UInt16.self) }
        guard !isStopped, let keyspace = withBytes(of: key, { store.keyspace(ofStored: $0) }),
            let unit = machine.unit(ofSlot: slot, keyspace: keyspace)
        else { return endHealing(key) }
        let places = ReplicaPlaces(of: slot, in: replication.membership.keyspaces[keyspace], node: machine.node)
        var counted = PositionSet()
        for position in machine.units[unit].counted {
            if let place = places.position(of: machine.units[unit].others[position]) { counted.insert(place) }
        }
        let others = counted.subtracting(mute)
        let needed = min(machine.units[unit].needed, others.count)
        let isAtRisk = needed < machine.units[unit].needed
        guard needed > 0 else { return replace(key, with: nil, keyspace, isAtRisk: true) }
        replication.read(storedKey: key, in: keyspace, quorum: Quorum(needed: needed), among: others) {
            [self] answer, read in
            if case .value = answer { return replace(key, with: read.source, keyspace, isAtRisk: isAtRisk) }
            let more = read.operation.damaged.union(read.operation.unknowing).union(mute)
            if more == mute { endHealing(key) } else { askOthers(key, without: more) }
        }
    }

    private func replace(_ key: [UInt8], with record: [UInt8]?, _ keyspace: Int, isAtRisk: Bool) {
        replication.whenResident([key]) { [self] in
            defer { endHealing(key) }
            guard !isStopped, withBytes(of: key, { store.isDamaged($0) }) else { return }
            withBytes(of: key) { key in
                var commit: UInt64 = 0
                if let record {
                    _ = withBytes(of: record) { replication.merge($0, key, replication.ownDurability, commit: &commit) }
                } else {
                    _ = try? store.replace(key, with: nil, durability: replication.ownDurability)
                }
                if isAtRisk { tellDamage(keyspace, slot: Int(key.bigEndian(9, as: UInt16.self))) }
            }
        }
    }
}

extension RecordStore {
    /// Whether a record is held that cannot be read; it is resident unless the store works inline.
    func isDamaged(_ storedKey: RawSpan) -> Bool {
        var isDamaged = false
        try? withHeld(storedKey) { record in
            guard let record else { return }
            isDamaged = (try? RecordView(record, storedKey: storedKey)) == nil
        }
        return isDamaged
    }

    /// Whether just this record is in memory, on no way to the disk, and the disk holds another: it said that it had
    /// written this one, and had not. Reads it, which the exchange that asks has just done.
    func isUnwritten(_ record: RawSpan, _ storedKey: RawSpan) -> Bool {
        guard !isInline, let entry = table.find(storedKey, hash: hash(ofStored: storedKey)), !entry.isLoading,
            entry.pendingCommit <= committed
        else { return false }
        var isHeld = false
        var isStored = false
        _ = entry.withRecord { isHeld = $0.equals(record) }
        guard isHeld, (try? reader.read(storedKey, { isStored = $0.equals(record) })) != nil else { return false }
        return !isStored
    }

    /// Puts a record, or nothing, in the place of what is stored.
    ///
    /// - Returns: the commit that makes it durable; 0 if nothing has to be waited for.
    @discardableResult
    func replace(_ storedKey: RawSpan, with record: RawSpan?, durability: Durability) throws(StorageError) -> UInt64 {
        var batch = WriteBatch()
        if let record { batch.put(storedKey, record) } else { batch.delete(storedKey) }
        let commit = try apply(&batch, hashes: [isInline ? 0 : hash(ofStored: storedKey)], durability: durability)
        if let keyspace = keyspace(ofStored: storedKey) { trees?.forget(storedKey, keyspace: keyspace) }
        return commit
    }
}
