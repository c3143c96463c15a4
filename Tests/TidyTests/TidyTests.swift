import Foundation
import Testing

/// Rules of this project that a compiler does not check.
@Suite struct TidyTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct Source: CustomStringConvertible {
        var path: String
        var lines: [String]
        var module: String { String(path.split(separator: "/")[1]) }
        var isTest: Bool { path.hasPrefix("Tests/") }
        var description: String { path }
    }

    static let sources: [Source] = ["Sources", "Plugins", "Tests"].flatMap { folder -> [Source] in
        let files = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)
        return (files?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".swift") }.sorted().compactMap {
            name in
            let path = "\(folder)/\(name)"
            guard let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) else {
                return nil
            }
            return Source(path: path, lines: text.components(separatedBy: "\n"))
        }
    }

    @Test func sourcesAreFound() { #expect(Self.sources.count > 100) }

    @Test func linesAndFilesAreShort() {
        for source in Self.sources {
            #expect(source.lines.count <= 601, "\(source.path) has \(source.lines.count) lines")
            var isText = false  // a text is not broken for its length
            for (number, line) in source.lines.enumerated() {
                if line.contains("\"\"\"") { isText.toggle() }
                if line.count > 120, !isText, !line.contains("\"") {
                    Issue.record("\(source.path):\(number + 1): \(line.count) characters")
                }
            }
        }
    }

    @Test func functionsAreShort() {
        for source in Self.sources {
            var start: (line: Int, indent: Int)?
            for (number, line) in source.lines.enumerated() {
                let indent = line.prefix { $0 == " " }.count
                if let begun = start, indent == begun.indent, line.drop(while: { $0 == " " }) == "}" {
                    #expect(
                        number - begun.line <= 72,
                        "\(source.path):\(begun.line + 1): a function of \(number - begun.line) lines")
                    start = nil
                } else if start == nil, line.contains("func "), line.hasSuffix("{") {
                    start = (number, indent)
                }
            }
        }
    }

    /// What each module may import of ours.
    static let allowed: [String: Set<String>] = [
        "MartletCore": [],
        "MartletRuntime": ["MartletCore"],
        "MartletNode": ["MartletCore", "MartletRuntime"],
        "MartletIO": ["MartletCore", "MartletRuntime"],
        "MartletServer": ["MartletCore", "MartletRuntime", "MartletNode"],
        "MartletConfiguration": ["MartletCore", "MartletRuntime"],
        "MartletSimulator": ["MartletCore", "MartletRuntime", "MartletNode", "MartletServer", "MemoryBackend"],
        "MartletClient": ["MartletCore", "MartletRuntime", "MartletIO"],
        "MartletBackendConformance": ["MartletCore", "MartletRuntime"],
        "MemoryBackend": ["MartletCore", "MartletRuntime"],
        "LMDBBackend": ["MartletCore", "MartletRuntime"],
        "RocksDBBackend": ["MartletCore", "MartletRuntime"],
    ]

    @Test func importsPointOneWay() {
        let ours = Set(Self.allowed.keys).union(["MartletLauncher"])
        for source in Self.sources where !source.isTest {
            guard let allowed = Self.allowed[source.module] else { continue }
            for line in source.lines {
                let words = line.split(separator: " ").map(String.init)
                guard let index = words.firstIndex(of: "import"), index <= 1, index + 1 < words.count else { continue }
                let name = words[index + 1]
                if ours.contains(name) { #expect(allowed.contains(name), "\(source.path) imports \(name)") }
                let takesFoundation = ["MartletClient", "MartletLauncher"].contains(source.module)
                #expect(name != "Foundation" || takesFoundation, "\(source.path) imports Foundation")
            }
        }
    }

    /// What is not repeatable, and what to use instead.
    static let banned: [(text: String, instead: String)] = [
        ("Task {", "NodeEnvironment.spawn"), ("Task.detached", "NodeEnvironment.spawn"),
        ("Task.sleep", "EventLoop.schedule"), ("Task.yield", "EventLoop.post"), ("DispatchQueue", "BlockingExecutor"),
        ("ContinuousClock", "NodeClock"), ("SuspendingClock", "NodeClock"), ("Date()", "NodeClock"),
        ("SystemRandomNumberGenerator", "RandomSource"), (".shuffled()", "shuffled(using:)"),
        (".randomElement()", "randomElement(using:)"), ("UUID()", "RandomSource"),
    ]

    @Test func nothingUnrepeatableOutsideTheSeams() {
        let real: Set<String> = [
            "MartletIO", "MartletLauncher", "MartletClient", "MartletBackendConformance", "martlet",
        ]
        for source in Self.sources where !source.isTest && !real.contains(source.module) {
            for (number, line) in source.lines.enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for ban in Self.banned where line.contains(ban.text) {
                    Issue.record("\(source.path):\(number + 1): \(ban.text): use \(ban.instead)")
                }
            }
        }
    }

    @Test func uncheckedSendableSaysWhy() {
        for source in Self.sources where !source.isTest {
            for (number, line) in source.lines.enumerated() where line.contains("@unchecked Sendable") {
                let isExplained =
                    line.contains("//") || source.lines[max(0, number - 8)..<number].contains { $0.contains("//") }
                #expect(isExplained, "\(source.path):\(number + 1): say what makes it safe")
            }
        }
    }

    /// A number means one message, whoever reads it.
    @Test func messageKindsDiffer() {
        var places: [Substring: String] = [:]
        for source in Self.sources where source.module == "MartletCore" {
            for line in source.lines where !line.contains("///") {
                guard let kind = line.firstMatch(of: /MessageKind\(rawValue: (0x[0-9a-f]+)\)/)?.1 else { continue }
                #expect(places[kind] == nil, "\(kind) in \(source.path) and \(places[kind] ?? "")")
                places[kind] = source.path
            }
        }
        #expect(places.count > 15)
    }

    @Test func theTopLevelHoldsWhatItShould() throws {
        let allowed: Set<String> = [
            "Package.swift", "Sources", "Tests", "Plugins", "Configs", "README.md", "martlet", "Docs", "data",
        ]
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.root.path) where !name.hasPrefix(".") {
            #expect(allowed.contains(name), "\(name) does not belong at the top level")
        }
    }
}
