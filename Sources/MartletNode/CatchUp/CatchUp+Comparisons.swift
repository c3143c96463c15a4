internal import MartletCore
internal import MartletRuntime

/// Units whose Merkle trees' sums a peer was told.
struct CatchUpComparisonInFlight {
    let id: UInt64
    let units: [Int]
    /// The newest commit that the sums are of.
    let commit: UInt64
}

/// What one owner sent is compared with what the next one holds by the sums of Merkle trees: records that both sent
/// would be listed, and digested, for nothing.
extension CatchUp {
    /// Of identifiers of roots that are compared here, not by anti-entropy.
    private static let comparisonBit: UInt64 = 1 << 62

    static func isComparison(_ request: UInt64) -> Bool { request & comparisonBit != 0 }

    func compare(_ units: [Int], with node: UInt32, id: UInt64) {
        guard let trees = store.trees else { return receive(.compared(node, id: id, equal: [])) }
        let (message, included) = trees.forest.roots(units) { index in
            (store.keyspaces[index].settings.id, store.keyspaces[index].generation)
        }
        guard !included.isEmpty else { return receive(.compared(node, id: id, equal: [])) }
        // A commit that has failed is in no tree.
        let commit = store.newestCommit > store.committed ? store.newestCommit : 0
        comparisons[node] = CatchUpComparisonInFlight(id: id, units: included, commit: commit)
        let header = replication.header(.merkleRoots, id | Self.comparisonBit)
        if !replication.transport.send(to: node, header, { message.append(to: &$0) }) { receive(.failed(node, id: id)) }
    }

    /// Takes a peer's answer, if it is one to a comparison of catching up.
    ///
    /// - Returns: whether it is.
    func receiveRoots(_ header: MessageHeader, _ payload: RawSpan, _ peer: PeerSession) throws(ByteCursor.Malformed)
        -> Bool
    {
        guard Self.isComparison(header.request) else { return false }
        let id = header.request & ~Self.comparisonBit
        guard let comparison = comparisons[peer.node], comparison.id == id else { return true }
        comparisons[peer.node] = nil
        let reply: MerkleRootsReply
        do throws(ByteCursor.Malformed) {
            reply = try MerkleRootsReply(payload, roots: comparison.units.count)
        } catch {
            receive(.failed(peer.node, id: id))
            throw error
        }
        let others = Set(reply.entries.map(\.index))
        let equal = comparison.units.indices.filter { !others.contains($0) }.map { comparison.units[$0] }
        store.whenDone(comparison.commit) { [self] error in
            receive(error == nil ? .compared(peer.node, id: id, equal: equal) : .failed(peer.node, id: id))
        }
        return true
    }
}
