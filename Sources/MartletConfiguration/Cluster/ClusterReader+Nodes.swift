internal import MartletCore
internal import MartletRuntime

/// Nodes: who they are, where they listen, what they keep data with.
extension ClusterReader {
    /// What no two nodes may have in common, and who has it: paths of the file.
    private struct Taken {
        var ids: [UInt32: String] = [:]
        var names: [String: String] = [:]
        var ports: [SocketAddress: String] = [:]
        /// Of each host, the ports beyond one a node that workers take.
        var workersBeyondOne: [String: Int] = [:]
    }

    mutating func nodes(_ root: inout MappingReader, hasSecret: Bool) -> [ClusterConfiguration.Node] {
        let shared = Settings.node.map(\.name).filter { !Settings.own.contains($0) } + ["storage"]
        let defaults = root.node("defaults").map { MappingReader($0, file: file, path: "defaults", known: shared) }
        faults += defaults?.faults ?? []
        guard let items = root.list("nodes") else {
            root.fault("nodes", "", "missing: a list of nodes")
            return []
        }
        if items.isEmpty, case .sequence = root.node("nodes")?.content {
            root.fault("nodes", "an empty list", "at least one node")
        }
        if items.count > Settings.mostNodes {
            root.fault("nodes", "\(items.count) nodes", "at most \(Settings.mostNodes) nodes")
        }
        var taken = Taken()
        var nodes: [ClusterConfiguration.Node] = []
        for (index, item) in items.prefix(Settings.mostNodes).enumerated() {
            var reader = MappingReader(
                item, file: file, path: "nodes[\(index)]", known: Settings.node.map(\.name) + ["storage"])
            if let defaults { reader.fallBack(on: defaults) }
            let node = node(&reader, index, of: items.count, hasSecret: hasSecret, &taken)
            // A message goes to the worker of the same number, and finds its key there.
            if let first = nodes.first, node.workers != first.workers {
                reader.fault("workers", "\(node.workers)", "\(first.workers), as many as \(first.name) has")
            }
            faults += reader.faults
            nodes.append(node)
        }
        return nodes
    }

    /// A node with whatever could be read of it; the rest has its defaults, and faults are noted.
    private func node(
        _ reader: inout MappingReader, _ index: Int, of count: Int, hasSecret: Bool, _ taken: inout Taken
    ) -> ClusterConfiguration.Node {
        var values: [String: BackendSettings.Value] = [:]
        for setting in Settings.node { values[setting.name] = reader.value(setting) }
        let given = BackendSettings(values)
        let workers = given.number("workers", default: 1)
        let listen = SocketAddress(given.text("listen", default: "127.0.0.1:\(7001 + index)"))
        let storage = reader.storage(kinds)
        let isVolatile = storage.map { !$0.kind.needsDirectory($0.settings) } ?? false
        let durability = Durability(name: given.text("durability", default: isVolatile ? "none" : "always"))
        if let storage, isVolatile, let durability, durability != .none {
            reader.fault(
                "durability", durability.name,
                "none: backend \(storage.kind.name) keeps nothing on disk as configured")
        }
        let address = listen ?? SocketAddress(host: "127.0.0.1", port: 0)
        var node = ClusterConfiguration.Node(
            member: member(&reader, given, index, &taken), address: address, nodeAddress: address,
            clusterAddresses: [], workers: workers, backend: storage?.kind.name ?? "",
            backendSettings: storage?.settings ?? BackendSettings(), durability: durability ?? .always,
            syncInterval: .milliseconds(given.number("sync_interval", default: 1000)),
            cacheBytes: given.number("cache", default: 64 << 20),
            memoryLimit: given.number("memory_limit", default: 0),
            hintBytes: given.number("hints", default: 1 << 30),
            hintAge: .milliseconds(given.number("hint_age", default: 3 * 3_600_000)),
            maximumClients: given.number("max_clients", default: 10_000), line: reader.line)
        if given.values["listen"] != nil || reader.node("listen") == nil {
            place(&node, given, &reader, isAlone: count == 1, hasSecret: hasSecret, &taken)
        }
        return node
    }

    private func member(
        _ reader: inout MappingReader, _ given: BackendSettings, _ index: Int, _ taken: inout Taken
    ) -> Member {
        let name = given.text("name", default: "")
        let id = UInt32(clamping: given.number("id", default: index + 1))
        if reader.node("name") == nil { reader.fault("name", "", "missing: a name") }
        if let other = taken.names[name], !name.isEmpty {
            reader.fault("name", name, "a name that no other node has; \(other) has this one")
        }
        if let other = taken.ids[id], given.values["id"] != nil || reader.node("id") == nil {
            reader.fault("id", "\(id)", "a number that no other node has; \(other) has this one")
        }
        if taken.names[name] == nil { taken.names[name] = reader.path }
        if taken.ids[id] == nil { taken.ids[id] = reader.path }
        return Member(
            id: id, name: name, weight: given.number("weight", default: 1), rack: given.text("rack", default: ""),
            dataCenter: given.text("data_center", default: ""))
    }

    // MARK: Ports

    /// Finds out where a node listens, and that nothing else of the file does.
    private func place(
        _ node: inout ClusterConfiguration.Node, _ given: BackendSettings, _ reader: inout MappingReader,
        isAlone: Bool, hasSecret: Bool, _ taken: inout Taken
    ) {
        let listen = node.address
        let before = taken.workersBeyondOne[listen.host, default: 0]
        taken.workersBeyondOne[listen.host] = before + node.workers - 1
        let nodes = SocketAddress(given.text("node_listen", default: "")) ?? Self.shifted(listen, by: 10_000)
        let cluster =
            SocketAddress(given.text("cluster_listen", default: "")) ?? Self.shifted(listen, by: 20_000 + before)
        if !hasSecret, !nodes.isLoopback {
            reader.fault("node_listen", "\(nodes)", "a loopback address, since there is no secret_file")
        }
        node.nodeAddress = nodes
        node.clusterAddresses = (0..<node.workers).map { worker in
            cluster.port == 0 ? cluster : Self.shifted(cluster, by: worker)
        }
        let ports =
            [("listen", listen), ("node_listen", nodes)] + node.clusterAddresses.map { ("cluster_listen", $0) }
        for (setting, address) in ports {
            guard address.port != 0 else {
                if !isAlone { refuseNoPort(setting, given, &reader, listen) }
                continue
            }
            if let other = taken.ports[address] {
                reader.fault(setting, "\(address)", "a port that nothing else has; \(other) has this one")
            } else {
                taken.ports[address] = reader.full(setting)
            }
        }
    }

    private func refuseNoPort(
        _ setting: String, _ given: BackendSettings, _ reader: inout MappingReader, _ listen: SocketAddress
    ) {
        if given.values[setting] == nil, reader.node(setting) != nil { return }  // refused already
        if listen.port == 0, setting != "listen", given.values[setting] == nil { return }  // so is listen
        let sentence =
            given.values[setting] == nil || setting == "cluster_listen"
            ? "ports up to 65535: give one that leaves room" : "a port from 1 to 65535, which others have to know"
        reader.fault(setting, given.text(setting, default: ""), sentence)
    }

    /// The same host with another port; port 0, any free one, if there is no such port or it is 0 already.
    private static func shifted(_ address: SocketAddress, by distance: Int) -> SocketAddress {
        let port = address.port == 0 ? 0 : UInt16(exactly: Int(address.port) + distance) ?? 0
        return SocketAddress(host: address.host, port: port)
    }
}
