internal import MartletCore
internal import MartletRuntime

/// Keyspaces: who keeps a key, how many have to answer, what is allowed in it.
extension ClusterReader {
    mutating func keyspaces(
        _ root: inout MappingReader, dataCenters: [String]
    ) -> [ClusterConfiguration.Keyspace] {
        let replicas = min(3, max(1, dataCenters.count))
        let usual = ClusterConfiguration.Keyspace(
            definition: KeyspaceDefinition(id: 0, name: "default", placement: .count(replicas)),
            maximumKey: 1 << 10, maximumPair: 10 << 10, compression: .none)
        var result: [ClusterConfiguration.Keyspace] = []
        for (index, item) in (root.list("keyspaces") ?? []).enumerated() {
            var reader = MappingReader(
                item, file: file, path: "keyspaces[\(index)]", known: Settings.keyspace.map(\.name))
            var keyspace = usual
            keyspace.definition.id = UInt32(index)
            keyspace.definition.name = ""
            refuseConsistent(&reader)
            let hasReplicas = placement(&reader, into: &keyspace.definition)
            for setting in Settings.keyspace where !["n", "replicas", "mode"].contains(setting.name) {
                Self.read(setting, from: &reader, into: &keyspace)
            }
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
            if hasReplicas { checkQuorums(keyspace.definition, dataCenters, &reader) }
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
        case ("name", .text(let name)): keyspace.definition.name = name
        case ("id", .number(let id)): keyspace.definition.id = UInt32(id)
        case ("r", .text(let level)): keyspace.definition.reads = Setting.level(level) ?? .quorum
        case ("w", .text(let level)): keyspace.definition.writes = Setting.level(level) ?? .quorum
        case ("conflicts", .text(let word)): keyspace.definition.conflicts = word == "siblings" ? .siblings : .latest
        case ("sloppy", .boolean(let isSloppy)): keyspace.definition.isSloppy = isSloppy
        case ("max_key", .number(let bytes)): keyspace.maximumKey = bytes
        case ("max_pair", .number(let bytes)): keyspace.maximumPair = bytes
        case ("compression", .text(let word)):
            keyspace.compression = word == "lz4" ? .lz4 : word == "zstd" ? .zstd : .none
        default: break
        }
    }

    private func refuseConsistent(_ reader: inout MappingReader) {
        let consistent = KeyspaceDefinition.Mode.consistent.name
        guard let node = reader.node("mode"), node.text == consistent else {
            if let mode = Settings.keyspace.first(where: { $0.name == "mode" }) { _ = reader.value(mode) }
            return
        }
        reader.fault(
            "mode", consistent,
            "available: consistent keyspaces, linearizable and refusing without a majority, come with a later release")
    }

    /// Reads `n` or `replicas`; false if it is not known after that.
    private func placement(_ reader: inout MappingReader, into definition: inout KeyspaceDefinition) -> Bool {
        if let node = reader.node("replicas") { return centers(node, &reader, into: &definition) }
        guard reader.node("n") != nil, let setting = Settings.keyspace.first(where: { $0.name == "n" }) else {
            return true
        }
        let count = reader.number(setting)
        if let count { definition.placement = .count(count) }
        return count != nil
    }

    private func centers(
        _ node: YAMLNode, _ reader: inout MappingReader, into definition: inout KeyspaceDefinition
    ) -> Bool {
        if let count = reader.node("n") {
            reader.fault("n", count.shown, "either n, replicas in all, or replicas, those of each data center")
        }
        guard let pairs = node.pairs, !pairs.isEmpty else {
            reader.fault("replicas", node.shown, "a number for each data center, such as {east: 2, west: 1}")
            return false
        }
        var centers: [Placement.CenterReplicas] = []
        for pair in pairs {
            let (key, value) = (pair.key, pair.value)
            if let count = value.text.flatMap({ Int($0) }), count >= 1, count <= Placement.maximumReplicas {
                centers.append(.init(key.text ?? "", count))
            } else {
                let allowed = "a whole number from 1 to \(Placement.maximumReplicas)"
                reader.note([Fault(file, value.line, reader.full("replicas.\(key.text ?? "")"), value.shown, allowed)])
            }
        }
        definition.placement = .perDataCenter(centers)
        return centers.count == pairs.count
    }

    /// Asks the ring whether the nodes can hold so many replicas, and whether so many can answer.
    private func checkQuorums(
        _ definition: KeyspaceDefinition, _ dataCenters: [String], _ reader: inout MappingReader
    ) {
        guard !dataCenters.isEmpty else { return }
        var tried = definition
        tried.name = "trial"
        func refusal(_ reads: ConsistencyLevel, _ writes: ConsistencyLevel) -> String? {
            (tried.reads, tried.writes) = (reads, writes)
            do throws(PlacementError) {
                _ = try Self.trial(dataCenters, tried)
                return nil
            } catch {
                return String(error.message.dropFirst("keyspace trial: ".count))
            }
        }
        if let sentence = refusal(.quorum, .quorum) {
            let name = reader.node("replicas") == nil ? "n" : "replicas"
            reader.fault(name, definition.placement.text, sentence)
            return
        }
        for (name, level) in [("r", definition.reads), ("w", definition.writes)] {
            if let sentence = name == "r" ? refusal(level, .quorum) : refusal(.quorum, level) {
                reader.fault(name, level.name, sentence)
            } else if level == .localQuorum, let center = Self.withoutReplica(definition.placement, dataCenters) {
                reader.fault(
                    name, level.name,
                    "a level that every node can meet: in data center \(center) there is no replica of some keys")
            }
        }
    }

    /// A data center with nodes but without a replica of every key; nil if there is none.
    private static func withoutReplica(_ placement: Placement, _ dataCenters: [String]) -> String? {
        let centers = Set(dataCenters).sorted()
        switch placement {
        // Replicas are spread over as many data centers as they can be.
        case .count(let count): return count < centers.count ? centers[count] : nil
        case .perDataCenter(let named):
            return centers.first { center in !named.contains { $0.dataCenter == center } }
        }
    }
}
