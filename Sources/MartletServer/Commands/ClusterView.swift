internal import MartletCore
public import MartletNode
public import MartletRuntime

/// The cluster as CLUSTER tells clients of it.
///
/// Each worker's cluster port is a node of Redis' kind, the primary of the slots whose first live owner it is. The
/// other owners of a slot follow as its replicas, by their plain ports: since any of them is a primary of other slots,
/// and clients take a port for one or the other.
public struct ClusterView: Sendable {
    /// A port, as one of Redis' nodes.
    public struct Port: Sendable {
        /// 40 hexadecimal digits.
        public var id: String
        public var address: SocketAddress
        /// The member's id and worker; no worker for a plain port.
        public var member: UInt32
        public var worker: Int?
        public var isUp: Bool
    }

    /// A run of slots.
    public struct Run: Sendable {
        public var slots: Range<Int>
        /// The first live owner's port, or the first owner's if none is live: its place in ``ports``.
        public var primary: Int
        /// The other live owners' plain ports.
        public var replicas: [Port]
        public var isServed: Bool
    }

    /// All cluster ports, by member and worker.
    public private(set) var ports: [Port] = []
    /// By slot.
    public private(set) var runs: [Run] = []
    /// The port that the client came by; on the plain port, that of worker 0: its place in ``ports``.
    public private(set) var own = 0
    public let epoch: UInt64

    /// - Parameter owners: all slots, by slot.
    public init(
        _ membership: ClusterMembership, cluster: String, owners: [SlotOwners], worker: Int,
        isUp: (UInt32) -> Bool
    ) {
        epoch = membership.epoch
        var first: [UInt32: Int] = [:]
        var plain: [UInt32: Port] = [:]
        for member in membership.members {
            let (id, name, isUp) = (member.member.id, member.member.name, isUp(member.member.id))
            first[id] = ports.count
            if id == membership.node { own = ports.count + worker }
            for (worker, address) in member.clusterClients.enumerated() {
                let identifier = Self.identifier(cluster, worker == 0 ? name : "\(name)/\(worker)")
                ports.append(Port(id: identifier, address: address, member: id, worker: worker, isUp: isUp))
            }
            plain[id] = Port(
                id: Self.identifier(cluster, name + "/plain"), address: member.clients, member: id, worker: nil,
                isUp: isUp)
        }
        for run in owners {
            guard let primary = run.live.first ?? run.owners.first, let start = first[primary] else { continue }
            let replicas = run.live.filter { $0 != primary }.compactMap { plain[$0] }
            let next = Run(
                slots: run.slots, primary: start + run.worker, replicas: replicas, isServed: !run.live.isEmpty)
            if let last = runs.last, last.slots.upperBound == next.slots.lowerBound, last.primary == next.primary,
                last.isServed == next.isServed, last.replicas.map(\.id) == next.replicas.map(\.id)
            {
                runs[runs.count - 1].slots = last.slots.lowerBound..<next.slots.upperBound
            } else {
                runs.append(next)
            }
        }
    }

    /// The slots of a port, in runs as long as they can be.
    func slots(ofPort port: Int) -> [Range<Int>] {
        var slots: [Range<Int>] = []
        for run in runs where run.primary == port {
            if let last = slots.last, last.upperBound == run.slots.lowerBound {
                slots[slots.count - 1] = last.lowerBound..<run.slots.upperBound
            } else {
                slots.append(run.slots)
            }
        }
        return slots
    }

    /// 40 hexadecimal digits that name a node or port for as long as its cluster and name stay the same.
    static func identifier(_ cluster: String, _ name: String) -> String {
        var digits = ""
        for part in 0..<3 {
            let hash = withBytes(of: cluster + "/" + name) { XXH3.hash($0, seed: UInt64(part)) }
            let text = String(hash, radix: 16)
            digits += String(repeating: "0", count: 16 - text.count) + text
        }
        return String(digits.prefix(40))
    }
}
