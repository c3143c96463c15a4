internal import MartletCore

/// All settings of a cluster file but the backends' own.
public enum Settings {
    /// At the top of the file, beside `defaults`, `keyspaces` and `nodes`.
    public static let cluster = [
        Setting("cluster", .name, "The cluster's name; part of every data directory's manifest."),
        Setting(
            "partitions", .integer(1...Slot.count), default: "256",
            "Equal arcs that the keys are divided into and that nodes own: a power of two, at least 8 a node, fixed for "
                + "the cluster's life."),
        Setting(
            "secret_file", .text, default: "none",
            "A file of 16 to 4096 bytes whose text nodes prove to each other that they know; relative to the cluster "
                + "file; only its owner may read it. Needed where nodes listen beyond the loopback interface."),
    ]

    /// The most nodes of a file.
    public static let mostNodes = 1000

    /// Of a node; each may stand in `defaults` as well, but for ``own``.
    public static let node = [
        Setting("name", .name, "The node's name, unique in the cluster."),
        Setting(
            "id", .integer(1...Int(UInt32.max)), default: "its place in the list, from 1",
            "The node's number, unique in the cluster and never given to another node."),
        Setting(
            "weight", .integer(1...Member.maximumWeight), default: "1",
            "How much of the data the node takes, relative to the others."),
        Setting(
            "rack", .name, default: "none",
            "What fails together: replicas of a key go to distinct racks where they can."
        ),
        Setting(
            "data_center", .name, default: "none", "Where the node stands; racks of two data centers are two racks."),
        Setting("listen", .loopback, default: "127.0.0.1:7001, 7002, ...", "Where Redis clients reach the node."),
        Setting(
            "node_listen", .address, default: "listen with its port plus 10000",
            "Where the other nodes reach the node; beyond the loopback interface only with a secret_file."),
        Setting(
            "cluster_listen", .loopback, default: "listen with its port plus 20000",
            "Where cluster-aware Redis clients reach the node: a port for each worker, counted upwards from this one."),
        Setting(
            "workers", .integer(1...64), default: "1",
            "Event loops, each a thread with its share of the keys. 1 is best where clients share the cores."),
        Setting(
            "durability", .choice(["always", "interval", "none"]), default: "always; none on a volatile backend",
            "What a write survives once acknowledged: always = power loss, synced before the answer; interval = synced "
                + "each sync_interval; none = left to the system."),
        Setting("sync_interval", .duration(10...60_000), default: "1s", "How often durability interval syncs."),
        Setting(
            "cache", .size(0...1 << 40), default: "64MiB",
            "The record cache above a backend that is not volatile, over all workers; 0 turns it off."),
        Setting(
            "memory_limit", .size(0...1 << 42), default: "0, none",
            "What the process may allocate; beyond it commands that may store more are refused with -OOM."),
        Setting(
            "hints", .size(0...1 << 40), default: "1GiB",
            "The most bytes of writes that the node keeps for others that cannot be reached; 0 keeps none."),
        Setting(
            "hint_age", .duration(1000...30 * 86_400_000), default: "3h",
            "How long it keeps such a write; what is older the replicas find out by comparing."),
        Setting("max_clients", .integer(1...1_000_000), default: "10000", "Connections; more are refused."),
    ]

    /// What each node has for itself.
    public static let own: Set<String> = ["name", "id", "listen", "node_listen", "cluster_listen"]

    /// Of a node's `storage`, beside the backend's own.
    public static let backend = "backend"

    /// Of a keyspace.
    public static let keyspace = [
        Setting("name", .name, "The keyspace's name; SELECT takes it."),
        Setting(
            "id", .integer(0...15), default: "its place in the list",
            "The number that SELECT takes and that stored keys carry; never used again."),
        Setting(
            "n", .integer(1...Placement.maximumReplicas), default: "3, or the number of nodes where it is smaller",
            "Replicas of a key, spread over data centers and racks as far as there are any."),
        Setting(
            "replicas", .replicas, default: "n",
            "In the place of n: replicas of a key in each data center that is to have any."),
        Setting("r", .level, default: "quorum", "Replicas that a read waits for unless the client says otherwise."),
        Setting("w", .level, default: "quorum", "Replicas that a write waits for unless the client says otherwise."),
        Setting(
            "mode", .choice(["available"]), default: "available",
            "Reads and writes go on with any reachable replicas. Consistent keyspaces come later."),
        Setting(
            "conflicts", .choice(["latest", "siblings"]), default: "latest",
            "Of concurrent writes: latest = the one with the greatest stamp is kept; siblings = all, until a client "
                + "resolves them."),
        Setting(
            "sloppy", .boolean, default: "true",
            "Whether other nodes stand in for replicas that cannot be reached; what they keep for them counts."),
        Setting("max_key", .size(1...1 << 10), default: "1KiB", "The longest key."),
        Setting("max_pair", .size(1...64 << 20), default: "10KiB", "The longest key and value together."),
        Setting(
            "compression", .choice(["none", "lz4", "zstd"]), default: "none",
            "How values of 64 bytes and more are compressed before they reach the backend."),
    ]
}
