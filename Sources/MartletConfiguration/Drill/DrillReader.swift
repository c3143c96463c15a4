internal import MartletRuntime

/// Makes a drill of a file's tree and gathers all faults on the way.
struct DrillReader {
    let file: String
    let kinds: [BackendKind]
    var faults: [Fault] = []

    init(file: String, kinds: [BackendKind]) {
        self.file = file
        self.kinds = kinds
    }

    /// - Throws: the faults of a cluster file that it names.
    mutating func drill(
        _ root: YAMLNode, _ contents: (String) -> [UInt8]?
    ) throws(ConfigurationFaults) -> DrillConfiguration {
        let top = DrillSettings.top
        let parts = ["cluster", "variants", "load", "steps", "chaos"]
        var reader = MappingReader(root, file: file, path: "", known: top.map(\.name) + parts)
        if reader.node("drill") == nil { reader.fault("drill", "", "missing: a name") }
        let name = reader.text(top[0]) ?? ""
        let shows = reader.text(top[1]) ?? ""
        let duration = Duration.milliseconds(reader.number(top[2]) ?? 30_000)
        let variants = try variants(&reader, contents)
        let load = load(reader.node("load"))
        if load.reads + load.deletes > 100 { reader.fault("load", "\(load.reads + load.deletes)", "shares up to 100") }
        var steps: [DrillConfiguration.Step] = []
        if let cluster = variants.first?.cluster {
            for (index, item) in (reader.list("steps") ?? []).enumerated() {
                steps += self.steps(item, index, cluster, before: duration)
            }
        }
        let chaos = reader.node("chaos").map { self.chaos($0) }
        if chaos != nil, reader.node("steps") != nil {
            reader.fault("chaos", "a mapping", "either steps or chaos")
        }
        faults += reader.faults
        steps = steps.enumerated().sorted { ($0.1.at, $0.0) < ($1.1.at, $1.0) }.map(\.1)
        return DrillConfiguration(
            name: name, shows: shows, variants: variants, load: load, duration: duration, steps: steps, chaos: chaos)
    }

    private mutating func load(_ node: YAMLNode?) -> DrillConfiguration.Load {
        let settings = DrillSettings.load
        let node = node ?? YAMLNode(content: .mapping([]), line: 1)
        var reader = MappingReader(node, file: file, path: "load", known: settings.map(\.name))
        let load = DrillConfiguration.Load(
            rate: reader.number(settings[0]) ?? 1000, reads: reader.number(settings[1]) ?? 50,
            deletes: reader.number(settings[2]) ?? 0, valueBytes: reader.number(settings[3]) ?? 100,
            keys: reader.number(settings[4]) ?? 2000, connections: reader.number(settings[5]) ?? 8,
            goesToOwners: reader.text(settings[6]) == "owners",
            timeout: .milliseconds(reader.number(settings[7]) ?? 1000),
            slow: .milliseconds(reader.number(settings[8]) ?? 100), seed: reader.number(settings[9]) ?? 1)
        faults += reader.faults
        return load
    }

    private mutating func chaos(_ node: YAMLNode) -> DrillConfiguration.Chaos {
        let settings = DrillSettings.chaos
        var reader = MappingReader(node, file: file, path: "chaos", known: settings.map(\.name) + ["kinds"])
        var chaos = DrillConfiguration.Chaos(
            rounds: reader.number(settings[0]) ?? 6, seed: reader.number(settings[1]) ?? 1,
            kinds: DrillSettings.chaosKinds, fault: .milliseconds(reader.number(settings[2]) ?? 4000),
            calm: .milliseconds(reader.number(settings[3]) ?? 1000))
        if let items = reader.list("kinds") {
            let allowed = "one of " + DrillSettings.chaosKinds.joined(separator: ", ")
            chaos.kinds = items.compactMap { item in
                if let kind = item.text, DrillSettings.chaosKinds.contains(kind) { return kind }
                reader.note([Fault(file, item.line, "chaos.kinds", item.shown, allowed)])
                return nil
            }
            if items.isEmpty, reader.faults.isEmpty { reader.fault("kinds", "an empty list", "at least one kind") }
        }
        faults += reader.faults
        return chaos
    }
}
