public import MartletRuntime

/// A cluster file whose nodes listen elsewhere, everything else being as it was.
public enum RelocatedCluster {
    /// Where a node listens.
    public struct Place: Sendable, Equatable {
        public var clients: SocketAddress
        public var nodes: SocketAddress
        public var clusterClients: SocketAddress

        public init(clients: SocketAddress, nodes: SocketAddress, clusterClients: SocketAddress) {
            self.clients = clients
            self.nodes = nodes
            self.clusterClients = clusterClients
        }
    }

    /// The file's text with these places in the order of its nodes, and with a secret's file where nodes need one.
    ///
    /// - Throws: that it is no YAML, which cannot be of a file that was read before.
    public static func text(
        _ text: [UInt8], file: String, places: [Place], secretFile: String?
    ) throws(ConfigurationFaults) -> String {
        var root = try YAMLParser.parse(text, file: file)
        if let secretFile { root.set("secret_file", secretFile) }
        if var nodes = root.pairs?.first(where: { $0.key.text == "nodes" })?.value,
            case .sequence(var items) = nodes.content
        {
            for index in items.indices where index < places.count {
                items[index].set("listen", places[index].clients.description)
                items[index].set("node_listen", places[index].nodes.description)
                items[index].set("cluster_listen", places[index].clusterClients.description)
            }
            nodes.content = .sequence(items)
            root.set("nodes", to: nodes)
        }
        return root.written + "\n"
    }
}

extension YAMLNode {
    fileprivate mutating func set(_ name: String, _ text: String) {
        set(name, to: YAMLNode(content: .scalar(text), line: line))
    }

    /// Replaces a setting of a mapping, or adds it.
    fileprivate mutating func set(_ name: String, to value: YAMLNode) {
        guard case .mapping(var pairs) = content else { return }
        pairs.removeAll { $0.key.text == name }
        pairs.append(Pair(key: YAMLNode(content: .scalar(name), line: line), value: value))
        content = .mapping(pairs)
    }

    /// As YAML in its flow style, every text quoted.
    fileprivate var written: String {
        switch content {
        case .scalar(let text): Self.quoted(text)
        case .sequence(let items): "[" + items.map(\.written).joined(separator: ", ") + "]"
        case .mapping(let pairs):
            "{" + pairs.map { $0.key.written + ": " + $0.value.written }.joined(separator: ", ") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\" + String(scalar)
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
