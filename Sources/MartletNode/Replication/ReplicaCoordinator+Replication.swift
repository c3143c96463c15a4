public import MartletCore
internal import MartletRuntime

/// What the front door asks of a node that is one of several.
extension ReplicaCoordinator {
    /// Makes this worker part of a cluster: from now on it serves its peers, and its clients' commands are replicated.
    func join(_ membership: ClusterMembership, over transport: Confined<any Transport>, _ opening: CatchUpOpening) {
        let replication = Replication(membership, store: store, transport: transport.value, opening)
        store.isReplicated = true
        for (index, keyspace) in membership.keyspaces.enumerated() { store.keyspaces[index].policy = keyspace.policy }
        self.replication = replication
    }

    /// Ends what this worker does on its own, for itself and its cluster, before the store is closed.
    func leave() {
        standstill.stop()
        replication?.leave()
    }

    /// Who coordinates a command on a key.
    public enum Place: Sendable {
        case here
        case node(UInt32)
        /// No owner can be reached.
        case nobody
    }

    /// The first live owner that is caught up for what writes, so that all agree on who that is; anybody for reads.
    ///
    /// - Parameters:
    ///   - isNear: whether an owner in this node's data center comes first if there is one: where it does not matter
    ///     who coordinates, or where a data center answers for itself.
    ///   - refused: nodes that did not take the command.
    public func place(
        of key: RawSpan, keyspace: Int, isWrite: Bool, isNear: Bool, without refused: Set<UInt32> = []
    ) -> Place {
        guard let replication, isWrite else { return .here }
        let settings = replication.membership.keyspaces[keyspace]
        let slot = Slot.of(key)
        let places = ReplicaPlaces(of: slot, in: settings, node: replication.membership.node)
        var fit = replication.fit(places, slot: slot, keyspace: keyspace, withStandIns: true)
        if isClockOff, let own = places.ownPlace { fit.remove(own) }
        if !refused.isEmpty {
            for (position, node) in places.nodes.enumerated() where refused.contains(node) { fit.remove(position) }
        }
        if isNear, settings.hasCenters {
            let near = fit.intersection(settings.near(ofSlot: slot))
            if !near.isEmpty { fit = near }
        }
        let route = WriteRoute.readModifyWrite(
            owners: places.owners, fit: fit, own: places.ownPlace, isSloppy: settings.isSloppy)
        switch route {
        case .here: return .here
        case .handOver(let position, _): return .node(places.nodes[position])
        case .nobody: return .nobody
        }
    }

    /// Whether a level, or the keyspace's own, is met within this node's data center.
    public func isLocal(_ level: ConsistencyLevel?, keyspace: Int, isWrite: Bool) -> Bool {
        guard let settings = replication?.membership.keyspaces[keyspace] else { return false }
        return (level ?? (isWrite ? settings.write : settings.read)) == .localQuorum
    }

    /// Whether a key has an owner in this node's data center.
    public func hasOwnerNear(_ key: RawSpan, keyspace: Int) -> Bool {
        guard let settings = replication?.membership.keyspaces[keyspace] else { return true }
        return !settings.near(ofSlot: Slot.of(key)).isEmpty
    }

    /// Whether this node may coordinate what another handed over: it is an owner, caught up, and its clock is right.
    public func mayCoordinate(_ key: RawSpan, keyspace: Int) -> Bool {
        !isClockOff && replication?.catchUp?.machine.isCaughtUp(slot: Slot.of(key), keyspace: keyspace) != false
    }

    /// Whether this node holds a replica of a key.
    public func owns(_ key: RawSpan, keyspace: Int) -> Bool {
        guard let replication else { return true }
        return ReplicaPlaces(
            of: Slot.of(key), in: replication.membership.keyspaces[keyspace], node: replication.membership.node
        ).own != nil
    }

    /// How a command that overwrites a key is replicated from here, its record taken by this node's replica at once;
    /// nil if it has to go the general way: to another node, through the queue of the key, or to its refusal.
    public func planOverwrite(of key: RawSpan, keyspace: Int, level: ConsistencyLevel?) -> PlannedWrite? {
        guard let replication, replication.membership.keyspaces[keyspace].policy == .latest else { return nil }
        let slot = Slot.of(key)
        guard replication.catchUp?.machine.isCaughtUp(slot: slot, keyspace: keyspace) != false, !isClockOff,
            replication.busyKeys.isEmpty || replication.busyKeys[gate(key.array, keyspace)] == nil,
            let plan = try? replication.plan(slot: slot, keyspace: keyspace, level: level, durability: .none),
            plan.places.own != nil, !plan.step.isAnswered
        else { return nil }
        return plan
    }

    /// How a read of a key is answered by this node's replica; nil if it has to go the general way.
    public func planRead(of key: RawSpan, keyspace: Int, level: ConsistencyLevel?) -> PlannedRead? {
        replication?.plan(readOf: Slot.of(key), keyspace: keyspace, level: level)
    }

    /// Has other owners confirm what this node's replica has answered with; false if its own record is damaged.
    public func confirm(
        _ plan: PlannedRead, of key: RawSpan, waiter: any ReadWaiter, ticket: UInt64,
        _ encode: (inout ByteBuffer) -> Void
    ) -> Bool {
        guard let replication else { return false }
        return store.withDigest(of: key, keyspace: plan.keyspace) { storedKey, digest in
            replication.confirm(
                plan, storedKey: storedKey, digest: digest, waiter: waiter, ticket: ticket, encode)
        }
    }

    /// What the owners of a key hold, agreed on by as many as the level asks for.
    public func replicatedRecord(
        of key: [UInt8], keyspace: Int, level: ConsistencyLevel?
    ) async -> Result<ReplicatedRecord, TransactionFailure> {
        guard let replication else { return .failure(TransactionFailure(reply: "ERR this node is alone")) }
        var storedKey = ByteBuffer(capacity: 64)
        withBytes(of: key) { _ = store.locate($0, keyspace: keyspace, into: &storedKey) }
        let copy = storedKey.copy()
        return await withCheckedContinuation { continuation in
            do throws(ConsistencyFault) {
                try replication.read(storedKey: copy, in: keyspace, level: level) { answer, read in
                    guard case .noQuorum(let answers, let needed) = answer else {
                        var answered: [String] = []
                        var (isOwnAmong, standIns) = (false, 0)
                        if case .value(_, let receipt) = answer {
                            let all = receipt.owners.union(receipt.fallbacks)
                            answered = replication.names(of: all, storedKey: copy, keyspace: keyspace)
                            standIns = receipt.fallbacks.count
                            isOwnAmong = read.places.own.map(receipt.owners.contains) ?? false
                        }
                        var record = RecordCopy(storedKey: copy, record: read.source)
                        // What others hold may lack this node's last dots, which must not be used again.
                        record.needsBirth = read.isOwnDamaged || !isOwnAmong
                        return continuation.resume(
                            returning: .success(
                                ReplicatedRecord(record: record, answered: answered, standIns: standIns)))
                    }
                    replication.readDespiteDamage(read, in: keyspace) { record in
                        let reply = "NOQUORUM \(answers) of \(needed) owners that are needed answered"
                        continuation.resume(
                            returning: record.map { .success(ReplicatedRecord(record: $0, answered: [])) }
                                ?? .failure(TransactionFailure(reply: reply)))
                    }
                }
            } catch {
                continuation.resume(returning: .failure(TransactionFailure(reply: "ERR \(error.message)")))
            }
        }
    }

    /// Nothing, as what a node knows of a key when it stands in for its owners and none of them can be read: enough for
    /// a write that does not depend on what is stored. Nil where this node stands in for nobody.
    public func blankRecord(of key: [UInt8], keyspace: Int) -> RecordCopy? {
        guard let replication else { return nil }
        let slot = withBytes(of: key) { Slot.of($0) }
        let settings = replication.membership.keyspaces[keyspace]
        let places = ReplicaPlaces(of: slot, in: settings, node: replication.membership.node)
        guard settings.isSloppy, places.own == nil, places.ownPlace != nil else { return nil }
        var storedKey = ByteBuffer(capacity: 64)
        withBytes(of: key) { _ = store.locate($0, keyspace: keyspace, into: &storedKey) }
        return RecordCopy(storedKey: storedKey.copy(), record: nil, needsBirth: true)
    }

    /// Has the owners merge what a command wrote, key by key.
    ///
    /// - Returns: who acknowledged, of the last key, if every key has as many as the level asks for.
    public func replicate(
        _ writes: GatheredWrites, keyspace: Int, level: ConsistencyLevel?
    ) async -> Result<Acknowledgement, TransactionFailure> {
        var failure: TransactionFailure?
        var acknowledged = Acknowledgement(epoch: epoch)
        var applied = 0
        var isUnknown = false
        for copy in writes.records {
            switch await replicate(copy, keyspace: keyspace, level: level, durability: writes.asked) {
            case .success(let outcome):
                acknowledged = outcome
                applied += 1
            case .failure(let outcome):
                failure = failure ?? outcome
                isUnknown = isUnknown || outcome.reply.hasPrefix("UNKNOWN")
            }
        }
        guard let failure else { return .success(acknowledged) }
        guard writes.records.count > 1, applied > 0 || isUnknown else { return .failure(failure) }
        return .failure(TransactionFailure(reply: "UNKNOWN \(applied) of \(writes.records.count) applied"))
    }

    /// Of the topology under which this node reads and writes; 1 for a node alone.
    public var epoch: UInt64 { replication?.membership.epoch ?? 1 }

    private func replicate(
        _ copy: RecordCopy, keyspace: Int, level: ConsistencyLevel?, durability: Durability
    ) async -> Result<Acknowledgement, TransactionFailure> {
        guard let replication, let record = copy.record else { return .success(Acknowledgement(epoch: epoch)) }
        return await withCheckedContinuation { continuation in
            do throws(ConsistencyFault) {
                try replication.write(
                    record, storedKey: copy.storedKey, in: keyspace, level: level, durability: durability
                ) { answer in
                    if case .applied(let receipt) = answer {
                        let outcome = replication.acknowledgement(receipt, storedKey: copy.storedKey, in: keyspace)
                        continuation.resume(returning: .success(outcome))
                    } else {
                        let failure = TransactionFailure(answer) ?? TransactionFailure(reply: "UNKNOWN")
                        continuation.resume(returning: .failure(failure))
                    }
                }
            } catch {
                continuation.resume(returning: .failure(TransactionFailure(reply: "ERR \(error.message)")))
            }
        }
    }

    /// Has another node run a command; nil if nothing is known of what became of it.
    public func forward(_ command: ForwardedCommand, to node: UInt32) async -> [UInt8]? {
        guard let replication else { return nil }
        return await withCheckedContinuation { continuation in
            let isSent = replication.forward(command, to: node) { continuation.resume(returning: $0) }
            if !isSent { continuation.resume(returning: []) }
        }
    }

    /// Waits until no other command that reads before it writes is under way for the keys; they are `sorted`.
    public func enter(keys: [[UInt8]], keyspace: Int) async {
        for key in keys { await replication?.enter(gate(key, keyspace)) }
    }

    public func leave(keys: [[UInt8]], keyspace: Int) {
        for key in keys { replication?.leave(gate(key, keyspace)) }
    }

    private func gate(_ key: [UInt8], _ keyspace: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: keyspace)] + key }
}

extension Replication {
    func enter(_ gate: [UInt8]) async {
        guard busyKeys[gate] != nil else {
            busyKeys[gate] = (newRequest(), [])
            return
        }
        await withCheckedContinuation { busyKeys[gate]?.waiting.append($0) }
    }

    func leave(_ gate: [UInt8]) {
        guard var waiting = busyKeys[gate]?.waiting, !waiting.isEmpty else {
            busyKeys[gate] = nil
            return
        }
        let next = waiting.removeFirst()
        busyKeys[gate] = (newRequest(), waiting)
        next.resume()
    }
}

extension TransactionFailure {
    /// What a client is told of a write; nil if it was applied.
    public init?(_ answer: WriteAnswer) {
        switch answer {
        case .applied: return nil
        case .notApplied(.noQuorum(let reachable, let needed)):
            self.init(reply: "NOQUORUM \(reachable) of \(needed) owners that are needed can be reached")
        case .notApplied(.durabilityUnmet):
            self.init(reply: "NOQUORUM too few owners can meet the durability asked for")
        case .notApplied(.refused(let reason)): self.init(reply: reason.reply)
        case .unknown(let acknowledged, let needed):
            self.init(reply: "UNKNOWN \(acknowledged) of \(needed) owners that are needed acknowledged")
        }
    }
}

extension ReplicaRefusal {
    fileprivate var reply: String {
        switch self {
        case .outOfMemory: "OOM an owner, or who stands in for it, has no space left"
        case .tooLarge: "TOOLARGE the pair is longer than an owner takes"
        case .durabilityUnmet: "NOQUORUM an owner cannot meet the durability asked for"
        case .wrongEpoch, .unknownKeyspace, .notOwner: "NOQUORUM the owners know another topology"
        case .clockOff, .notCaughtUp, .busy, .closed, .other: "BUSY the owners refuse the write for now"
        }
    }
}
