/// A node's log: levels, a label, one line an event.
public struct Log: Sendable {
    public enum Level: Int, Sendable, Comparable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
        public var name: String { "\(self)" }
    }

    public var label: String
    public var level: Level
    private let sink: @Sendable (Level, _ label: String, _ message: String) -> Void

    public init(
        label: String, level: Level = .info, sink: @escaping @Sendable (Level, String, String) -> Void
    ) {
        self.label = label
        self.level = level
        self.sink = sink
    }

    /// A log that keeps nothing.
    public static var silent: Log { Log(label: "", level: .critical) { _, _, _ in } }

    /// Writes one line; control characters are escaped, so that a key or a name cannot forge lines.
    public func callAsFunction(_ level: Level, _ message: @autoclosure () -> String) {
        guard level >= self.level else { return }
        sink(level, label, Self.escaped(message()))
    }

    /// The text with control characters written as `\xNN`.
    public static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.value < 32 || scalar.value == 127 {
                let digits = String(scalar.value, radix: 16)
                result += "\\x" + (digits.count < 2 ? "0" : "") + digits
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
