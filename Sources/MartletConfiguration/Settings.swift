/// All settings of a cluster file but the backends' own.
public enum Settings {
    /// At the top of the file, beside `defaults`, `keyspaces` and `nodes`.
    public static let cluster = [
        Setting("cluster", .name, "The cluster's name; part of every data directory's manifest.")
    ]

    /// Of a node; each may stand in `defaults` as well, but for name and listen.
    public static let node = [
        Setting("name", .name, "The node's name, unique in the cluster."),
        Setting("listen", .address, default: "127.0.0.1:7001, 7002, ...", "Where Redis clients reach the node."),
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
        Setting("max_clients", .integer(1...1_000_000), default: "10000", "Connections; more are refused."),
    ]

    /// Of a node's `storage`, beside the backend's own.
    public static let backend = "backend"

    /// Of a keyspace.
    public static let keyspace = [
        Setting("name", .name, "The keyspace's name; SELECT takes it."),
        Setting(
            "id", .integer(0...15), default: "its place in the list",
            "The number that SELECT takes and that stored keys carry; never used again."),
        Setting("n", .integer(1...1), default: "1", "Replicas of a key. One node owns every key in this release."),
        Setting("r", .integer(1...1), default: "1", "Replicas that a read waits for."),
        Setting("w", .integer(1...1), default: "1", "Replicas that a write waits for."),
        Setting("mode", .choice(["available"]), default: "available", "Consistent keyspaces come later."),
        Setting(
            "conflicts", .choice(["latest"]), default: "latest",
            "Of concurrent writes the one with the greatest stamp is kept."),
        Setting("max_key", .size(1...1 << 10), default: "1KiB", "The longest key."),
        Setting("max_pair", .size(1...64 << 20), default: "10KiB", "The longest key and value together."),
        Setting(
            "compression", .choice(["none", "lz4", "zstd"]), default: "none",
            "How values of 64 bytes and more are compressed before they reach the backend."),
    ]
}
