internal import MartletRuntime

/// The clusters of a drill: a file's, or one that is described in a few settings, perhaps several times.
extension DrillReader {
    mutating func variants(
        _ reader: inout MappingReader, _ contents: (String) -> [UInt8]?
    ) throws(ConfigurationFaults) -> [DrillConfiguration.Variant] {
        let node = reader.node("cluster") ?? YAMLNode(content: .mapping([]), line: reader.line)
        if let path = node.text {
            if reader.node("variants") != nil {
                reader.fault(
                    "variants", "a list", "variants of settings that stand in this file, not of a cluster file")
            }
            return [try variant(ofFile: path, node.line, contents)].compactMap { $0 }
        }
        let known = DrillSettings.cluster.map(\.name) + ["storage"]
        let usual = MappingReader(node, file: file, path: "cluster", known: known)
        faults += usual.faults
        guard let items = reader.list("variants"), !items.isEmpty else {
            return [variant(usual, "cluster", node.line)].compactMap { $0 }
        }
        var variants: [DrillConfiguration.Variant] = []
        for (index, item) in items.enumerated() {
            var inner = MappingReader(
                item, file: file, path: "variants[\(index)]", known: known + [DrillSettings.variantName.name])
            inner.fallBack(on: usual)
            let name = inner.text(DrillSettings.variantName) ?? ""
            if name.isEmpty, inner.node("name") == nil { inner.fault("name", "", "missing: a name for the report") }
            if variants.contains(where: { $0.name == name }) {
                inner.fault("name", name, "a name that no other variant has")
            }
            if let variant = variant(inner, name, item.line) { variants.append(variant) }
        }
        return variants
    }

    private mutating func variant(
        ofFile path: String, _ line: Int, _ contents: (String) -> [UInt8]?
    ) throws(ConfigurationFaults) -> DrillConfiguration.Variant? {
        let resolved = SecretFile.resolve(path, besides: file)
        guard let text = contents(resolved) else {
            faults.append(Fault(file, line, "cluster", path, "a cluster file that can be read, or a mapping"))
            return nil
        }
        let cluster = try ClusterConfiguration.parse(text, file: resolved, kinds: kinds)
        return .init(
            name: cluster.name, cluster: cluster, text: text, file: resolved, backends: Self.backends(of: cluster))
    }

    private static func backends(of cluster: ClusterConfiguration) -> [String] {
        var backends: [String] = []
        for node in cluster.nodes where !backends.contains(node.backend) { backends.append(node.backend) }
        return backends
    }

    /// The cluster file that a few settings stand for. What it is refused for is said of these settings.
    private mutating func variant(
        _ given: MappingReader, _ name: String, _ line: Int
    ) -> DrillConfiguration.Variant? {
        var reader = given
        var values: [String: String] = [:]
        for setting in DrillSettings.cluster where reader.value(setting) != nil {
            values[setting.name] = reader.node(setting.name)?.text
        }
        let storage =
            reader.node("storage") == nil
            ? MappingReader.Storage(
                kind: kinds.first { $0.name == "memory" } ?? kinds[0], settings: BackendSettings(), given: [])
            : reader.storage(kinds)
        faults += reader.faults
        guard reader.faults.isEmpty, let storage else { return nil }
        let count = values["nodes"].flatMap { Int($0) } ?? 5
        var lines = [
            "cluster: drill", "partitions: \(values["partitions"] ?? "64")", "keyspaces:", "  - name: default",
            "    n: \(values["n"] ?? "\(min(3, count))")",
        ]
        for setting in ["r", "w", "sloppy"] {
            if let value = values[setting] { lines.append("    \(setting): \(value)") }
        }
        lines.append("defaults:")
        if let durability = values["durability"] { lines.append("  durability: \(durability)") }
        lines += ["  storage:", "    backend: \(storage.kind.name)"]
        for setting in storage.given { lines.append("    \(setting.name): \(setting.text)") }
        lines.append("nodes:")
        lines += (1...count).map { "  - {name: node-\($0), listen: \"127.0.0.1:\(7000 + $0)\"}" }
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        do throws(ConfigurationFaults) {
            let cluster = try ClusterConfiguration.parse(text, file: file, kinds: kinds)
            return .init(name: name, cluster: cluster, text: text, file: file, backends: Self.backends(of: cluster))
        } catch {
            faults += error.faults.map { fault in
                let word = String(fault.key.split(separator: ".").last ?? "")
                return Fault(file, reader.node(word)?.line ?? line, reader.full(word), fault.value, fault.allowed)
            }
            return nil
        }
    }
}
