internal import MartletClient

/// A member as a node tells of it; what is missing in a reply is empty.
struct MemberFacts: Sendable {
    var id: Int64
    var name: String
    var dataCenter: String
    var rack: String
    var weight: Int64
    var clients: String
    var clusterClients: [String]
    var nodes: String
    var link: String

    init(_ reply: Reply) {
        id = reply.number("id")
        name = reply.text("name")
        dataCenter = reply.text("data_center")
        rack = reply.text("rack")
        weight = reply.number("weight")
        clients = reply.text("clients")
        clusterClients = (reply["cluster_clients"]?.elements ?? []).compactMap(\.text)
        nodes = reply.text("nodes")
        link = reply.text("link")
    }
}

/// What a node says of itself.
struct NodeStatus: Sendable {
    struct Keyspace: Sendable {
        var name: String
        var replicas: Int64
        var read: String
        var write: String
        var conflicts: String
        var records: Int64?
        var partitions: Int64
        var inNeed: Int64
        var lost: Int64
    }

    /// What it keeps for nodes that could not be reached.
    struct Hints: Sendable {
        var held: Int64
        /// The age of the oldest, in seconds.
        var oldest: Int64
        var dropped: Int64
        var expired: Int64
    }

    /// Deleted and expired records that are still stored.
    struct Tombstones: Sendable {
        var awaiting: Int64
        /// The node that the last attempt to erase them waited for in vain, and what it has to do; empty: none.
        var blockedBy: String
        var blockedUntil: String
    }

    struct Peer: Sendable {
        var name: String
        var link: String
        var since: Int64
        var liveness: String
        /// For how long it has been held for that, and how long ago it answered; seconds.
        var livenessSince: Int64
        var answered: Int64?
    }

    var cluster: String
    var name: String
    var incarnation: String
    var epoch: Int64
    var founding: String
    var version: String
    var backend: String
    var durability: String
    var uptime: Int64
    /// Milliseconds by which its clock is ahead of the others'.
    var clockAhead: Int64
    var hints: Hints
    var tombstones: Tombstones
    var keyspaces: [Keyspace]
    var peers: [Peer]

    init(_ reply: Reply) {
        cluster = reply.text("cluster")
        name = reply.text("node")
        incarnation = reply.text("incarnation")
        epoch = reply.number("epoch")
        founding = reply.text("founding")
        version = reply.text("version")
        backend = reply.text("backend")
        durability = reply.text("durability")
        uptime = reply.number("uptime_seconds")
        clockAhead = reply.number("clock_ahead_ms")
        let held = reply["hints"]
        hints = Hints(
            held: held?.number("held") ?? 0, oldest: held?.number("oldest_seconds") ?? 0,
            dropped: held?.number("dropped") ?? 0, expired: held?.number("expired") ?? 0)
        let dead = reply["tombstones"]
        tombstones = Tombstones(
            awaiting: dead?.number("awaiting") ?? 0, blockedBy: dead?.text("blocked_by") ?? "",
            blockedUntil: dead?.text("blocked_until") ?? "")
        keyspaces = (reply["keyspaces"]?.elements ?? []).map { keyspace in
            Keyspace(
                name: keyspace.text("name"), replicas: keyspace.number("n"), read: keyspace.text("r"),
                write: keyspace.text("w"), conflicts: keyspace.text("conflicts"), records: keyspace["records"]?.number,
                partitions: keyspace.number("partitions"), inNeed: keyspace.number("in_need"),
                lost: keyspace.number("lost"))
        }
        peers = (reply["peers"]?.elements ?? []).map {
            Peer(
                name: $0.text("name"), link: $0.text("link"), since: $0.number("since_seconds"),
                liveness: $0.text("liveness"), livenessSince: $0.number("liveness_seconds"),
                answered: $0["answered_seconds_ago"]?.number)
        }
    }
}

/// The owners of a keyspace's partitions.
struct ClusterRing: Sendable {
    var keyspace: String
    var epoch: Int64
    var partitions: Int
    var replicas: Int64
    var ranges: [(slots: ClosedRange<Int>, owners: [String])]
    /// Slots in a partition.
    var width: Int { max(1, 16384 / max(1, partitions)) }

    init(_ reply: Reply) {
        keyspace = reply.text("keyspace")
        epoch = reply.number("epoch")
        partitions = Int(clamping: reply.number("partitions"))
        replicas = reply.number("n")
        ranges = (reply["ranges"]?.elements ?? []).compactMap { range in
            guard let parts = range.elements, parts.count > 2, let first = parts[0].number, let last = parts[1].number,
                0 <= first, first <= last, last < 16384
            else { return nil }
            return (Int(first)...Int(last), parts.dropFirst(2).compactMap(\.text))
        }
    }

    /// The owners of a partition.
    func owners(ofPartition partition: Int) -> [String] {
        ranges.first { $0.slots.contains(partition * width) }?.owners ?? []
    }
}

/// What a node holds of each partition.
struct NodeDigests: Sendable, Equatable {
    var records: Int64
    var digest: String
    /// By partition, what is equal where the contents are.
    var partitions: [Int: String]

    init(_ reply: Reply) {
        records = reply.number("records")
        digest = reply.text("digest")
        partitions = [:]
        for row in reply["partitions"]?.elements ?? [] {
            guard let parts = row.elements, parts.count == 3, let partition = parts[0].number else { continue }
            partitions[Int(clamping: partition)] = "\(parts[1].number ?? 0) \(parts[2].text ?? "")"
        }
    }
}

extension Reply {
    /// The text under a name; empty if there is none.
    func text(_ name: String) -> String { self[name]?.text ?? "" }
    /// The number under a name; 0 if there is none.
    func number(_ name: String) -> Int64 { self[name]?.number ?? 0 }
    /// Whether the value under a name is true.
    func isTrue(_ name: String) -> Bool { self[name] == .boolean(true) || self[name]?.number == 1 }
}
