internal import Glibc
internal import MartletCore
public import MartletRuntime

/// A setting of the file, declared once: its name, what it takes, its default and what it does.
public struct Setting: Sendable {
    public enum Kind: Sendable {
        case text
        /// Letters, digits, `-`, `_` and `.`, at most 64.
        case name
        case integer(ClosedRange<Int>)
        /// With a unit: `64MiB`.
        case size(ClosedRange<Int>)
        /// With a unit: `200ms`, within milliseconds.
        case duration(ClosedRange<Int>)
        case choice([String])
        case boolean
        /// `HOST:PORT` of a loopback interface.
        case loopback
        /// `HOST:PORT` of any interface.
        case address
        /// How many replicas have to answer.
        case level
        /// How many replicas each data center has: a mapping, which is read apart.
        case replicas
    }
    public var name: String
    public var kind: Kind
    /// The default in the notation of the file; empty if it has to be given.
    public var defaultText: String
    public var help: String

    init(_ name: String, _ kind: Kind, default text: String = "", _ help: String) {
        self.name = name
        self.kind = kind
        defaultText = text
        self.help = help
    }

    /// A backend's own setting.
    public init(_ setting: BackendSetting) {
        name = setting.name
        defaultText = setting.defaultText
        help = setting.help
        kind =
            switch setting.kind {
            case .size(let range): .size(range)
            case .integer(let range): .integer(range)
            case .boolean: .boolean
            case .choice(let words): .choice(words)
            }
    }

    /// What may stand there, in words.
    public var allowed: String {
        switch kind {
        case .text: "a text"
        case .name: "a name of letters, digits, '-', '_' and '.', at most 64"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .size(let range):
            "a size from \(Notation.size(range.lowerBound)) to \(Notation.size(range.upperBound)), as in 64MiB"
        case .duration(let range): "a time from \(range.lowerBound)ms to \(range.upperBound)ms, as in 200ms or 1s"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .boolean: "true or false"
        case .loopback: "HOST:PORT with a numeric loopback address, as in 127.0.0.1:7001"
        case .address: "HOST:PORT with a numeric address that other nodes can reach, as in 127.0.0.1:17001"
        case .level: "one, quorum, all, local_quorum, each_quorum or a number from 1 to n"
        case .replicas:
            "a whole number from 1 to \(Placement.maximumReplicas) for each data center, as in {east: 2, west: 1}"
        }
    }

    /// Reads the text as what the setting takes; nil if it is not that.
    func parse(_ text: String) -> BackendSettings.Value? {
        switch kind {
        case .text: return .text(text)
        case .name:
            let isName = text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || [45, 46, 95].contains($0)
            }
            return isName && !text.isEmpty && text.utf8.count <= 64 ? .text(text) : nil
        case .integer(let range):
            return Int(text).flatMap { range.contains($0) ? .number($0) : nil }
        case .size(let range):
            return Notation.size(text).flatMap { range.contains($0) ? .number($0) : nil }
        case .duration(let range):
            return Notation.milliseconds(text).flatMap { range.contains($0) ? .number($0) : nil }
        case .choice(let words):
            return words.contains(text) ? .text(text) : nil
        case .boolean:
            return text == "true" ? .boolean(true) : text == "false" ? .boolean(false) : nil
        case .loopback:
            return SocketAddress(text).flatMap { $0.isNumeric && $0.isLoopback ? .text(text) : nil }
        case .address:
            return SocketAddress(text).flatMap { $0.isNumeric && !$0.isUnspecified ? .text(text) : nil }
        case .level:
            return Self.level(text).map { .text($0.name) }
        case .replicas: return nil
        }
    }
}

extension Setting {
    /// A level as clients name it; nil if there is none of that name.
    static func level(_ text: String) -> ConsistencyLevel? {
        do throws(ConsistencyFault) { return try ConsistencyLevel(parsing: text) } catch { return nil }
    }
}

extension SocketAddress {
    /// Whether the host is an address rather than a name that has to be looked up.
    var isNumeric: Bool {
        var room = in6_addr()
        if isIPv6 { return unsafe inet_pton(AF_INET6, host, &room) == 1 }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether it stands for all interfaces, which nobody can connect to.
    var isUnspecified: Bool { host.utf8.allSatisfy { [46, 48, 58].contains($0) } }
}

/// Sizes and times with units.
enum Notation {
    private static let sizes: [(String, Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]
    private static let times: [(String, Int)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]

    /// Bytes; nil without a unit, but for 0.
    static func size(_ text: String) -> Int? { text == "0" ? 0 : number(text, sizes) }

    static func milliseconds(_ text: String) -> Int? { number(text, times) }

    private static func number(_ text: String, _ units: [(String, Int)]) -> Int? {
        for (unit, factor) in units where text.hasSuffix(unit) {
            guard let count = Int(text.dropLast(unit.count)), count >= 0, text.first?.isNumber == true else {
                return nil
            }
            let (product, overflows) = count.multipliedReportingOverflow(by: factor)
            return overflows ? nil : product
        }
        return nil
    }

    static func size(_ bytes: Int) -> String {
        for (unit, factor) in sizes where bytes >= factor && bytes % factor == 0 { return "\(bytes / factor)\(unit)" }
        return "\(bytes)"
    }
}
