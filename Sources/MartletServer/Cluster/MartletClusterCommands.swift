import MartletCore

/// MARTLET.CLUSTER: what a node says of its cluster, for operators and their tools. Docs/redis.md has the replies.
enum MartletClusterCommands {
    static let rows: [Command] = [
        Command(
            "martlet.cluster", arity: -2, shape: .connection, flags: Flags.always,
            summary: "A container for what a node says of its cluster", group: "martlet", since: "0.2.0",
            subcommands: [
                row("status", 2, "This node, its part in each keyspace, and its links to the others"),
                row("ring", -2, "The owners of each partition of a keyspace"),
                row("nodes", 2, "The members and where they are reached"),
                row("explain", 3, "What each owner of a key holds of it, and where it found it"),
                row("replica", 3, "What this node's own replica holds of a key"),
                row("digest", -2, "Digests of the partitions of a keyspace that this node owns"),
                row("repair", -2, "Compare what this node owns with the other owners now, and exchange what differs"),
                row("latency", 2, "How long other nodes' replicas took to answer this one"),
                Command(
                    "martlet.cluster|help", arity: 2, shape: .connection, flags: Flags.always,
                    summary: "Show helpful text about the different subcommands", group: "martlet", since: "0.2.0"
                ) { _, call in call.reply.help("MARTLET.CLUSTER", help) },
            ]
        ) { _, _ in }
    ]

    private static func row(_ name: String, _ arity: Int, _ summary: String) -> Command {
        Command(
            "martlet.cluster|" + name, arity: arity, shape: .cluster, flags: Flags.always, summary: summary,
            group: "martlet", since: "0.2.0"
        ) { _, _ in }
    }

    private static let help: [StaticString] = [
        "DIGEST [<keyspace>]",
        "    Return partition, records and digest of each partition owned here that holds records.",
        "EXPLAIN <key>",
        "    Return the owners of <key> and what each holds of it, asked by messages.",
        "LATENCY",
        "    Return the latencies of other nodes' replicas as this node measured them.",
        "NODES",
        "    Return the members of the cluster and their addresses.",
        "REPAIR [<keyspace> [<partition>]]",
        "    Compare what this node owns with the other owners now. Return how many comparisons that is.",
        "REPLICA <key>",
        "    Return what this node's own replica holds of <key>.",
        "RING [<keyspace>]",
        "    Return ranges of slots and their owners, the first owner first.",
        "STATUS",
        "    Return this node's state: its identity, keyspaces and links.",
    ]
}
