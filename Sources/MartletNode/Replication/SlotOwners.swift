internal import MartletCore
internal import MartletRuntime

/// Who answers for a run of slots, as one node sees it.
public struct SlotOwners: Sendable, Equatable {
    public var slots: Range<Int>
    /// The worker of each owner that the slots belong to.
    public var worker: Int
    /// The owners' ids, in the order of the preference list.
    public var owners: [UInt32]
    /// Those that can be reached and are caught up, as far as is known here; in the same order.
    public var live: [UInt32]
}

extension ReplicaCoordinator {
    /// All slots of a keyspace in runs as long as they can be; none for a node that is alone. O(QN).
    ///
    /// Of the slots of other workers it is not known whether an owner is caught up: it counts as if it were.
    public func slotOwners(keyspace: Int) -> [SlotOwners] {
        guard let replication, let arcs = arcs(ofKeyspace: keyspace) else { return [] }
        let width = Slot.count / arcs
        let settings = replication.membership.keyspaces[keyspace]
        var runs: [SlotOwners] = []
        for lower in stride(from: 0, to: Slot.count, by: width) {
            let slot = UInt16(lower)
            let run = SlotOwners(
                slots: lower..<lower + width,
                worker: lower * store.settings.partitions / Slot.count % store.settings.workers,
                owners: settings.owners(ofSlot: slot),
                live: replication.liveOwners(ofSlot: slot, keyspace: keyspace))
            let last = runs.count - 1
            if last >= 0, runs[last].worker == run.worker, runs[last].owners == run.owners, runs[last].live == run.live
            {
                runs[last].slots = runs[last].slots.lowerBound..<run.slots.upperBound
            } else {
                runs.append(run)
            }
        }
        return runs
    }

    /// Whether there is a link to another node, or it is this one.
    public func isReachable(_ node: UInt32) -> Bool {
        guard let replication else { return false }
        return node == replication.membership.node || replication.transport.isOpen(to: node)
    }
}
