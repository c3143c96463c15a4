internal import MartletCore
internal import MartletRuntime

/// What is done to a cluster, and when.
extension DrillReader {
    /// The steps that an item of the list stands for: one, but for a flapping node.
    mutating func steps(
        _ item: YAMLNode, _ index: Int, _ cluster: ClusterConfiguration, before end: Duration
    ) -> [DrillConfiguration.Step] {
        let extra = [
            DrillSettings.at, DrillSettings.by, DrillSettings.behind, DrillSettings.every, DrillSettings.lasting,
            DrillSettings.percent,
        ]
        var reader = MappingReader(
            item, file: file, path: "steps[\(index)]",
            known: extra.map(\.name) + ["from", "to"] + DrillSettings.actions)
        defer { faults += reader.faults }
        if reader.node("at") == nil { reader.fault("at", "", "missing: when, as in 10s") }
        let at = Duration.milliseconds(reader.number(DrillSettings.at) ?? 0)
        if at >= end { reader.fault("at", reader.node("at")?.shown ?? "", "before the end of the drill's duration") }
        let named = DrillSettings.actions.filter { reader.node($0) != nil }
        guard named.count == 1, let name = named.first else {
            reader.fault(
                "", named.joined(separator: ", "), "one of " + DrillSettings.actions.joined(separator: ", "))
            return []
        }
        if name == "flap" { return flap(&reader, cluster, at) }
        return action(name, &reader, cluster).map { [.init(at: at, $0)] } ?? []
    }

    private mutating func action(
        _ name: String, _ reader: inout MappingReader, _ cluster: ClusterConfiguration
    ) -> DrillConfiguration.Action? {
        switch name {
        case "heal": return .heal
        case "rate": return .rate(reader.number(DrillSettings.load[0]) ?? 1000)
        case "partition": return partition(&reader, cluster)
        case "isolate":
            let apart = nodes("isolate", &reader, cluster)
            let rest = cluster.nodes.map(\.name).filter { !apart.contains($0) }
            if !apart.isEmpty, rest.isEmpty { reader.fault("isolate", "all nodes", "some of the nodes") }
            return .partition([apart, rest])
        case "one_way":
            guard let node = reader.node(name) else { return nil }
            var inner = MappingReader(node, file: file, path: reader.full(name), known: ["from", "to"])
            let from = nodes("from", &inner, cluster)
            let to = nodes("to", &inner, cluster)
            reader.note(inner.faults)
            return .oneWay(from: from, to: to)
        default: break
        }
        let nodes = nodes(name, &reader, cluster)
        switch name {
        case "kill": return .kill(nodes)
        case "restart": return .restart(nodes)
        case "wipe": return .wipe(nodes)
        case "pause": return .pause(nodes)
        case "resume": return .resume(nodes)
        case "limit_cpu":
            if reader.node("percent") == nil {
                reader.fault("percent", "", "missing: how much of one processor, or 0 for no limit")
            }
            return .limitCPU(nodes, percent: reader.number(DrillSettings.percent) ?? 0)
        default:
            if reader.node("by") == nil { reader.fault("by", "", "missing: how much, as in 200ms, or 0ms for none") }
            let amount = reader.number(DrillSettings.by) ?? 0
            if name == "slow_disk" { return .slowDisk(nodes, .milliseconds(amount)) }
            let isBehind = reader.value(DrillSettings.behind) == .boolean(true)
            return .skew(nodes, milliseconds: isBehind ? -amount : amount)
        }
    }

    private mutating func partition(
        _ reader: inout MappingReader, _ cluster: ClusterConfiguration
    ) -> DrillConfiguration.Action? {
        guard let groups = reader.list("partition") else { return nil }
        if groups.count < 2 { reader.fault("partition", "\(groups.count) groups", "two lists of nodes or more") }
        var parted: [[String]] = []
        for group in groups {
            let members = resolve(group, "partition", &reader, cluster)
            for member in members where parted.contains(where: { $0.contains(member) }) {
                reader.fault("partition", member, "each node in one group only")
            }
            parted.append(members)
        }
        return .partition(parted)
    }

    /// A node that is cut off and back again, in turn, and back at the end.
    private mutating func flap(
        _ reader: inout MappingReader, _ cluster: ClusterConfiguration, _ at: Duration
    ) -> [DrillConfiguration.Step] {
        let apart = nodes("flap", &reader, cluster)
        let every = Duration.milliseconds(reader.number(DrillSettings.every) ?? 500)
        let length = Duration.milliseconds(reader.number(DrillSettings.lasting) ?? 5000)
        return DrillConfiguration.flapping(apart, of: cluster.nodes.map(\.name), from: at, every: every, for: length)
    }

    private mutating func nodes(
        _ name: String, _ reader: inout MappingReader, _ cluster: ClusterConfiguration
    ) -> [String] {
        guard let node = reader.node(name) else {
            reader.fault(name, "", "missing: a node or a list of them")
            return []
        }
        return resolve(node, name, &reader, cluster)
    }

    /// Nodes by name, or all of a rack or data center.
    private func resolve(
        _ node: YAMLNode, _ name: String, _ reader: inout MappingReader, _ cluster: ClusterConfiguration
    ) -> [String] {
        var items = [node]
        if case .sequence(let list) = node.content { items = list }
        if items.isEmpty { reader.fault(name, "an empty list", "at least one node") }
        var names: [String] = []
        for item in items {
            let word = item.text ?? ""
            let found = cluster.nodes.filter {
                $0.name == word || (!word.isEmpty && ($0.member.rack == word || $0.member.dataCenter == word))
            }
            if found.isEmpty {
                let hint =
                    Nearest.name(to: word, among: cluster.nodes.map(\.name)).map { "; did you mean \($0)?" } ?? ""
                let allowed = "a node, rack or data center of the cluster" + hint
                reader.note([Fault(file, item.line, reader.full(name), item.shown, allowed)])
            }
            names += found.map(\.name).filter { !names.contains($0) }
        }
        return names
    }
}

extension DrillConfiguration {
    /// Some nodes cut off from the others and back again in turn, and back at the end.
    public static func flapping(
        _ apart: [String], of all: [String], from start: Duration, every: Duration, for length: Duration
    ) -> [Step] {
        var steps: [Step] = []
        var at = start
        while at < start + length {
            steps.append(Step(at: at, .partition([apart, all.filter { !apart.contains($0) }])))
            steps.append(Step(at: min(at + every, start + length), .heal))
            at += every * 2
        }
        return steps
    }
}
