internal import MartletRuntime

/// A mapping's settings, looked up by name; notes what is not known, given twice or malformed.
struct MappingReader {
    let file: String
    let path: String
    let line: Int
    private(set) var faults: [Fault] = []
    private var values: [String: YAMLNode] = [:]
    private var fallbacks: [String: YAMLNode] = [:]

    /// `known` are all names that may stand here.
    init(_ node: YAMLNode, file: String, path: String, known: [String]) {
        self.file = file
        self.path = path
        line = node.line
        guard let pairs = node.pairs else {
            faults.append(Fault(file, node.line, path, node.shown, "a mapping of " + known.joined(separator: ", ")))
            return
        }
        for pair in pairs {
            let (key, value) = (pair.key, pair.value)
            let name = key.text ?? ""
            if name == "<<" {
                faults.append(Fault(file, key.line, full(name), value.shown, "no merge keys; write the settings"))
            } else if !known.contains(name) {
                let hint = Nearest.name(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
                faults.append(Fault(file, key.line, full(name), name, "not a setting here" + hint))
            } else if let first = values[name] {
                faults.append(
                    Fault(file, key.line, full(name), value.shown, "given twice; first on line \(first.line)"))
            } else {
                values[name] = value
            }
        }
    }

    /// What is not given here is looked for in `other`.
    mutating func fallBack(on other: MappingReader) { fallbacks = other.values }

    func node(_ name: String) -> YAMLNode? { values[name] ?? fallbacks[name] }

    mutating func fault(_ name: String, _ value: String, _ allowed: String) {
        faults.append(Fault(file, node(name)?.line ?? line, full(name), value, allowed))
    }

    mutating func note(_ faults: [Fault]) { self.faults += faults }

    /// The items of a list; empty, with a fault noted, where there is something else, and nil where there is nothing.
    mutating func list(_ name: String) -> [YAMLNode]? {
        guard let node = node(name) else { return nil }
        if case .sequence(let items) = node.content { return items }
        fault(name, node.shown, "a list")
        return []
    }

    /// The setting's value; nil if it is not given or malformed, which is noted.
    mutating func value(_ setting: Setting) -> BackendSettings.Value? {
        guard let node = node(setting.name) else { return nil }
        if let value = node.text.flatMap(setting.parse) { return value }
        fault(setting.name, node.shown, setting.allowed)
        return nil
    }

    mutating func number(_ setting: Setting) -> Int? {
        if case .number(let number) = value(setting) { number } else { nil }
    }

    mutating func text(_ setting: Setting) -> String? {
        if case .text(let text) = value(setting) { text } else { nil }
    }

    func full(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}

/// The name somebody probably meant.
public enum Nearest {
    /// The candidate that is least edits away, if these are few; nil else. O(candidates x length^2).
    public static func name(to word: String, among candidates: [String]) -> String? {
        let near = candidates.map { ($0, distance(Array(word.lowercased().utf8), Array($0.utf8))) }
        guard let best = near.min(by: { $0.1 < $1.1 }), best.1 <= max(1, word.utf8.count / 3) else { return nil }
        return best.0
    }

    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        guard a.count <= 64 else { return .max }
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let next = min(row[j + 1] + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = next
            }
        }
        return row[b.count]
    }
}
