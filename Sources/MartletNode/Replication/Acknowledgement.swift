internal import MartletCore
public import MartletRuntime

/// Who holds a write, as a client is told.
public struct Acknowledgement: Sendable, Equatable {
    /// The names of the replicas that acknowledged in time and counted.
    public var nodes: [String]
    /// How many of them hold it as a hint for an owner that did not answer.
    public var hints: Int
    /// The weakest durability among those counted; nil if there are none.
    public var durability: Durability?
    /// Of the topology it was written under.
    public var epoch: UInt64

    public init(nodes: [String] = [], hints: Int = 0, durability: Durability? = nil, epoch: UInt64) {
        self.nodes = nodes
        self.hints = hints
        self.durability = durability
        self.epoch = epoch
    }
}

/// What the owners of a key agree that it holds, and who of them said so.
public struct ReplicatedRecord: Sendable {
    public var record: RecordCopy
    /// The names of those whose answer counted: owners, then nodes that stood in for some.
    public var answered: [String]
    /// How many of them stood in.
    public var standIns = 0
}

extension Replication {
    /// The names of owners of a key, by position.
    func names(of positions: PositionSet, storedKey: [UInt8], keyspace: Int) -> [String] {
        let settings = membership.keyspaces[keyspace]
        let places = ReplicaPlaces(ofStored: storedKey, in: settings, node: membership.node)
        return positions.map { position in
            let node = places.nodes[position]
            return settings.ring.members.first { $0.id == node }?.name ?? String(node)
        }
    }

    func acknowledgement(_ receipt: WriteReceipt, storedKey: [UInt8], in keyspace: Int) -> Acknowledgement {
        let holders = receipt.owners.union(receipt.hints)
        return Acknowledgement(
            nodes: names(of: holders, storedKey: storedKey, keyspace: keyspace), hints: receipt.hints.count,
            durability: receipt.weakest.asDurability, epoch: membership.epoch)
    }

    /// The positions whose replicas can meet a durability, as far as is known.
    func able(_ places: ReplicaPlaces, _ durability: Durability) -> PositionSet {
        guard durability > .none else { return PositionSet(mask: .max) }
        var able = PositionSet()
        for (position, node) in places.nodes.enumerated() {
            let known =
                position == places.ownPlace
                ? store.backend.properties.maximumDurability
                : membership.member(node)?.maximumDurability ?? .always
            if durability <= known { able.insert(position) }
        }
        return able
    }
}
