internal import MartletCore
internal import MartletRuntime

/// A message of hints that their target has not acknowledged yet.
struct HintReplayInFlight {
    var node: UInt32
    /// The machine's number for it.
    var id: UInt64
    /// Of each hint the stored key.
    var keys: [[UInt8]]
}

/// Replaying hints to those they are for.
extension HintedHandoff {
    func read(_ id: UInt64, _ node: UInt32, after: [UInt8], entries: Int, bytes: Int) {
        let scan = scan(of: node, after: after, entries: entries, bytes: bytes, withRecords: true)
        pagesBegan[node] = replication.newRequest()
        run(scan) { me, page in
            guard let page else { return me.receive(.unread(node, id: id)) }
            me.pages[node] = page
            me.receive(.page(node, id: id, page.entries, isLast: page.isLast))
        }
    }

    func send(_ id: UInt64, _ node: UInt32, _ range: Range<Int>) {
        guard let page = pages[node], page.records.count >= range.upperBound else {
            return receive(.unsent(node, id: id))
        }
        let hints = page.records[range]
        let request = replication.newRequest()
        replays.add(HintReplayInFlight(node: node, id: id, keys: hints.map(\.key)), as: request)
        let isSent = replication.transport.send(to: node, replication.header(.hintReplay, request)) { buffer in
            ReplicaWrite.begin(.repair, durability: .none, count: hints.count, in: &buffer)
            for (key, record) in hints {
                withBytes(of: key) { key in
                    withBytes(of: record) { ReplicaWrite.append(key: key, record: $0, to: &buffer) }
                }
            }
        }
        guard !isSent else { return }
        _ = replays.remove(request)
        receive(.unsent(node, id: id))
    }

    func receiveReply(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed) {
        guard replays[header.request]?.node == peer.node, let replay = replays.remove(header.request) else { return }
        let reply = try ReplicaWriteReply(payload)
        var outcomes = reply.outcomes()
        var results: [ReplicaRefusal?] = []
        for key in replay.keys {
            guard let outcome = try outcomes.next(of: payload) else { break }
            switch outcome {
            case .acknowledged: results.append(nil)
            case .refused(.unknownKeyspace) where withBytes(of: key) { store.keyspace(ofStored: $0) } != nil:
                results.append(.busy)  // it has not heard yet that the keyspace was emptied
                replication.tellGenerations(peer.node)
            case .refused(let refusal): results.append(refusal)
            case .unknown: results.append(.other)
            }
        }
        receive(.answered(peer.node, id: replay.id, results))
    }

    /// What was on its way to a node is not waited for any more.
    func linkClosed(_ node: UInt32) {
        replays.forEach { id, replay in if replay.node == node { _ = replays.remove(id) } }
        note(node, isReachable: false)
    }
}

// MARK: Walks over all

extension HintedHandoff {
    /// Hints of a page that only says what there is.
    private static let walkEntries = 4096

    /// Reads what a former run left.
    func restore(after: [UInt8]) {
        run(scan(of: nil, after: after, entries: Self.walkEntries)) { me, page in
            guard let page else {
                me.log(.error, "hints of a former run cannot be read; none are replayed or taken")
                return
            }
            for entry in page.entries {
                guard let node = withBytes(of: entry.key, { try? Hint.read(key: $0).target }) else { continue }
                me.machine.restore(entry, for: node)
            }
            if page.isLast { me.becomeReady() } else { me.restore(after: page.entries.last?.key ?? []) }
        }
    }

    /// Looks soon for hints that are too old, or void.
    func sweepSoon() {
        guard isReady, !isStopped else { return }
        isSweepDue = true
        guard !isSweeping else { return }
        isSweeping = true
        isSweepDue = false
        sweep(after: [], of: nil)
    }

    /// - Parameter node: whose hints are all given up.
    private func sweep(after: [UInt8], of node: UInt32?) {
        run(scan(of: node, after: after, entries: Self.walkEntries)) { me, page in
            guard let page else { return me.endSweep() }
            let byNode = Dictionary(grouping: page.entries) { entry in
                withBytes(of: entry.key) { (try? Hint.read(key: $0))?.target ?? 0 }
            }
            for node in byNode.keys.sorted() { me.receive(.swept(node, byNode[node] ?? [])) }
            guard !page.isLast, let last = page.entries.last else { return me.endSweep() }
            me.sweep(after: last.key, of: node)
        }
    }

    private func endSweep() {
        isSweeping = false
        if isSweepDue { sweepSoon() }
    }

    /// Erases all hints for a node that is no member any more.
    func eraseAll(of node: UInt32, after: [UInt8] = []) {
        run(scan(of: node, after: after, entries: Self.walkEntries)) { me, page in
            guard let page else { return }
            var batch = WriteBatch()
            var hashes: [UInt64] = []
            for entry in page.entries {
                withBytes(of: entry.key) { key in
                    batch.delete(key)
                    hashes.append(me.store.hash(ofStored: key))
                }
            }
            if !hashes.isEmpty { _ = try? me.store.apply(&batch, hashes: hashes, durability: .none) }
            guard !page.isLast, let last = page.entries.last else { return me.receive(.erasedAll(node)) }
            me.eraseAll(of: node, after: last.key)
        }
    }
}
