internal import MartletRuntime

/// Makes a simulation of a file's tree and gathers all faults on the way.
struct SimulationReader {
    let file: String
    let kinds: [String]
    private(set) var faults: [Fault] = []

    init(file: String, kinds: [String]) {
        self.file = file
        self.kinds = kinds
    }

    mutating func simulation(_ root: YAMLNode) -> SimulationConfiguration {
        let top = SimulationFileSettings.top
        let parts = ["nodes", SimulationFileSettings.durability, "workload", "faults", "idle"]
        var reader = MappingReader(root, file: file, path: "", known: top.map(\.name) + parts)
        if reader.node("simulation") == nil { reader.fault("simulation", "", "missing: a name") }
        let name = reader.text(top[0]) ?? ""
        var configuration = SimulationConfiguration(
            name: name, faultTime: .milliseconds(reader.number(top[4]) ?? 60_000),
            livenessTime: .milliseconds(reader.number(top[5]) ?? 60_000), nodes: [1],
            loose: reader.number(top[1]) ?? 10, sloppy: reader.number(top[7]) ?? 40,
            centers: reader.number(top[8]) ?? 0,
            workers: reader.number(top[2]) ?? 4,
            durabilities: Durability.allCases, volatile: reader.number(top[3]) ?? 15, clients: 6, keys: 60,
            thinkTime: .milliseconds(60), patience: .seconds(3), mix: SimulationFileSettings.requests.map(\.weight),
            longestFault: .milliseconds(reader.number(top[6]) ?? 4000), faults: [])
        if let node = reader.node("idle") { configuration.idle = idle(node) }
        if let node = reader.node("nodes") {
            configuration.nodes = nodes(node, most: configuration.idle == nil ? 64 : 1000)
        }
        if let node = reader.node(SimulationFileSettings.durability) {
            configuration.durabilities = durabilities(node)
        }
        if let node = reader.node("workload") { workload(node, &configuration) }
        if let node = reader.node("faults") { configuration.faults = faultRates(node) }
        faults += reader.faults
        return configuration
    }

    private mutating func idle(_ node: YAMLNode) -> SimulationConfiguration.Idle {
        let settings = SimulationFileSettings.idle
        var reader = MappingReader(node, file: file, path: "idle", known: settings.map(\.name))
        let span = reader.number(settings[0]) ?? 60_000
        let loss = reader.number(settings[1]) ?? 0
        faults += reader.faults
        return SimulationConfiguration.Idle(span: .milliseconds(span), loss: loss)
    }

    private mutating func nodes(_ node: YAMLNode, most: Int) -> [Int] {
        var items = [node]
        if case .sequence(let list) = node.content { items = list }
        let counts = items.compactMap { item -> Int? in
            if let count = item.text.flatMap({ Int($0) }), (1...most).contains(count) { return count }
            faults.append(
                Fault(file, item.line, "nodes", item.shown, "a whole number from 1 to \(most), or a list of them"))
            return nil
        }
        if items.isEmpty { faults.append(Fault(file, node.line, "nodes", node.shown, "at least one number")) }
        return counts
    }

    private mutating func durabilities(_ node: YAMLNode) -> [Durability] {
        let path = SimulationFileSettings.durability
        guard case .sequence(let items) = node.content, !items.isEmpty else {
            faults.append(Fault(file, node.line, path, node.shown, "a list of always, interval, none"))
            return []
        }
        return items.compactMap { item in
            if let level = item.text.flatMap({ Durability(name: $0) }) { return level }
            faults.append(Fault(file, item.line, path, item.shown, "one of always, interval, none"))
            return nil
        }
    }

    private mutating func workload(_ node: YAMLNode, _ configuration: inout SimulationConfiguration) {
        let settings = SimulationFileSettings.workload
        var reader = MappingReader(node, file: file, path: "workload", known: settings.map(\.name) + ["mix"])
        configuration.clients = reader.number(settings[0]) ?? configuration.clients
        configuration.keys = reader.number(settings[1]) ?? configuration.keys
        if let milliseconds = reader.number(settings[2]) { configuration.thinkTime = .milliseconds(milliseconds) }
        if let milliseconds = reader.number(settings[3]) { configuration.patience = .milliseconds(milliseconds) }
        if let mix = reader.node("mix") {
            let weights = SimulationFileSettings.mix
            var inner = MappingReader(mix, file: file, path: "workload.mix", known: weights.map(\.name))
            // What a mix does not name is not asked for.
            configuration.mix = weights.map { inner.number($0) ?? 0 }
            if inner.faults.isEmpty, configuration.mix.allSatisfy({ $0 == 0 }) {
                reader.fault("mix", mix.shown, "at least one request with a weight above 0")
            }
            faults += inner.faults
        }
        faults += reader.faults
    }

    private mutating func faultRates(_ node: YAMLNode) -> [(kind: String, perMinute: Int)] {
        var reader = MappingReader(node, file: file, path: "faults", known: kinds)
        var rates: [(kind: String, perMinute: Int)] = []
        for kind in kinds where reader.node(kind) != nil {
            if let rate = reader.number(SimulationFileSettings.fault(kind)) { rates.append((kind, rate)) }
        }
        faults += reader.faults
        return rates
    }
}
