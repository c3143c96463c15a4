internal import MartletCore
internal import MartletRuntime

/// Makes a configuration of a file's tree and gathers all faults on the way.
struct ClusterReader {
    let file: String
    let kinds: [BackendKind]
    private(set) var faults: [Fault] = []

    init(file: String, kinds: [BackendKind]) {
        self.file = file
        self.kinds = kinds
    }

    mutating func cluster(_ root: YAMLNode) -> ClusterConfiguration {
        var reader = MappingReader(root, file: file, path: "", known: ["cluster", "defaults", "keyspaces", "nodes"])
        var configuration = ClusterConfiguration(name: "", keyspaces: [], nodes: [])
        if let name = reader.text(Settings.cluster[0]) {
            configuration.name = name
        } else if reader.node("cluster") == nil {
            reader.fault("cluster", "", "missing: " + Settings.cluster[0].allowed)
        }
        let shared = Settings.node.map(\.name).filter { $0 != "name" && $0 != "listen" } + ["storage"]
        let defaults = reader.node("defaults").map {
            MappingReader($0, file: file, path: "defaults", known: shared)
        }
        faults += defaults?.faults ?? []
        configuration.keyspaces = keyspaces(reader.node("keyspaces"))
        if let nodes = reader.node("nodes") {
            configuration.nodes = list(nodes, "nodes").enumerated().compactMap { node($1, index: $0, defaults) }
            if case .sequence(let items) = nodes.content, items.isEmpty {
                reader.fault("nodes", "an empty list", "at least one node")
            }
            if configuration.nodes.count > 1 {
                reader.fault(
                    "nodes", "\(configuration.nodes.count) nodes",
                    "one node: replication over several comes with a later release")
            }
        } else {
            reader.fault("nodes", "", "missing: a list of nodes")
        }
        faults += reader.faults
        return configuration
    }

    private mutating func list(_ node: YAMLNode, _ path: String) -> [YAMLNode] {
        if case .sequence(let items) = node.content { return items }
        faults.append(Fault(file, node.line, path, node.shown, "a list"))
        return []
    }

    // MARK: Keyspaces

    private mutating func keyspaces(_ node: YAMLNode?) -> [ClusterConfiguration.Keyspace] {
        let usual = ClusterConfiguration.Keyspace(
            id: 0, name: "default", maximumKey: 1 << 10, maximumPair: 10 << 10, compression: .none)
        guard let node else { return [usual] }
        var result: [ClusterConfiguration.Keyspace] = []
        for (index, item) in list(node, "keyspaces").enumerated() {
            var reader = MappingReader(
                item, file: file, path: "keyspaces[\(index)]", known: Settings.keyspace.map(\.name))
            var keyspace = usual
            keyspace.id = UInt32(index)
            keyspace.name = ""
            for setting in Settings.keyspace { Self.read(setting, from: &reader, into: &keyspace) }
            if keyspace.name.isEmpty, reader.node("name") == nil { reader.fault("name", "", "missing: a name") }
            for former in result {
                if former.name == keyspace.name {
                    reader.fault("name", keyspace.name, "a name that no other keyspace has")
                }
                if former.id == keyspace.id {
                    reader.fault("id", "\(keyspace.id)", "a number that no other keyspace has")
                }
            }
            // Sessions know keyspaces by number, as Redis' databases.
            if keyspace.id != UInt32(index) { reader.fault("id", "\(keyspace.id)", "its place in the list, \(index)") }
            if keyspace.maximumPair < keyspace.maximumKey {
                reader.fault("max_pair", Notation.size(keyspace.maximumPair), "at least max_key")
            }
            faults += reader.faults
            result.append(keyspace)
        }
        return result.isEmpty ? [usual] : result
    }

    private static func read(
        _ setting: Setting, from reader: inout MappingReader, into keyspace: inout ClusterConfiguration.Keyspace
    ) {
        guard let value = reader.value(setting) else { return }
        switch (setting.name, value) {
        case ("name", .text(let name)): keyspace.name = name
        case ("id", .number(let id)): keyspace.id = UInt32(id)
        case ("max_key", .number(let bytes)): keyspace.maximumKey = bytes
        case ("max_pair", .number(let bytes)): keyspace.maximumPair = bytes
        case ("compression", .text(let word)):
            keyspace.compression = word == "lz4" ? .lz4 : word == "zstd" ? .zstd : .none
        default: break
        }
    }

    // MARK: Nodes

    private mutating func node(
        _ item: YAMLNode, index: Int, _ defaults: MappingReader?
    ) -> ClusterConfiguration.Node? {
        let path = "nodes[\(index)]"
        var reader = MappingReader(item, file: file, path: path, known: Settings.node.map(\.name) + ["storage"])
        if let defaults { reader.fallBack(on: defaults) }
        var values: [String: BackendSettings.Value] = [:]
        for setting in Settings.node { values[setting.name] = reader.value(setting) }
        let given = BackendSettings(values)
        if reader.node("name") == nil { reader.fault("name", "", "missing: a name") }
        var result: ClusterConfiguration.Node?
        if let (kind, settings) = storage(&reader, path) {
            let isVolatile = !kind.needsDirectory(settings)
            let durability = Durability(name: given.text("durability", default: isVolatile ? "none" : "always"))
            if isVolatile, let durability, durability != .none {
                reader.fault(
                    "durability", durability.name, "none: backend \(kind.name) keeps nothing on disk as configured")
            }
            result = ClusterConfiguration.Node(
                name: given.text("name", default: ""),
                address: SocketAddress(given.text("listen", default: "127.0.0.1:\(7001 + index)"))
                    ?? SocketAddress(host: "127.0.0.1", port: 7001),
                workers: given.number("workers", default: 1), backend: kind.name, backendSettings: settings,
                durability: durability ?? .always,
                syncInterval: .milliseconds(given.number("sync_interval", default: 1000)),
                cacheBytes: given.number("cache", default: 64 << 20),
                maximumClients: given.number("max_clients", default: 10_000))
        }
        faults += reader.faults
        return result
    }

    /// The backend a node names and its settings; nil if there is none of that name.
    private mutating func storage(_ reader: inout MappingReader, _ path: String) -> (BackendKind, BackendSettings)? {
        let names = kinds.map(\.name)
        guard let node = reader.node("storage") else {
            reader.fault("storage", "", "missing: a mapping with backend: " + names.joined(separator: ", "))
            return nil
        }
        // The backend's name decides which other settings are known.
        guard case .mapping(let pairs) = node.content else {
            reader.fault("storage", node.shown, "a mapping with backend: " + names.joined(separator: ", "))
            return nil
        }
        let backend = pairs.first { $0.key.text == Settings.backend }?.value
        guard let kind = kinds.first(where: { $0.name == backend?.text }) else {
            faults.append(
                Fault(
                    file, backend?.line ?? node.line, path + ".storage.backend", backend?.shown ?? "",
                    "one of " + names.joined(separator: ", ")))
            return nil
        }
        var inner = MappingReader(
            node, file: file, path: path + ".storage", known: [Settings.backend] + kind.settings.map(\.name))
        var values: [String: BackendSettings.Value] = [:]
        for setting in kind.settings { values[setting.name] = inner.value(Setting(setting)) }
        faults += inner.faults
        return (kind, BackendSettings(values))
    }
}
