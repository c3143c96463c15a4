import MartletCore
import MartletServer
import Testing

struct GlobPatternTests {
    private func matches(_ pattern: [UInt8], _ text: [UInt8], ignoresCase: Bool = false) -> Bool {
        var steps = GlobPattern.usualSteps
        let glob = withBytes(of: pattern) { GlobPattern($0, ignoresCase: ignoresCase) }
        return withBytes(of: text) { glob.matches($0, steps: &steps) }
    }

    @Test(arguments: [
        ("*", "a", true), ("*", "", false), ("", "", true), ("", "a", false), ("a*", "a", true), ("*a", "a", true),
        ("h?llo", "hello", true), ("h?llo", "hllo", false), ("h*llo", "heeeello", true), ("h*llo", "hell", false),
        ("h[ae]llo", "hallo", true), ("h[^e]llo", "hello", false), ("h[^e]llo", "hbllo", true),
        ("h[a-c]llo", "hbllo", true), ("h[c-a]llo", "hbllo", true), ("h[a-]llo", "h-llo", false),
        ("\\*", "*", true), ("\\*", "a", false), ("a\\", "a\\", true), ("[\\]]", "]", true), ("[a", "a", true),
        ("[", "a", false), ("[^", "a", true), ("[]", "a", false), ("*b*c", "abbcc", true), ("*b*d", "abbcc", false),
        ("**", "a", true), ("a**b", "axb", true), ("*[^]", "ab", true), ("a?", "a", false), ("a*?", "a", false),
    ])
    func matchesAsRedis(pattern: String, text: String, expected: Bool) {
        #expect(matches(Array(pattern.utf8), Array(text.utf8)) == expected)
    }

    @Test func ordersBytesAsSigned() {
        #expect(matches([91, 0x80, 45, 0x7f, 93], [0x00]))
        #expect(matches([91, 0x01, 45, 0xff, 93], [0x00]))
        #expect(!matches([91, 0x01, 45, 0x7f, 93], [0x80]))
    }

    @Test func ignoresCaseIfAsked() {
        #expect(matches(Array("A[b-d]?".utf8), Array("acX".utf8), ignoresCase: true))
        #expect(!matches(Array("A".utf8), Array("a".utf8)))
    }

    @Test func givesUpInsteadOfTakingForever() {
        let pattern = Array(String(repeating: "*a", count: 500_000).utf8) + [98]
        let text = [UInt8](repeating: 97, count: 1_000_000)
        var steps = 1_000_000
        let glob = withBytes(of: pattern) { GlobPattern($0) }
        #expect(!withBytes(of: text) { glob.matches($0, steps: &steps) })
        #expect(steps <= 0)
    }
}
