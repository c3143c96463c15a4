internal import MartletCore
public import MartletRuntime
internal import Synchronization

/// Emptying keyspaces, of this node and of the whole cluster.
extension Node {
    /// Empties a keyspace of a node that is alone: raises its generation, durably, on every worker, and erases the
    /// old one in the background.
    public func flush(keyspace: Int) async throws(StorageError) {
        let generation = await replicas[0].generation(keyspace: keyspace)
        guard generation < KeyspaceGenerations.greatest else {
            throw StorageError(.outOfSpace, "the keyspace was emptied as often as it can be")
        }
        try await enter(generation + 1, keyspace: keyspace)
    }

    /// Enters a generation of a keyspace, unless all workers are in a later one.
    private func enter(_ generation: UInt32, keyspace: Int) async throws(StorageError) {
        let totals = await replicas[0].totals(keyspace: keyspace)
        let isNew = await replicas[0].generation(keyspace: keyspace) < generation
        for replica in replicas { await replica.settled() }
        try await replicas[0].recordGeneration(generation, keyspace: keyspace)
        for replica in replicas { await replica.enter(generation: generation, keyspace: keyspace) }
        guard isNew else { return }
        totals.records.store(0, ordering: .relaxed)
        totals.expiring.store(0, ordering: .relaxed)
        totals.isKnown.store(true, ordering: .relaxed)
        let replica = replicas[0]
        environment.spawn("reclaim") { await replica.reclaim(keyspace: keyspace) }
    }

    /// Enters the generations that a peer's flush chose; those that the node is in then, or none if that failed.
    func enter(_ generations: KeyspaceGenerations) async -> KeyspaceGenerations {
        do throws(StorageError) {
            for (index, keyspace) in settings.keyspaces.enumerated() {
                guard let generation = generations[keyspace.id] else { continue }
                try await enter(generation, keyspace: index)
            }
        } catch {
            environment.log(.error, "cannot empty a keyspace: \(error.message)")
            return KeyspaceGenerations([])
        }
        return await self.generations(of: Array(settings.keyspaces.indices)) ?? KeyspaceGenerations([])
    }

    private func generations(of keyspaces: [Int]) async -> KeyspaceGenerations? {
        guard let own = await replicas[0].generations else { return nil }
        return KeyspaceGenerations(
            keyspaces.map { KeyspaceGenerations.Entry(keyspace: settings.keyspaces[$0].id, generation: own[$0]) })
    }

    /// Empties keyspaces on all nodes of the cluster, in two steps: all are asked for their generations, and only if
    /// all have answered, told to enter a later one than any is in. A write sent after that is acknowledged is in the
    /// later generation everywhere.
    ///
    /// Where a node fails between the two steps, it is not known what is emptied when this returns; the nodes agree
    /// on it as soon as they are linked again, since the later generation rules.
    /// - Returns: nil if all nodes have emptied them.
    public func flushEverywhere(keyspaces: [Int]) async -> TransactionFailure? {
        let coordinator = coordinators[0]
        let others = await coordinator.otherNodes
        let ids = keyspaces.map { settings.keyspaces[$0].id }
        let query = KeyspaceGenerations([])
        let answers = await coordinator.askGenerations(.generationsQuery, query, of: others)
        let own = await generations(of: keyspaces)
        let known = (answers + [own]).filter { answer in ids.allSatisfy { answer?[$0] != nil } }
        guard known.count == others.count + 1 else {
            return TransactionFailure(
                reply: "NOQUORUM \(known.count) of \(others.count + 1) nodes, which are all needed, can be reached: "
                    + "not applied")
        }
        let targets = ids.map { id in (id: id, generation: known.compactMap { $0?[id] }.max() ?? 0) }
        guard targets.allSatisfy({ $0.generation < KeyspaceGenerations.greatest }) else {
            return TransactionFailure(reply: "ERR the keyspace was emptied as often as it can be")
        }
        let raised = KeyspaceGenerations(
            targets.map { KeyspaceGenerations.Entry(keyspace: $0.id, generation: $0.generation + 1) })
        let replies = await coordinator.askGenerations(.generationsRaise, raised, of: others)
        let ownReply: KeyspaceGenerations? = await enter(raised)
        let done = (replies + [ownReply]).filter { reply in
            raised.entries.allSatisfy { entry in (reply?[entry.keyspace] ?? 0) >= entry.generation }
        }
        guard done.count < others.count + 1 else { return nil }
        return TransactionFailure(
            reply: "UNKNOWN \(done.count) of \(others.count + 1) nodes have emptied it; the others do as soon as they "
                + "are reached")
    }
}
