internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// What peers ask of this node's replicas.
extension Replication {
    // MARK: Writes

    func serveWrite(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        let write = try ReplicaWrite(payload)
        if case .hint(let node) = write.purpose { return try serveHints(write, for: node, header, payload, peer) }
        var keys: [[UInt8]] = []
        if !store.isInline {
            var entries = write.entries()
            while let entry = try entries.next(of: payload) { keys.append(payload.extracting(entry.key).array) }
        }
        let bytes = store.isInline ? [] : payload.array
        if store.isInline {
            try acknowledge(write, payload, header, peer)
        } else {
            let come = loop.now
            whenResident(keys) { [self] in
                // Nobody waits for it any more: who asked has answered that it is not known what became of it.
                guard !isExpired(header, since: come) else { return }
                withBytes(of: bytes) { try? acknowledge(write, $0, header, peer) }
            }
        }
    }

    /// Whether what a peer asked for has waited here for longer than the peer waits. Work that nobody asked for has no
    /// deadline.
    private func isExpired(_ header: MessageHeader, since come: MonotonicTime) -> Bool {
        guard header.request != 0, header.deadline > 0, loop.now.since(come) >= .milliseconds(header.deadline) else {
            return false
        }
        counters.expired.add(1, ordering: .relaxed)
        return true
    }

    /// Merges all entries, whose records are resident, and answers once they are as durable as was asked.
    private func acknowledge(
        _ write: ReplicaWrite, _ payload: RawSpan, _ header: MessageHeader, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let durability = max(write.durability.asDurability, ownDurability)
        var outcomes: [ReplicaWriteReply.Outcome] = []
        var commit: UInt64 = 0
        var entries = write.entries()
        var near = 0
        while let entry = try entries.next(of: payload) {
            if store.isInline, write.count > 1 {
                if near == 0 { near = try touch(entry, entries, of: payload) }
                near -= 1
            }
            let (key, record) = (payload.extracting(entry.key), payload.extracting(entry.record))
            switch header.kind {
            case .catchUpRecords: outcomes.append(mergeExchanged(record, key, durability, commit: &commit))
            case .hintReplay: outcomes.append(mergeHinted(record, key, durability, commit: &commit))
            default: outcomes.append(merge(record, key, durability, commit: &commit))
            }
        }
        guard header.request != 0 else { return }
        let results = outcomes
        store.whenDone(commit) { [self] error in
            answer(results, error, header, peer)
        }
    }

    /// Has the store bring near what it holds under the keys of an entry and some that follow it; how many.
    private func touch(
        _ entry: KeyedRecord, _ following: ReplicaWrite.Entries, of payload: RawSpan
    ) throws(ByteCursor.Malformed) -> Int {
        var (entries, count) = (following, 1)
        ahead.name(storedKey: payload.extracting(entry.key), in: store)
        while count < Residency.touches, let entry = try entries.next(of: payload) {
            ahead.name(storedKey: payload.extracting(entry.key), in: store)
            count += 1
        }
        ahead.requireNamed(in: store)
        return count
    }

    private func answer(
        _ outcomes: [ReplicaWriteReply.Outcome], _ error: StorageError?, _ header: MessageHeader, _ peer: PeerSession
    ) {
        let kind: MessageKind =
            switch header.kind {
            case .catchUpRecords: .catchUpRecordsReply
            case .hintReplay: .hintReplayReply
            default: .replicaWriteReply
            }
        _ = transport.reply(to: peer, self.header(kind, header.request)) { buffer in
            ReplicaWriteReply.begin(count: outcomes.count, in: &buffer)
            for outcome in outcomes {
                var outcome = outcome
                if let error, case .acknowledged = outcome { outcome = ReplicaWriteReply.Outcome(error) }
                ReplicaWriteReply.append(outcome, to: &buffer)
            }
        }
    }

    /// Keeps what a coordinator sends for an owner that it cannot reach.
    private func serveHints(
        _ write: ReplicaWrite, for node: UInt32, _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        var hinted: [HintedWrite] = []
        var entries = write.entries()
        while let entry = try entries.next(of: payload) {
            hinted.append(
                HintedWrite(
                    key: payload.extracting(entry.key).array, record: payload.extracting(entry.record).array))
        }
        guard let hints else {
            return answer(hinted.map { _ in .refused(.closed) }, nil, header, peer)
        }
        hints.take(hinted, for: node, durability: write.durability.asDurability) { [self] outcomes in
            answer(outcomes, nil, header, peer)
        }
    }

    /// As ``merge(_:_:_:commit:)``, of what was kept for this node. It is not erased there before it stands here, so
    /// what cannot take the place of a damaged record has to wait until that is repaired.
    private func mergeHinted(
        _ record: RawSpan, _ storedKey: RawSpan, _ durability: Durability, commit: inout UInt64
    ) -> ReplicaWriteReply.Outcome {
        guard let keyspace = store.keyspace(ofStored: storedKey) else { return .refused(.unknownKeyspace) }
        let slot = storedKey.bigEndian(9, as: UInt16.self)
        guard membership.keyspaces[keyspace].owners(ofSlot: slot).contains(membership.node) else {
            return .refused(.notOwner)
        }
        if let catchUp, catchUp.isCaughtUp(storedKey), store.isDamaged(storedKey) {
            catchUp.heal([storedKey.array])
            return .refused(.busy)
        }
        return merge(record, storedKey, durability, commit: &commit)
    }

    /// Merges one record that came from a coordinator, this node's or a peer's; at this replica's own durability at
    /// least.
    func merge(
        _ record: RawSpan, _ storedKey: RawSpan, _ durability: Durability, commit: inout UInt64
    ) -> ReplicaWriteReply.Outcome {
        guard let keyspace = store.keyspace(ofStored: storedKey) else { return .refused(.unknownKeyspace) }
        // What cannot be as durable as was asked is held all the same, and acknowledged as what it is.
        let durability = min(max(durability, ownDurability), store.backend.properties.maximumDurability)
        guard let view = try? RecordValidator.validate(record, storedKey: storedKey) else { return .refused(.other) }
        if store.load.isMemoryFull, !view.isTombstone { return refuse(forMemory: true) }
        if store.load.isBacklogged { return refuse(forMemory: false) }
        catchUp?.willWrite()
        do throws(StorageError) {
            let done = try store.merge(
                record, storedKey: storedKey, keyspace: keyspace,
                policy: store.settings.plantedBugs.contains(.dropsSibling) ? .latest : store.keyspaces[keyspace].policy,
                durability: durability)
            commit = max(commit, done)
            return .acknowledged(durability.asReplicaDurability, stamp: view.stamp)
        } catch {
            return .refused(error.code == .outOfSpace ? .outOfMemory : .closed)
        }
    }

    private func refuse(forMemory: Bool) -> ReplicaWriteReply.Outcome {
        store.load.noteRefusal(forMemory: forMemory)
        return .refused(forMemory ? .outOfMemory : .busy)
    }

    // MARK: Reads

    func serveRead(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        let read = try ReplicaRead(payload)
        var wanted: [[UInt8]] = []
        var keys = read.keys()
        while let key = try keys.next(of: payload) { wanted.append(payload.extracting(key).array) }
        serve(read, wanted, header, peer)
    }

    private func serve(_ read: ReplicaRead, _ storedKeys: [[UInt8]], _ header: MessageHeader, _ peer: PeerSession) {
        let (request, come) = (header.request, loop.now)
        let places = storedKeys.flatMap(storedPlaces)
        whenResident(places) { [self] in
            guard !isExpired(header, since: come) else { return }
            let commit = pendingCommit(of: places)
            guard commit > 0 else {
                let header = self.header(.replicaReadReply, request)
                _ = transport.reply(to: peer, header) { append(read, storedKeys, to: &$0) }
                return
            }
            // What a power failure could still take back is shown to nobody: it is read now and told once it is safe.
            // If it fails, others are to be asked.
            var answers = ByteBuffer()
            append(read, storedKeys, to: &answers)
            let told = answers.copy()
            store.whenDone(commit) { [self] error in
                _ = transport.reply(to: peer, self.header(.replicaReadReply, request)) { buffer in
                    guard error != nil else { return withBytes(of: told) { buffer.append($0) } }
                    ReplicaReadReply.begin(count: storedKeys.count, in: &buffer)
                    for _ in storedKeys { ReplicaReadReply.append(.refused(.closed), to: &buffer) }
                }
            }
        }
    }

    private func pendingCommit(of storedKeys: [[UInt8]]) -> UInt64 {
        store.isInline ? 0 : storedKeys.reduce(0) { max($0, withBytes(of: $1, store.pendingCommit)) }
    }

    /// As a peer is answered, for this node's own coordinator.
    func answerWhenSafe(_ storedKey: [UInt8], _ body: @escaping (ReadReply, _ record: [UInt8]?) -> Void) {
        let places = storedPlaces(of: storedKey)
        whenResident(places) { [self] in
            let commit = pendingCommit(of: places)
            let (reply, record) = answer(storedKey)
            guard commit > 0 else { return body(reply, record) }
            store.whenDone(commit) { error in
                if error == nil { body(reply, record) } else { body(.refused(.closed), nil) }
            }
        }
    }

    private func append(_ read: ReplicaRead, _ storedKeys: [[UInt8]], to buffer: inout ByteBuffer) {
        ReplicaReadReply.begin(count: storedKeys.count, in: &buffer)
        for key in storedKeys {
            let (reply, record) = answer(key)
            guard let record, !read.isDigestOnly, case .version(.found(let digest)) = reply else {
                ReplicaReadReply.append(reply, to: &buffer)
                continue
            }
            withBytes(of: record) { ReplicaReadReply.append(record: $0, digest: digest, to: &buffer) }
        }
    }

    /// Whether this node may hold hints of a slot's keys, and no replica of them.
    private func isStandIn(_ slot: UInt16, _ keyspace: Int) -> Bool {
        membership.keyspaces[keyspace].isSloppy
            && !membership.keyspaces[keyspace].owners(ofSlot: slot).contains(membership.node)
    }

    /// Under which keys of the store what this node answers for a key lies: its own, or those of hints.
    private func storedPlaces(of storedKey: [UInt8]) -> [[UInt8]] {
        guard let hints, !hints.isEmpty else { return [storedKey] }
        return withBytes(of: storedKey) { key in
            let slot = key.bigEndian(9, as: UInt16.self)
            guard let keyspace = store.keyspace(ofStored: key), isStandIn(slot, keyspace) else { return [storedKey] }
            return membership.keyspaces[keyspace].owners(ofSlot: slot).map { Hint.key(for: $0, storedKey: key) }
        }
    }

    /// What this replica answers for a key, which is resident.
    func answer(_ storedKey: [UInt8]) -> (ReadReply, record: [UInt8]?) {
        withBytes(of: storedKey) { storedKey in
            guard let keyspace = store.keyspace(ofStored: storedKey) else { return (.refused(.unknownKeyspace), nil) }
            let slot = storedKey.bigEndian(9, as: UInt16.self)
            if let hints, !hints.isEmpty, isStandIn(slot, keyspace) {
                return hints.answer(storedKey, for: membership.keyspaces[keyspace].owners(ofSlot: slot), keyspace)
            }
            guard catchUp?.machine.isCaughtUp(slot: slot, keyspace: keyspace) != false else {
                return (.unknownHere, nil)
            }
            do throws(StorageError) {
                switch try store.held(storedKey) {
                case .none: return (.version(.notFound), nil)
                case .record(let record, _) where forgets(record, storedKey): return (.version(.notFound), nil)
                case .record(let record, let digest): return (.version(.found(digest)), record)
                case .damaged: return (.damaged, nil)
                }
            } catch {
                return (.refused(.closed), nil)
            }
        }
    }

    /// Whether the planted bug takes an expired value for none.
    private func forgets(_ record: [UInt8], _ storedKey: RawSpan) -> Bool {
        guard store.settings.plantedBugs.contains(.forgetsExpired) else { return false }
        return withBytes(of: record) { record in
            (try? RecordView(record, storedKey: storedKey))?.expiry ?? .max <= store.clock.wallMicroseconds / 1000
        }
    }

    // MARK: Waiting

    /// Runs `body` once the records of `storedKeys` are in memory, which they are already over an inline store.
    func whenResident(_ storedKeys: [[UInt8]], _ body: @escaping () -> Void) {
        let require = { [store] (residency: Residency) in
            for key in storedKeys { withBytes(of: key) { store.require(storedKey: $0, in: residency) } }
        }
        whenResident(require, body)
    }

    /// Runs `body` once the records that `require` asks for are in memory.
    func whenResident(_ require: (Residency) -> Void, _ body: @escaping () -> Void) {
        guard !store.isInline else { return body() }
        let residency = Residency()
        require(residency)
        guard !residency.isReady else { return waitForResidency(residency, body) }
        let load = newRequest()
        loads.begin(load)
        waitForResidency(residency) { [self] in
            body()
            for waiter in loads.end(load) { waiter() }
        }
    }

    private func waitForResidency(_ residency: Residency, _ body: @escaping () -> Void) {
        guard residency.isReady else {
            return store.whenLoaded { [self] in waitForResidency(residency, body) }
        }
        body()
        residency.release()
    }
}

extension ReplicaWriteReply.Outcome {
    /// What is known of a write whose commit failed.
    init(_ error: StorageError) {
        switch error.code {
        case .outOfSpace: self = .refused(.outOfMemory)
        case .closed, .poisoned: self = .refused(.closed)  // before it was tried
        default: self = .unknown
        }
    }
}

extension ReplicaDurability {
    var asDurability: Durability {
        switch self {
        case .none: .none
        case .interval: .interval
        case .always: .always
        }
    }
}

extension Durability {
    var asReplicaDurability: ReplicaDurability {
        switch self {
        case .none: .none
        case .interval: .interval
        case .always: .always
        }
    }
}
