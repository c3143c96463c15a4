internal import MartletCore
internal import MartletRuntime
internal import Synchronization

/// A question about generations that another node answers.
final class GenerationsInFlight {
    let node: UInt32
    var deadline: (any LoopTimer)?
    /// Hears what the node answered; nil if nothing is known of it.
    let answered: (KeyspaceGenerations?) -> Void

    init(node: UInt32, answered: @escaping (KeyspaceGenerations?) -> Void) {
        self.node = node
        self.answered = answered
    }
}

/// The generations of keyspaces, of which the greatest that any node is in rules.
///
/// Nodes tell each other theirs whenever a link opens, each worker its counterpart, so that one that was away while a
/// keyspace was emptied learns so before it has anything to say about its keys.
extension Replication {
    /// This worker's generations.
    var ownGenerations: KeyspaceGenerations {
        KeyspaceGenerations(
            store.keyspaces.map { KeyspaceGenerations.Entry(keyspace: $0.settings.id, generation: $0.generation) })
    }

    /// Tells a node the generations of this one; no answer is awaited.
    func tellGenerations(_ node: UInt32) {
        let own = ownGenerations
        _ = transport.send(to: node, header(.generationsRaise, 0)) { own.append(to: &$0) }
    }

    /// Enters a keyspace's later generation, which this worker slept through.
    func raise(_ generation: UInt32, keyspace: Int) {
        guard generation > store.keyspaces[keyspace].generation, generation <= KeyspaceGenerations.greatest,
            (try? store.record(generation: generation, keyspace: keyspace)) != nil
        else { return }
        store.enter(generation: generation, keyspace: keyspace)
        store.keyspaces[keyspace].totals.isKnown.store(false, ordering: .relaxed)
        generationRaised?(keyspace)
    }

    // MARK: Asking

    /// Asks nodes for their generations, or to enter others; `done` hears all answers together, in their order.
    func askGenerations(
        _ kind: MessageKind, _ generations: KeyspaceGenerations, of nodes: [UInt32],
        _ done: @escaping ([KeyspaceGenerations?]) -> Void
    ) {
        guard !nodes.isEmpty else { return done([]) }
        let gathered = GatheredAnswers(nodes.count, done)
        for (index, node) in nodes.enumerated() {
            let ask = GenerationsInFlight(node: node) { gathered.take($0, at: index) }
            let id = newRequest()
            generationAsks.add(ask, as: id)
            guard transport.send(to: node, header(kind, id), { generations.append(to: &$0) }) else {
                finish(generations: id, nil)
                continue
            }
            ask.deadline = loop.schedule(after: Self.patience) { [self] in finish(generations: id, nil) }
        }
    }

    func finish(generations id: UInt64, _ answer: KeyspaceGenerations?) {
        guard let ask = generationAsks.remove(id) else { return }
        ask.deadline?.cancel()
        ask.answered(answer)
    }

    func receiveGenerations(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        guard generationAsks[header.request]?.node == peer.node else { return }
        finish(generations: header.request, try KeyspaceGenerations(payload))
    }

    // MARK: Serving

    func serveGenerations(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let told = try KeyspaceGenerations(payload)
        guard header.request != 0 else { return hear(told, peer) }
        let answer: (KeyspaceGenerations) -> Void = { [self] generations in
            _ = transport.reply(to: peer, self.header(.generationsReply, header.request)) {
                generations.append(to: &$0)
            }
        }
        if header.kind == .generationsQuery {
            answer(store.failure == nil ? ownGenerations : KeyspaceGenerations([]))
        } else if let raiseEverywhere {
            raiseEverywhere(told, answer)
        } else {
            answer(KeyspaceGenerations([]))
        }
    }

    private func hear(_ told: KeyspaceGenerations, _ peer: PeerSession) {
        var isBehind = false
        for (index, state) in store.keyspaces.enumerated() {
            guard let generation = told[state.settings.id] else { continue }
            if generation > state.generation { raise(generation, keyspace: index) }
            if generation < state.generation { isBehind = true }
        }
        if isBehind { tellGenerations(peer.node) }
    }
}

extension ReplicaCoordinator {
    /// All other nodes of the cluster.
    var otherNodes: [UInt32] { replication?.otherNodes ?? [] }

    /// Asks nodes for their generations, or to enter others; nil for one of which no answer came.
    func askGenerations(
        _ kind: MessageKind, _ generations: KeyspaceGenerations, of nodes: [UInt32]
    ) async -> [KeyspaceGenerations?] {
        guard let replication else { return nodes.map { _ in nil } }
        return await withCheckedContinuation { continuation in
            replication.askGenerations(kind, generations, of: nodes) { continuation.resume(returning: $0) }
        }
    }

    /// Has what peers say of generations reach all workers of this one's node.
    func raiseGenerations(of node: Node, _ worker: Int) {
        let (environment, loop, replica) = (node.environment, loop, node.replicas[worker])
        replication?.raiseEverywhere = { [weak node] generations, answer in
            guard let node else { return answer(KeyspaceGenerations([])) }
            let answer = Confined(answer, on: loop)
            environment.spawn("flush for a peer", on: worker) {
                let entered = await node.enter(generations)
                answer.post { $0(entered) }
            }
        }
        replication?.generationRaised = { keyspace in
            environment.spawn("reclaim", on: worker) { await replica.reclaim(keyspace: keyspace) }
        }
    }
}
