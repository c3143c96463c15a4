internal import MartletCore
internal import MartletRuntime

/// Roots and nodes of trees, asked and answered.
extension AntiEntropy {
    func sendRoots(_ id: UInt64, _ node: UInt32, _ units: [Int]) {
        let (message, included) = trees.forest.roots(units) { index in
            (store.keyspaces[index].settings.id, store.keyspaces[index].generation)
        }
        guard included == units else { return fail(id, node) }
        send(.merkleRoots, id, node) { message.append(to: &$0) }
        asked[node] = (id, .roots(units.count))
    }

    func sendNodes(_ id: UInt64, _ node: UInt32, _ unit: Int, _ level: Int, _ indices: [Int]) {
        guard let tree = trees.forest.tree(unit), level < tree.levels else { return fail(id, node) }
        let keyspace = store.keyspaces[machine.units[unit].keyspace]
        let message = MerkleNodes(
            keyspace: keyspace.settings.id, generation: keyspace.generation, tree: tree, level: level,
            indices: indices)
        send(.merkleNodes, id, node) { message.append(to: &$0) }
        asked[node] = (id, .nodes(indices))
    }

    private func send(_ kind: MessageKind, _ id: UInt64, _ node: UInt32, _ append: (inout ByteBuffer) -> Void) {
        var size = 0
        let isSent = replication.transport.send(to: node, replication.header(kind, id)) { buffer in
            let before = buffer.count
            append(&buffer)
            size = buffer.count - before
        }
        counters.bytes += UInt64(size + Frame.headerLength)
        if !isSent { fail(id, node) }
    }

    /// In a later step: the machine is waiting for this one's outcome.
    func fail(_ id: UInt64, _ node: UInt32) {
        counters.failures += 1
        let me = Confined(self, on: store.loop)
        me.post { $0.receive(.failed(node, id: id)) }
    }

    func receive(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        if header.kind == .merkleRootsReply || header.kind == .merkleNodesReply {
            counters.bytes += UInt64(payload.byteCount + Frame.headerLength)
        }
        switch header.kind {
        case .merkleRoots: try serveRoots(header, payload, peer)
        case .merkleNodes: try serveNodes(header, payload, peer)
        case .merkleRootsReply:
            guard let (id, what) = asked[peer.node], id == header.request, case .roots(let count) = what else {
                return
            }
            let reply = try MerkleRootsReply(payload, roots: count)
            receive(.rootsAnswered(peer.node, id: header.request, reply))
        case .merkleNodesReply:
            guard let (id, what) = asked[peer.node], id == header.request, case .nodes(let indices) = what else {
                return
            }
            let reply = try MerkleNodesReply(payload, nodes: indices)
            receive(.nodesAnswered(peer.node, id: header.request, reply))
        case .merkleMark:
            let mark = try MerkleMark(payload)
            guard let keyspace = keyspace(mark.keyspace, mark.generation) else { return }
            self.mark(mark.node, keyspace: keyspace, slot: mark.slot)
        default: return
        }
    }

    private func keyspace(_ id: UInt32, _ generation: UInt32) -> Int? {
        store.keyspaces.firstIndex { $0.settings.id == id && $0.generation == generation }
    }

    private func serveRoots(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let roots = try MerkleRoots(payload)
        var isBehind = false
        // For who catches up a tree speaks for the whole unit.
        let mute = CatchUp.isComparison(header.request) ? damaged : []
        let reply = trees.forest.answer(roots, except: mute) { id in
            guard let index = store.keyspaces.firstIndex(where: { $0.settings.id == id }) else { return nil }
            return (index, store.keyspaces[index].generation)
        }
        for run in roots.keyspaces where keyspace(run.id, run.generation) == nil { isBehind = true }
        beginScanning()  // trees that have become too flat
        // One of the two missed that the keyspace was emptied.
        if isBehind { replication.tellGenerations(peer.node) }
        _ = replication.transport.reply(to: peer, replication.header(.merkleRootsReply, header.request)) {
            reply.append(to: &$0)
        }
    }

    private func serveNodes(
        _ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession
    ) throws(ByteCursor.Malformed) {
        let nodes = try MerkleNodes(payload)
        let reply =
            keyspace(nodes.keyspace, nodes.generation).map { trees.forest.answer(nodes, keyspace: $0) }
            ?? MerkleNodesReply(isRefused: true, differing: [])
        _ = replication.transport.reply(to: peer, replication.header(.merkleNodesReply, header.request)) {
            reply.append(to: &$0)
        }
    }
}

extension Replication {
    /// Has the owners of a slot compare what they hold there, soon: an owner lacks something that will not be sent to
    /// it otherwise, such as a hint that was given up. Of a slot that this node does not own, an owner is told.
    ///
    /// - Parameter node: the owner that lacks it; nil if nobody knows.
    func compareSoon(keyspace: Int, slot: UInt16, missingAt node: UInt32?) {
        let places = ReplicaPlaces(of: slot, in: membership.keyspaces[keyspace], node: membership.node)
        guard places.own == nil else {
            antiEntropy?.mark(node, keyspace: keyspace, slot: slot)
            return
        }
        let state = store.keyspaces[keyspace]
        let mark = MerkleMark(keyspace: state.settings.id, generation: state.generation, slot: slot, node: node)
        // One that has it, if there is one: it compares with the one that lacks it.
        for owner in places.nodes.prefix(places.owners) where owner != node && transport.isOpen(to: owner) {
            if transport.send(to: owner, header(.merkleMark, 0), { mark.append(to: &$0) }) { return }
        }
    }
}
