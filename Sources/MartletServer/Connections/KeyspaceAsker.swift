internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// On whose behalf a command over a keyspace runs: which keyspace, and which part of it the client's port covers.
struct KeyspaceAsker: Sendable {
    let door: Confined<FrontDoor>
    let node: Node
    let keyspace: Int
    let version: Int
    let worker: Int
    private let levels: (read: ConsistencyLevel?, write: ConsistencyLevel?)
    private let isOfClusterPort: Bool
    private let isReplicated: Bool

    init(door: Confined<FrontDoor>, node: Node, _ session: Session) {
        self.door = door
        self.node = node
        (keyspace, version, worker) = (session.keyspace, session.protocolVersion, door.value.worker)
        levels = (session.readLevel, session.writeLevel)
        isReplicated = door.value.coordinator.assumeIsolated { $0.replication != nil }
        isOfClusterPort = session.isOfClusterPort
    }

    /// A walk over all that the client's port covers.
    func walk(of other: Int? = nil) async -> KeyspaceWalk {
        await KeyspaceWalk(
            of: other ?? keyspace, on: node, worker: worker,
            covering: isOfClusterPort ? .worker(worker) : .cluster)
    }

    /// Keys of a slot, whoever owns it.
    func keys(inSlot slot: UInt16, limit: Int) async throws(TransactionFailure) -> [[UInt8]] {
        var walk = await KeyspaceWalk(
            of: keyspace, on: node, worker: worker, covering: .cluster, slots: Int(slot)..<Int(slot) + 1)
        var keys: [[UInt8]] = []
        var place: UInt64? = UInt64(slot) << 40
        while let from = place, keys.count < limit {
            let page = try await walk.page(from: from, limit: min(limit - keys.count, 4096))
            keys += page.keys
            place = page.next
        }
        return Array(keys.prefix(limit))
    }

    // MARK: FLUSHDB and FLUSHALL

    /// Empties keyspaces as far as the client's port covers them.
    func flush(_ keyspaces: [Int]) async throws(TransactionFailure) {
        if isOfClusterPort { return try await flushOwn(keyspaces) }
        if isReplicated {
            if let failure = await node.flushEverywhere(keyspaces: keyspaces) { throw failure }
            return
        }
        for (done, keyspace) in keyspaces.enumerated() {
            do throws(StorageError) {
                try await node.flush(keyspace: keyspace)
            } catch {
                // Some are empty already: it is neither applied nor not applied.
                guard done > 0 else { throw TransactionFailure(error) }
                throw TransactionFailure(
                    reply: "UNKNOWN \(done) of \(keyspaces.count) keyspaces are flushed: \(error.message)")
            }
        }
    }

    /// Deletes the keys that this worker answers for, one by one: other keys of the keyspaces stay.
    private func flushOwn(_ keyspaces: [Int]) async throws(TransactionFailure) {
        var deleted = 0
        do throws(TransactionFailure) {
            for keyspace in keyspaces { try await deleteOwn(keyspace, &deleted) }
        } catch {
            guard deleted > 0 else { throw error }
            throw TransactionFailure(reply: "UNKNOWN \(deleted) keys are deleted, others are not: \(error.reply)")
        }
    }

    /// Deletes that are under way at the same time.
    private static let deletesAtOnce = 64

    private func deleteOwn(_ keyspace: Int, _ deleted: inout Int) async throws(TransactionFailure) {
        var walk = await walk(of: keyspace)
        var place: UInt64? = 0
        while let from = place {
            let page = try await walk.page(from: from, limit: Self.deletesAtOnce)
            let commands = page.keys.map { key in
                ForwardedCommand(
                    keyspace: keyspace, version: 2, levels: levels, arguments: [Array("del".utf8), key])
            }
            let replies = commands.isEmpty ? [] : await door.replies(to: commands)
            let failures = replies.filter { $0.first == UInt8(ascii: "-") }
            deleted += replies.count - failures.count
            if let failure = failures.first {
                throw TransactionFailure(reply: String(decoding: failure.dropFirst().dropLast(2), as: UTF8.self))
            }
            place = page.next
        }
    }
}
