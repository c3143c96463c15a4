import MartletCore
import MartletRuntime

/// CLUSTER: the members and whose the slots are, as ``ClusterView`` has it; of a node that is alone, one that owns all.
enum ClusterCommands {
    static let rows: [Command] = [
        Command(
            "cluster", arity: -2, shape: .connection, flags: [], summary: "A container for cluster commands",
            group: "cluster", since: "3.0.0",
            subcommands: [
                row("info", 2, "Provides info about Redis Cluster node state", handler: info),
                row("myid", 2, "Return the node id") { _, call in
                    let view = call.session.server.clusterView(for: call.session)
                    call.reply.bulk(view.map { $0.ports[$0.own].id } ?? call.session.server.nodeIdentifier)
                },
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
                    "cluster|getkeysinslot", arity: 4, shape: .keyspace, flags: ["stale"],
                    summary: "Return local key names in the specified hash slot", group: "cluster", since: "3.0.0"
                ) { _, _ in },
                Command(
                    "cluster|help", arity: 2, shape: .connection, flags: Flags.always,
                    summary: "Show helpful text about the different subcommands", group: "cluster", since: "5.0.0"
                ) { _, call in call.reply.help("CLUSTER", help) },
            ]
        ) { _, _ in },
        mode(
            "readonly", ["loading", "stale", "fast"], "Enables read queries for a connection to a cluster replica node"),
        mode(
            "readwrite", ["loading", "stale", "fast"],
            "Disables read queries for a connection to a cluster replica node"),
        mode("asking", ["fast"], "Sent by cluster clients after an -ASK redirect"),
    ]

    /// What cluster-aware clients say before they send what any node serves anyway.
    private static func mode(_ name: String, _ flags: [String], _ summary: String) -> Command {
        Command(
            name, arity: 1, shape: .connection, flags: flags, summary: summary, group: "cluster", since: "3.0.0"
        ) { _, call in
            guard call.session.server.clusterView(for: call.session) != nil else {
                return call.reply.refuse("ERR This instance has cluster support disabled")
            }
            call.reply.ok()
        }
    }

    private static func row(
        _ name: String, _ arity: Int, _ summary: String, since: String = "3.0.0", handler: @escaping Command.Handler
    ) -> Command {
        Command(
            "cluster|" + name, arity: arity, shape: .connection, flags: ["stale"], summary: summary, group: "cluster",
            since: since, handler: handler)
    }

    @Sendable static func info(_ input: RawSpan, _ call: Invocation) {
        let view = call.session.server.clusterView(for: call.session)
        let served = view?.runs.reduce(0) { $0 + ($1.isServed ? $1.slots.count : 0) } ?? Slot.count
        let lines = [
            "cluster_state:\(served == Slot.count ? "ok" : "fail")", "cluster_slots_assigned:\(Slot.count)",
            "cluster_slots_ok:\(served)", "cluster_slots_pfail:0", "cluster_slots_fail:\(Slot.count - served)",
            "cluster_known_nodes:\(view?.ports.count ?? 1)",
            "cluster_size:\(view.map { Set($0.runs.map(\.primary)).count } ?? 1)",
            "cluster_current_epoch:\(view?.epoch ?? 1)", "cluster_my_epoch:\(view?.epoch ?? 1)",
            "cluster_stats_messages_sent:0", "cluster_stats_messages_received:0",
            "total_cluster_links_buffer_limit_exceeded:0",
        ]
        call.reply.verbatim(lines.map { $0 + "\r\n" }.joined())
    }

    @Sendable static func slots(_ input: RawSpan, _ call: Invocation) {
        guard let view = call.session.server.clusterView(for: call.session) else {
            let server = call.session.server
            call.reply.array(1)
            return slots(0..<Slot.count, [(server.address, server.nodeIdentifier)], call)
        }
        call.reply.array(view.runs.count)
        for run in view.runs {
            slots(run.slots, ([view.ports[run.primary]] + run.replicas).map { ($0.address, $0.id) }, call)
        }
    }

    private static func slots(
        _ slots: Range<Int>, _ nodes: [(address: SocketAddress, id: String)], _ call: Invocation
    ) {
        call.reply.array(2 + nodes.count)
        call.reply.integer(slots.lowerBound)
        call.reply.integer(slots.upperBound - 1)
        for node in nodes {
            call.reply.array(4)
            call.reply.bulk(node.address.host)
            call.reply.integer(Int(node.address.port))
            call.reply.bulk(node.id)
            call.reply.array(0)  // no other names for the node
        }
    }

    @Sendable static func shards(_ input: RawSpan, _ call: Invocation) {
        guard let view = call.session.server.clusterView(for: call.session) else {
            let server = call.session.server
            call.reply.array(1)
            shardBegin([0..<Slot.count], nodes: 1, call)
            return shardNode(server.nodeIdentifier, server.address, "master", "online", call)
        }
        call.reply.array(view.ports.count)
        for (index, port) in view.ports.enumerated() {
            let slots = view.slots(ofPort: index)
            var replicas: [ClusterView.Port] = []
            for run in view.runs where run.primary == index {
                replicas += run.replicas.filter { replica in !replicas.contains { $0.id == replica.id } }
            }
            shardBegin(slots, nodes: 1 + replicas.count, call)
            shardNode(port.id, port.address, "master", port.isUp ? "online" : "failed", call)
            for replica in replicas.sorted(by: { $0.member < $1.member }) {
                shardNode(replica.id, replica.address, "replica", "online", call)
            }
        }
    }

    private static func shardBegin(_ slots: [Range<Int>], nodes: Int, _ call: Invocation) {
        call.reply.map(2)
        call.reply.bulk("slots")
        call.reply.array(slots.count * 2)
        for range in slots {
            call.reply.integer(range.lowerBound)
            call.reply.integer(range.upperBound - 1)
        }
        call.reply.bulk("nodes")
        call.reply.array(nodes)
    }

    private static func shardNode(
        _ id: String, _ address: SocketAddress, _ role: String, _ health: String, _ call: Invocation
    ) {
        call.reply.map(7)
        call.reply.bulk("id")
        call.reply.bulk(id)
        call.reply.bulk("port")
        call.reply.integer(Int(address.port))
        call.reply.bulk("ip")
        call.reply.bulk(address.host)
        call.reply.bulk("endpoint")
        call.reply.bulk(address.host)
        call.reply.bulk("role")
        call.reply.bulk(role)
        call.reply.bulk("replication-offset")
        call.reply.integer(0)
        call.reply.bulk("health")
        call.reply.bulk(health)
    }

    /// One line a node; the port after `@` is Redis' bus, for which Martlet has none: clients skip it.
    @Sendable static func nodes(_ input: RawSpan, _ call: Invocation) {
        let server = call.session.server
        guard let view = server.clusterView(for: call.session) else {
            let line = line(server.nodeIdentifier, server.address, "myself,master", 1, isUp: true, [0..<Slot.count])
            return call.reply.verbatim(line)
        }
        var text = ""
        for (index, port) in view.ports.enumerated() {
            let flags = (index == view.own ? "myself,master" : "master") + (port.isUp ? "" : ",fail")
            text += line(port.id, port.address, flags, view.epoch, isUp: port.isUp, view.slots(ofPort: index))
        }
        call.reply.verbatim(text)
    }

    private static func line(
        _ id: String, _ address: SocketAddress, _ flags: String, _ epoch: UInt64, isUp: Bool, _ slots: [Range<Int>]
    ) -> String {
        let ranges = slots.map { range in
            range.count == 1 ? " \(range.lowerBound)" : " \(range.lowerBound)-\(range.upperBound - 1)"
        }
        // Redis' bus port is the client's and 10000; there is none here, and it has to be one that can be.
        let bus = min(Int(address.port) + 10000, 65535)
        return "\(id) \(address.host):\(address.port)@\(bus) \(flags) - 0 0 \(epoch) "
            + "\(isUp ? "connected" : "disconnected")\(ranges.joined())\n"
    }

    private static let help: [StaticString] = [
        "COUNTKEYSINSLOT <slot>",
        "    Return the number of keys in <slot>.",
        "GETKEYSINSLOT <slot> <count>",
        "    Return key names stored in slot.",
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
