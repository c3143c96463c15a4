import MartletCore
import MartletRuntime

/// CLUSTER as a cluster of one node that owns all slots.
enum ClusterCommands {
    static let rows: [Command] = [
        Command(
            "cluster", arity: -2, shape: .connection, flags: [], summary: "A container for cluster commands",
            group: "cluster", since: "3.0.0",
            subcommands: [
                row("info", 2, "Provides info about Redis Cluster node state", handler: info),
                row("myid", 2, "Return the node id") { _, call in call.reply.bulk(call.session.server.nodeIdentifier) },
                row("slots", 2, "Get array of Cluster slot to node mappings", handler: slots),
                row("shards", 2, "Get array of cluster slots to node mappings", since: "7.0.0", handler: shards),
                row("nodes", 2, "Get Cluster config for the node", handler: nodes),
                row("keyslot", 3, "Returns the hash slot of the specified key") { input, call in
                    call.reply.integer(Int(Slot.of(input.extracting(call[2]))))
                },
                Command(
                    "cluster|countkeysinslot", arity: 3, shape: .keyspace, flags: ["stale"],
                    summary: "Return the number of local keys in the specified hash slot", group: "cluster",
                    since: "3.0.0"
                ) { _, _ in },
                Command(
                    "cluster|help", arity: 2, shape: .connection, flags: Flags.always,
                    summary: "Show helpful text about the different subcommands", group: "cluster", since: "5.0.0"
                ) { _, call in call.reply.help("CLUSTER", help) },
            ]
        ) { _, _ in }
    ]

    private static func row(
        _ name: String, _ arity: Int, _ summary: String, since: String = "3.0.0", handler: @escaping Command.Handler
    ) -> Command {
        Command(
            "cluster|" + name, arity: arity, shape: .connection, flags: ["stale"], summary: summary, group: "cluster",
            since: since, handler: handler)
    }

    @Sendable static func info(_ input: RawSpan, _ call: Invocation) {
        let lines = [
            "cluster_state:ok", "cluster_slots_assigned:\(Slot.count)", "cluster_slots_ok:\(Slot.count)",
            "cluster_slots_pfail:0", "cluster_slots_fail:0", "cluster_known_nodes:1", "cluster_size:1",
            "cluster_current_epoch:1", "cluster_my_epoch:1", "cluster_stats_messages_sent:0",
            "cluster_stats_messages_received:0", "total_cluster_links_buffer_limit_exceeded:0",
        ]
        call.reply.verbatim(lines.map { $0 + "\r\n" }.joined())
    }

    @Sendable static func slots(_ input: RawSpan, _ call: Invocation) {
        let address = call.session.server.address
        call.reply.array(1)
        call.reply.array(3)
        call.reply.integer(0)
        call.reply.integer(Slot.count - 1)
        call.reply.array(4)
        call.reply.bulk(address.host)
        call.reply.integer(Int(address.port))
        call.reply.bulk(call.session.server.nodeIdentifier)
        call.reply.array(0)  // no other names for the node
    }

    @Sendable static func shards(_ input: RawSpan, _ call: Invocation) {
        let address = call.session.server.address
        call.reply.array(1)
        call.reply.map(2)
        call.reply.bulk("slots")
        call.reply.array(2)
        call.reply.integer(0)
        call.reply.integer(Slot.count - 1)
        call.reply.bulk("nodes")
        call.reply.array(1)
        call.reply.map(7)
        call.reply.bulk("id")
        call.reply.bulk(call.session.server.nodeIdentifier)
        call.reply.bulk("port")
        call.reply.integer(Int(address.port))
        call.reply.bulk("ip")
        call.reply.bulk(address.host)
        call.reply.bulk("endpoint")
        call.reply.bulk(address.host)
        call.reply.bulk("role")
        call.reply.bulk("master")
        call.reply.bulk("replication-offset")
        call.reply.integer(0)
        call.reply.bulk("health")
        call.reply.bulk("online")
    }

    /// One line a node; the port after `@` is Redis' bus, for which Martlet has none: clients skip it.
    @Sendable static func nodes(_ input: RawSpan, _ call: Invocation) {
        let server = call.session.server
        let address = server.address
        call.reply.verbatim(
            """
            \(server.nodeIdentifier) \(address.host):\(address.port)@\(Int(address.port) + 10000) myself,master - 0 0 1 \
            connected 0-\(Slot.count - 1)\n
            """)
    }

    private static let help: [StaticString] = [
        "COUNTKEYSINSLOT <slot>",
        "    Return the number of keys in <slot>.",
        "INFO",
        "    Return information about the cluster.",
        "KEYSLOT <key>",
        "    Return the hash slot for <key>.",
        "MYID",
        "    Return the node id.",
        "NODES",
        "    Return cluster configuration seen by node. Output format:",
        "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
        "SLOTS",
        "    Return information about slots range mappings. Each range is made of:",
        "    start, end, master and replicas IP addresses, ports and ids",
        "SHARDS",
        "    Return information about slot range mappings and the nodes associated with them.",
    ]
}
