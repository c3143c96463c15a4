internal import Foundation

/// Numbers as a person reads them: three digits and a unit.
enum Figures {
    /// `950`, `12.3k`, `1.05M`.
    static func count(_ value: Double) -> String {
        switch abs(value) {
        case ..<1000: digits(value)
        case ..<999_500: digits(value / 1e3) + "k"
        case ..<999_500_000: digits(value / 1e6) + "M"
        default: digits(value / 1e9) + "G"
        }
    }

    /// `850 ns`, `12.3 µs`, `1.05 ms`, `2.4 s`.
    static func time(_ nanoseconds: Double) -> String {
        switch nanoseconds {
        case ..<999.5: digits(nanoseconds) + " ns"
        case ..<999_500: digits(nanoseconds / 1e3) + " µs"
        case ..<999_500_000: digits(nanoseconds / 1e6) + " ms"
        default: digits(nanoseconds / 1e9) + " s"
        }
    }

    static func time(_ nanoseconds: UInt64) -> String { time(Double(nanoseconds)) }

    /// `512 B`, `12.3 KiB`, `64 MiB`.
    static func size(_ bytes: Double) -> String {
        switch bytes {
        case ..<1024: digits(bytes) + " B"
        case ..<1_048_576: digits(bytes / 1024) + " KiB"
        case ..<1_073_741_824: digits(bytes / 1_048_576) + " MiB"
        default: digits(bytes / 1_073_741_824) + " GiB"
        }
    }

    static func size(_ bytes: UInt64) -> String { size(Double(bytes)) }

    /// `1.84x`, `12x`.
    static func ratio(_ value: Double) -> String { digits(value, two: true) + "x" }

    static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    /// Three digits that count; as many as fit for what is small.
    static func digits(_ value: Double, two: Bool = false) -> String {
        let size = abs(value)
        if size == 0 { return "0" }
        let places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2
        var text = String(format: "%.\(two && places > 0 && size >= 1 ? max(1, places - 1) : places)f", value)
        guard text.contains(".") else { return text }
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text == "0" || text == "-0" ? "0" : text
    }
}
