/// The settings of a drill file.
public enum DrillSettings {
    /// At the top, beside `cluster`, `variants`, `load`, `steps` and `chaos`.
    public static let top = [
        Setting("drill", .name, "The drill's name."),
        Setting("shows", .text, default: "nothing", "What it is to show, for the report."),
        Setting("duration", .duration(1000...86_400_000), default: "30s", "How long the load lasts."),
    ]

    /// Of `cluster`, where it is a mapping, and of each of `variants`, beside `storage`.
    public static let cluster = [
        Setting("nodes", .integer(1...16), default: "5", "How many nodes: node-1, node-2, ..."),
        Setting("partitions", .integer(1...16384), default: "64", "Arcs of keys that the nodes share: a power of two."),
        Setting("n", .integer(1...16), default: "3", "Replicas of a key."),
        Setting("r", .level, default: "quorum", "Replicas that a read waits for."),
        Setting("w", .level, default: "quorum", "Replicas that a write waits for."),
        Setting(
            "sloppy", .boolean, default: "true", "Whether other nodes stand in for replicas that cannot be reached."),
        Setting(
            "durability", .choice(["always", "interval", "none"]), default: "always; none on a volatile backend",
            "What a write survives once acknowledged."),
    ]

    /// Of one of `variants`, beside those of ``cluster``.
    public static let variantName = Setting("name", .name, "The variant's name, for the report.")

    /// Of `load`.
    public static let load = [
        Setting("rate", .integer(1...100_000), default: "1000", "Requests a second over all nodes."),
        Setting("reads", .integer(0...100), default: "50", "The share of reads, in percent; the rest are writes."),
        Setting("deletes", .integer(0...100), default: "0", "The share of deletes, in percent."),
        Setting("value", .size(40...10_000), default: "100B", "Bytes of a value."),
        Setting("keys", .integer(1...100_000), default: "2000", "How many keys there are."),
        Setting(
            "connections", .integer(1...500), default: "8",
            "Connections to each node, with one request at a time on each."
        ),
        Setting(
            "route", .choice(["any", "owners"]), default: "any",
            "Whether clients ask any node for any key, or each node only for keys that it owns."),
        Setting("timeout", .duration(50...60_000), default: "1s", "When a client gives a request up."),
        Setting("slow", .duration(1...60_000), default: "100ms", "From when on a request counts as slow."),
        Setting("seed", .integer(0...Int.max), default: "1", "Of the random choices."),
    ]

    /// Of `chaos`, beside `kinds`.
    public static let chaos = [
        Setting("rounds", .integer(1...100_000), default: "6", "How many faults, one after the other."),
        Setting("seed", .integer(0...Int.max), default: "1", "Of the choice of faults and nodes."),
        Setting("fault", .duration(100...600_000), default: "4s", "How long each fault lasts."),
        Setting("calm", .duration(0...600_000), default: "1s", "How long nothing happens once all is well again."),
    ]

    /// What `chaos.kinds` lists.
    public static let chaosKinds = [
        "kill", "pause", "halves", "isolate", "one_way", "flap", "wipe", "slow_disk", "skew",
    ]

    /// What a step does, beside `at` and what some take: `by`, `percent`, `every`, `for`, `from`, `to`.
    public static let actions = [
        "kill", "restart", "wipe", "pause", "resume", "partition", "isolate", "one_way", "flap", "heal", "slow_disk",
        "skew", "limit_cpu", "rate",
    ]

    static let at = Setting("at", .duration(0...86_400_000), "When, since the load began.")
    static let by = Setting("by", .duration(0...600_000), "How much.")
    static let percent = Setting("percent", .integer(0...6400), "Hundredths of one processor.")
    static let behind = Setting("behind", .boolean, default: "false", "Whether a clock is behind rather than ahead.")
    static let every = Setting(
        "every", .duration(20...600_000), default: "500ms", "How long a flapping node is there, and away.")
    static let lasting = Setting("for", .duration(100...86_400_000), default: "5s", "How long a node flaps.")
}
