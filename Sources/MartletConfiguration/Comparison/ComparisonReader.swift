internal import MartletRuntime

/// Makes a comparison of a file's tree and gathers all faults on the way.
struct ComparisonReader {
    let file: String
    let kinds: [BackendKind]
    private(set) var faults: [Fault] = []

    init(file: String, kinds: [BackendKind]) {
        self.file = file
        self.kinds = kinds
    }

    mutating func comparison(_ root: YAMLNode) -> ComparisonConfiguration {
        let known = ComparisonSettings.top.map(\.name) + ["backends", "durability_levels", "short", "full"]
        var reader = MappingReader(root, file: file, path: "", known: known)
        let durability = reader.text(ComparisonSettings.top[0]).flatMap { Durability(name: $0) } ?? .interval
        var configuration = ComparisonConfiguration(
            backends: [], durability: durability, levels: Durability.allCases.reversed(), short: nil, full: nil)
        let faultsBefore = reader.faults.count
        if let items = reader.list("backends") {
            configuration.backends = items.enumerated().compactMap { backend($1, index: $0) }
            if items.isEmpty, reader.faults.count == faultsBefore {
                reader.fault("backends", "an empty list", "at least one backend")
            }
        } else {
            reader.fault("backends", "", "missing: a list of backends")
        }
        for (index, backend) in configuration.backends.enumerated()
        where configuration.backends[..<index].contains(where: { $0.name == backend.name }) {
            reader.fault("backends", backend.name, "a name that no other backend of the list has")
        }
        if let items = reader.list("durability_levels") { configuration.levels = items.compactMap { level($0) } }
        configuration.short = reader.node("short").map { run($0, "short") }
        configuration.full = reader.node("full").map { run($0, "full") }
        faults += reader.faults
        return configuration
    }

    private mutating func level(_ node: YAMLNode) -> Durability? {
        if let level = node.text.flatMap({ Durability(name: $0) }) { return level }
        faults.append(Fault(file, node.line, "durability_levels", node.shown, "one of always, interval, none"))
        return nil
    }

    private mutating func backend(_ item: YAMLNode, index: Int) -> ComparisonConfiguration.Backend? {
        let path = "backends[\(index)]"
        var reader = MappingReader(item, file: file, path: path, known: ["name", "storage"])
        defer { faults += reader.faults }
        let name = reader.text(ComparisonSettings.dataSet[0])
        if reader.node("name") == nil { reader.fault("name", "", "missing: a name for the report") }
        guard let storage = reader.storage(kinds) else { return nil }
        return .init(name: name ?? "", kind: storage.kind.name, settings: storage.settings, given: storage.given)
    }

    private mutating func run(_ node: YAMLNode, _ path: String) -> ComparisonConfiguration.Run {
        let settings = ComparisonSettings.run
        var reader = MappingReader(node, file: file, path: path, known: settings.map(\.name) + ["data_sets"])
        func number(_ index: Int, _ usual: Int, _ reader: inout MappingReader) -> Int {
            reader.number(settings[index]) ?? usual
        }
        var run = ComparisonConfiguration.Run(
            connections: number(0, 16, &reader), window: number(1, 8, &reader),
            capacity: .milliseconds(number(2, 600, &reader)), latency: .milliseconds(number(3, 1000, &reader)),
            rate: number(4, 70, &reader), seed: number(5, 1, &reader), dataSets: [])
        if let sets = reader.list("data_sets") {
            run.dataSets = sets.enumerated().map { dataSet($1, "\(path).data_sets[\($0)]") }
            if sets.isEmpty { reader.fault("data_sets", "no data set", "at least one data set") }
        } else {
            reader.fault("data_sets", "", "missing: a list of data sets")
        }
        for (index, set) in run.dataSets.enumerated()
        where run.dataSets[..<index].contains(where: { $0.name == set.name }) {
            reader.fault("data_sets", set.name, "a name that no other data set has")
        }
        faults += reader.faults
        return run
    }

    private mutating func dataSet(_ node: YAMLNode, _ path: String) -> ComparisonConfiguration.DataSet {
        let settings = ComparisonSettings.dataSet
        var reader = MappingReader(node, file: file, path: path, known: settings.map(\.name) + ["workloads"])
        if reader.node("name") == nil { reader.fault("name", "", "missing: a name") }
        var set = ComparisonConfiguration.DataSet(
            name: reader.text(settings[0]) ?? "", records: reader.number(settings[1]) ?? 50_000,
            valueBytes: reader.number(settings[2]) ?? 100, cacheBytes: reader.number(settings[3]) ?? 64 << 20, steps: []
        )
        let usual = ComparisonSettings.workloads.map { ComparisonConfiguration.Step(workload: $0, distribution: nil) }
        set.steps = reader.list("workloads")?.compactMap { step($0, path) } ?? usual
        if let first = set.steps.first, first.workload != "load" {
            reader.fault("workloads", first.workload, "load first: it fills the data set")
        }
        faults += reader.faults
        return set
    }

    /// `C`, or `C uniform`.
    private mutating func step(_ node: YAMLNode, _ path: String) -> ComparisonConfiguration.Step? {
        let words = (node.text ?? "").split(separator: " ").map(String.init)
        if let workload = words.first, ComparisonSettings.workloads.contains(workload), words.count <= 2,
            words.count == 1 || ComparisonSettings.distributions.contains(words[1])
        {
            return .init(workload: workload, distribution: words.count == 2 ? words[1] : nil)
        }
        faults.append(
            Fault(
                file, node.line, path + ".workloads", node.shown,
                "one of " + ComparisonSettings.workloads.joined(separator: ", ") + ", alone or followed by one of "
                    + ComparisonSettings.distributions.joined(separator: ", ")))
        return nil
    }
}
