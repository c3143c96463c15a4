/// One thing that is wrong in a file: where, what, and what is allowed.
public struct Fault: Sendable, Equatable, CustomStringConvertible {
    public var file: String
    /// Counted from 1.
    public var line: Int
    /// The setting's path, as in `nodes[0].storage.backend`; empty for the file as a whole.
    public var key: String
    public var value: String
    public var allowed: String

    init(_ file: String, _ line: Int, _ key: String, _ value: String, _ allowed: String) {
        (self.file, self.line, self.key, self.value, self.allowed) = (file, line, key, value, allowed)
    }

    /// `FILE:LINE: key: 'value': what is allowed`, on one line.
    public var description: String {
        let shown = value.count > 80 ? value.prefix(80) + "..." : value[...]
        let text = "\(file):\(line): " + (key.isEmpty ? "" : "\(key): ") + "'\(shown)': \(allowed)"
        // A terminal is not to obey what a file says: controls and line ends are shown as spaces.
        return String(text.map { $0.isNewline || $0.unicodeScalars.contains(where: Self.isControl) ? " " : $0 })
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || scalar.properties.isBidiControl
    }
}

/// All that is wrong in a file; never empty.
public struct ConfigurationFaults: Error, Sendable, CustomStringConvertible {
    public var faults: [Fault]

    init(_ fault: Fault) { faults = [fault] }

    /// Those of one file, in any order; at least one.
    init(_ faults: [Fault]) {
        self.faults = faults.enumerated().sorted { ($0.1.line, $0.0) < ($1.1.line, $1.0) }.map(\.1)
    }

    /// One line a fault, in the order of the file.
    public var description: String { faults.map(\.description).joined(separator: "\n") }
}
