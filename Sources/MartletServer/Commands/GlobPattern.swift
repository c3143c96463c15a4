import MartletCore

/// Redis' glob: `*`, `?`, `[...]` with ranges and `^`, and `\` before a byte that stands for itself.
///
/// It follows `stringmatchlen` of Redis 7.0 in every corner (a class that does not end, a range the wrong way round,
/// bytes above 127 ordered as signed ones, no pattern but the empty one matching the empty text), but keeps only the
/// last `*` to come back to, so that it needs no stack and at most pattern times text steps; those are bounded besides.
public struct GlobPattern: Sendable {
    private let pattern: [UInt8]
    private let ignoresCase: Bool

    /// What one command may spend on matching: a tenth of a second or so.
    public static let usualSteps = 50_000_000

    static let refusal: StaticString = "ERR the pattern takes too many steps to match"

    public init(_ bytes: RawSpan, ignoresCase: Bool = false) {
        pattern = bytes.array
        self.ignoresCase = ignoresCase
    }

    /// Whether every name matches, which KEYS and SCAN need not ask then.
    public var isEverything: Bool { pattern == [UInt8(ascii: "*")] }

    /// Whether all of `text` matches. Takes what it costs off `steps`; at 0 or below it gives up and returns false: the
    /// caller then refuses the command. O(pattern x text) at worst.
    public func matches(_ text: RawSpan, steps: inout Int) -> Bool {
        let length = text.byteCount
        var at = 0  // in the pattern
        var offset = 0  // in the text
        var star = -1  // where the pattern goes on after the last `*`
        var starOffset = 0  // where the text was tried from there
        while true {
            if at < pattern.count, offset < length {
                steps -= 1
                guard steps > 0 else { return false }
                if pattern[at] == UInt8(ascii: "*") {
                    while at + 1 < pattern.count, pattern[at + 1] == UInt8(ascii: "*") { at += 1 }
                    if at + 1 == pattern.count { return true }
                    star = at + 1
                    starOffset = offset
                    at = star
                    continue
                }
                if step(&at, text.byte(offset), &steps) {
                    offset += 1
                    if offset < length { continue }
                    while at < pattern.count, pattern[at] == UInt8(ascii: "*") { at += 1 }
                }
            }
            // the pattern or the text is at its end, or they differ: there is a match only if both are
            if at == pattern.count, offset == length { return true }
            guard star >= 0, starOffset + 1 < length else { return false }
            starOffset += 1
            at = star
            offset = starOffset
        }
    }

    /// Matches one byte by what stands at `at`, which is moved past it.
    private func step(_ at: inout Int, _ byte: UInt8, _ steps: inout Int) -> Bool {
        switch pattern[at] {
        case UInt8(ascii: "?"):
            at += 1
            return true
        case UInt8(ascii: "["):
            return matchesClass(&at, byte, &steps)
        case UInt8(ascii: "\\"):
            if at + 1 < pattern.count { at += 1 }
            fallthrough
        default:
            guard fold(pattern[at]) == fold(byte) else { return false }
            at += 1
            return true
        }
    }

    private func matchesClass(_ at: inout Int, _ byte: UInt8, _ steps: inout Int) -> Bool {
        at += 1
        let isNegated = at < pattern.count && pattern[at] == UInt8(ascii: "^")
        if isNegated { at += 1 }
        var found = false
        while at < pattern.count, pattern[at] != UInt8(ascii: "]") {
            steps -= 1
            if pattern[at] == UInt8(ascii: "\\"), at + 1 < pattern.count {
                at += 1
                if pattern[at] == byte { found = true }
            } else if at + 2 < pattern.count, pattern[at + 1] == UInt8(ascii: "-") {
                // ordered as C's signed char; folded after they were put in order
                let bounds = [Int8(bitPattern: pattern[at]), Int8(bitPattern: pattern[at + 2])].sorted()
                let low = fold(UInt8(bitPattern: bounds[0]))
                let high = fold(UInt8(bitPattern: bounds[1]))
                let signed = Int8(bitPattern: fold(byte))
                if signed >= Int8(bitPattern: low), signed <= Int8(bitPattern: high) { found = true }
                at += 2
            } else if fold(pattern[at]) == fold(byte) {
                found = true
            }
            at += 1
        }
        if at < pattern.count { at += 1 }  // the bracket; a class may also end with the pattern
        return found != isNegated
    }

    @inline(__always)
    private func fold(_ byte: UInt8) -> UInt8 { ignoresCase ? byte.lowercased : byte }
}
