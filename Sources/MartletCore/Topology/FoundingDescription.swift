/// All that the nodes of a cluster must agree on when it is founded: epoch 1 of the topology.
///
/// A value of this type is valid, so that rings can be made of it, and in canonical order: members and keyspaces by id,
/// data centers of a placement by name. Equal clusters are equal values with equal bytes, however files list them.
public struct FoundingDescription: Hashable, Sendable {
    /// What tells the cluster from others; at most 255 bytes.
    public let cluster: String
    /// Q.
    public let partitions: Int
    /// By id.
    public let members: [Member]
    /// By id.
    public let keyspaces: [KeyspaceDefinition]

    /// The longest name of anything, in bytes of UTF-8.
    public static let longestName = 255

    /// - Throws: the first reason for which no such cluster can be.
    public init(
        cluster: String, partitions: Int = 256, members: [Member], keyspaces: [KeyspaceDefinition]
    ) throws(PlacementError) {
        try Self.check(name: cluster, of: "the cluster")
        try PlacementPlan.check(members, partitions: partitions)
        for member in members {
            try Self.check(name: member.name, of: "node \(member.id)")
            try Self.check(length: member.rack, of: "the rack of node \(member.name)")
            try Self.check(length: member.dataCenter, of: "the data center of node \(member.name)")
        }
        guard !keyspaces.isEmpty else { throw PlacementError(.keyspace, "a cluster needs at least one keyspace") }
        let ordered = keyspaces.sorted { ($0.id, $0.name) < ($1.id, $1.name) }
        for (former, next) in zip(ordered, ordered.dropFirst()) where former.id == next.id {
            throw PlacementError(.keyspace, "keyspaces \(former.name) and \(next.name) have the same id \(next.id)")
        }
        let byName = keyspaces.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
        for (former, next) in zip(byName, byName.dropFirst()) where former.name == next.name {
            throw PlacementError(.keyspace, "keyspaces \(former.id) and \(next.id) have the same name \(next.name)")
        }
        for keyspace in ordered { try Self.check(keyspace, members: members) }
        self.cluster = cluster
        self.partitions = partitions
        self.members = members.sorted { $0.id < $1.id }
        self.keyspaces = ordered.map { keyspace in
            var keyspace = keyspace
            keyspace.placement = keyspace.placement.canonical
            return keyspace
        }
        guard encoded().count <= LinkHello.longestFounding else {
            throw PlacementError(
                .name, "names, racks and data centers are too long: \(LinkHello.longestFounding) bytes in all")
        }
    }

    private static func check(_ keyspace: KeyspaceDefinition, members: [Member]) throws(PlacementError) {
        try check(name: keyspace.name, of: "keyspace \(keyspace.id)")
        do {
            try PlacementPlan.check(keyspace.placement, members: members)
        } catch {
            throw PlacementError(error.code, "keyspace \(keyspace.name): \(error.message)")
        }
        for (level, purpose) in [(keyspace.reads, "reads"), (keyspace.writes, "writes")] {
            if case .count(let count) = level, count < 1 || count > keyspace.placement.replicas {
                throw PlacementError(
                    .keyspace,
                    "keyspace \(keyspace.name): \(purpose) by \(count) replicas: use 1 to \(keyspace.placement.replicas)"
                )
            }
        }
    }

    private static func check(name: String, of what: String) throws(PlacementError) {
        guard !name.isEmpty else { throw PlacementError(.name, "the name of \(what) is empty") }
        try check(length: name, of: "the name of \(what)")
    }

    private static func check(length text: String, of what: String) throws(PlacementError) {
        guard text.utf8.count <= longestName else {
            throw PlacementError(.name, "\(what) has \(text.utf8.count) bytes: use at most \(longestName)")
        }
    }
}
