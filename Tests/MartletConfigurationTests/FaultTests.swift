import MartletRuntime
import Testing

@testable import MartletConfiguration

/// Bad files and the lines that say what is wrong with them, word for word.
@Suite struct FaultTests {
    /// A backend that keeps nothing unless told to, and one that is durable.
    static let kinds = [
        BackendKind(
            name: "paper", summary: "", version: "1", needsDirectory: { $0.boolean("keep", default: false) },
            settings: [
                BackendSetting("keep", .boolean, default: .boolean(false), text: "false", help: ""),
                BackendSetting("sheet", .size(1...1 << 20), default: .number(1), text: "1B", help: ""),
                BackendSetting("pages", .integer(1...9), default: .number(1), text: "1", help: ""),
                BackendSetting("ink", .choice(["black", "blue"]), default: .text("black"), text: "black", help: ""),
            ],
            open: { _ throws(StorageError) in throw StorageError(.invalidSetting, "never opened here") }),
        BackendKind(
            name: "stone", summary: "", version: "1", needsDirectory: { _ in true }, settings: [],
            open: { _ throws(StorageError) in throw StorageError(.invalidSetting, "never opened here") }),
    ]

    static func faults(_ text: String) -> [String] {
        do throws(ConfigurationFaults) {
            _ = try ClusterConfiguration.parse(Array(text.utf8), file: "f", kinds: kinds)
            return []
        } catch {
            return error.faults.map(\.description)
        }
    }

    /// A good file with more lines for its node (from line 6) and its storage.
    static func node(_ lines: String..., storage: String = "{backend: stone}") -> String {
        let more = lines.map { "    \($0)\n" }.joined()
        return "cluster: c\n\nnodes:\n  - name: n1\n    storage: \(storage)\n" + more
    }

    static func keyspace(_ lines: String...) -> String {
        node() + "keyspaces:\n  - name: k\n" + lines.map { "    \($0)\n" }.joined()
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        var text: String
        var lines: [String]
        var testDescription: String { lines.first ?? "" }

        init(_ text: String, _ lines: String...) { (self.text, self.lines) = (text, lines) }
    }

    static let shapes = [
        Bad("", "f:1: 'an empty file': a mapping of settings"),
        Bad("# nothing\n", "f:2: 'an empty file': a mapping of settings"),
        Bad(
            "- a\n", "f:1: 'a list': a mapping of cluster, partitions, secret_file, defaults, keyspaces, nodes",
            "f:1: cluster: '': "
                + "missing: a name of letters, digits, '-', '_' and '.', at most 64",
            "f:1: nodes: '': missing: a list of nodes"),
        Bad(node() + "---\na: b\n", "f:6: 'a second document': one document a file"),
        Bad("cluster: &here c\n", "f:1: 'an anchor': no anchors and aliases; write the value"),
        Bad("cluster: *here\n", "f:1: 'an alias': no anchors and aliases; write the value"),
        Bad("cluster: !!str c\n", "f:1: 'a tag': no tags"),
        Bad("cluster: !!map {a: b}\n", "f:1: 'a tag': no tags"),
        Bad("? [a, b]\n: c\n", "f:1: 'a list': the name of a setting"),
        Bad(String(repeating: "[", count: 40), "f:1: 'deep nesting': at most 16 levels"),
        Bad("cluster: [a\n", "f:2: 'did not find expected ',' or ']'': YAML (line 2, column 1)"),
        Bad("cluster:\tc\n\t- d", "f:2: 'found a tab character that violates indentation': YAML (line 2, column 1)"),
        Bad(String(repeating: "#", count: 1 << 20) + "\n", "f:1: '1048577 bytes': at most 1048576 bytes"),
        Bad(
            "cluster: c\nnodes: n1\n", "f:2: nodes: 'n1': a list"),
        Bad("cluster: c\nnodes: []\n", "f:2: nodes: 'an empty list': at least one node"),
        Bad(
            node() + "defaults: 3\n",
            "f:6: defaults: '3': a mapping of weight, rack, data_center, workers, durability, sync_interval, cache, "
                + "memory_limit, hints, hint_age, max_clients, storage"),
    ]

    static let names = [
        Bad(node() + "keyspace: []\n", "f:6: keyspace: 'keyspace': not a setting here; did you mean keyspaces?"),
        Bad(node("wrokers: 2"), "f:6: nodes[0].wrokers: 'wrokers': not a setting here; did you mean workers?"),
        Bad(node("zzzzzzzz: 2"), "f:6: nodes[0].zzzzzzzz: 'zzzzzzzz': not a setting here"),
        Bad(node("cache: 1MiB", "cache: 2MiB"), "f:7: nodes[0].cache: '2MiB': given twice; first on line 6"),
        Bad(node("<<: {cache: 1MiB}"), "f:6: nodes[0].<<: 'a mapping': no merge keys; write the settings"),
        Bad(
            node(storage: "{backend: stoen}"), "f:5: nodes[0].storage.backend: 'stoen': one of paper, stone"),
        Bad(node(storage: "{}"), "f:5: nodes[0].storage.backend: '': one of paper, stone"),
        Bad(node(storage: "stone"), "f:5: nodes[0].storage: 'stone': a mapping with backend: paper, stone"),
        Bad(
            "cluster: c\nnodes:\n  - name: n1\n",
            "f:3: nodes[0].storage: '': missing: a mapping with backend: paper, stone"),
        Bad(
            "cluster: c\nnodes:\n  - storage: {backend: stone}\n", "f:3: nodes[0].name: '': missing: a name"),
        Bad(
            node(storage: "{backend: paper, page: 2}"),
            "f:5: nodes[0].storage.page: 'page': not a setting here; did you mean pages?"),
        Bad(
            node().replacingClusterName("a b"),
            "f:1: cluster: 'a b': a name of letters, digits, '-', '_' and '.', at most 64"),
        Bad(
            node().replacingClusterName("\"a\\e[31m\\nb\""),
            "f:1: cluster: 'a [31m b': a name of letters, digits, '-', '_' and '.', at most 64"),
    ]

    static let cacheSizes = "a size from 0 to 1TiB, as in 64MiB"
    static let address = "HOST:PORT with a numeric loopback address, as in 127.0.0.1:7001"

    static let values = [
        Bad(node("cache: 1gbb"), "f:6: nodes[0].cache: '1gbb': \(cacheSizes)"),
        Bad(node("cache: 64"), "f:6: nodes[0].cache: '64': \(cacheSizes)"),
        Bad(node("cache: -1MiB"), "f:6: nodes[0].cache: '-1MiB': \(cacheSizes)"),
        Bad(node("cache: 99999999999999GiB"), "f:6: nodes[0].cache: '99999999999999GiB': \(cacheSizes)"),
        Bad(node("cache: [1MiB]"), "f:6: nodes[0].cache: 'a list': \(cacheSizes)"),
        Bad(node("cache:"), "f:6: nodes[0].cache: '': \(cacheSizes)"),
        Bad(node("workers: 0"), "f:6: nodes[0].workers: '0': a whole number from 1 to 64"),
        Bad(node("workers: two"), "f:6: nodes[0].workers: 'two': a whole number from 1 to 64"),
        Bad(
            node("sync_interval: 1"), "f:6: nodes[0].sync_interval: '1': a time from 10ms to 60000ms, as in 200ms or 1s"
        ),
        Bad(node("listen: 127.0.0.1:70000"), "f:6: nodes[0].listen: '127.0.0.1:70000': \(address)"),
        Bad(node("listen: 0.0.0.0:7001"), "f:6: nodes[0].listen: '0.0.0.0:7001': \(address)"),
        Bad(node("listen: \"127.evil:7001\""), "f:6: nodes[0].listen: '127.evil:7001': \(address)"),
        Bad(node("listen: 7001"), "f:6: nodes[0].listen: '7001': \(address)"),
        Bad(node("durability: fsync"), "f:6: nodes[0].durability: 'fsync': one of always, interval, none"),
        Bad(
            node("durability: always", storage: "{backend: paper}"),
            "f:6: nodes[0].durability: 'always': none: backend paper keeps nothing on disk as configured"),
        Bad(
            node(storage: "{backend: paper, keep: yes, sheet: 2, pages: 10, ink: red}"),
            "f:5: nodes[0].storage.keep: 'yes': true or false",
            "f:5: nodes[0].storage.sheet: '2': a size from 1B to 1MiB, as in 64MiB",
            "f:5: nodes[0].storage.pages: '10': a whole number from 1 to 9",
            "f:5: nodes[0].storage.ink: 'red': one of black, blue"),
    ]

    static let replicas = "a whole number from 1 to 64"
    static let level = "one, quorum, all, local_quorum, each_quorum or a number from 1 to n"

    static let quorums = [
        Bad(keyspace("n: 0"), "f:8: keyspaces[0].n: '0': \(replicas)"),
        Bad(
            keyspace("n: 3", "r: 2"), "f:8: keyspaces[0].n: '3': 3 replicas need 3 nodes, the cluster has 1"),
        Bad(
            keyspace("r: 2", "w: 3"), "f:8: keyspaces[0].r: '2': reads by 2 replicas: use 1 to 1",
            "f:9: keyspaces[0].w: '3': writes by 3 replicas: use 1 to 1"),
        Bad(keyspace("r: some"), "f:8: keyspaces[0].r: 'some': \(level)"),
        Bad(keyspace("w: 0"), "f:8: keyspaces[0].w: '0': \(level)"),
        Bad(
            keyspace("mode: consistent"),
            "f:8: keyspaces[0].mode: 'consistent': available: consistent keyspaces, linearizable and refusing without "
                + "a majority, come with a later release"),
        Bad(keyspace("mode: strong"), "f:8: keyspaces[0].mode: 'strong': one of available"),
        Bad(keyspace("conflicts: all"), "f:8: keyspaces[0].conflicts: 'all': one of latest, siblings"),
        Bad(keyspace("sloppy: maybe"), "f:8: keyspaces[0].sloppy: 'maybe': true or false"),
        Bad(keyspace("max_pair: 65MiB"), "f:8: keyspaces[0].max_pair: '65MiB': a size from 1B to 64MiB, as in 64MiB"),
        Bad(keyspace("max_key: 512B", "max_pair: 100B"), "f:9: keyspaces[0].max_pair: '100B': at least max_key"),
        Bad(keyspace("compression: gzip"), "f:8: keyspaces[0].compression: 'gzip': one of none, lz4, zstd"),
        Bad(
            keyspace() + "  - name: k\n    id: 0\n", "f:8: keyspaces[1].name: 'k': a name that no other keyspace has",
            "f:9: keyspaces[1].id: '0': a number that no other keyspace has",
            "f:9: keyspaces[1].id: '0': its place in the list, 1"),
    ]

    @Test(arguments: shapes + names) func shapesAndNames(_ bad: Bad) { #expect(Self.faults(bad.text) == bad.lines) }
    @Test(arguments: values + quorums) func valuesAndQuorums(_ bad: Bad) { #expect(Self.faults(bad.text) == bad.lines) }

    /// One round trip shows them all, in the order of the file.
    @Test func allFaultsAtOnce() {
        let text = "clutser: c\nnodes:\n  - name: n 1\n    workers: 0\n    storage: {backend: stone, x: 1}\n"
        #expect(Self.faults(text).map { $0.prefix { $0 != " " } } == ["f:1:", "f:1:", "f:3:", "f:4:", "f:5:"])
    }

    /// Whatever the bytes, the answer is a configuration or faults of one line each, never a trap.
    @Test func everyPrefixAndFlippedByteIsAnswered() {
        let good = Array((Self.keyspace("max_key: 1KiB", "compression: lz4") + "defaults: {cache: 1MiB}\n").utf8)
        var refused = 0
        func check(_ bytes: [UInt8]) {
            do throws(ConfigurationFaults) {
                _ = try ClusterConfiguration.parse(bytes, file: "f", kinds: Self.kinds)
            } catch {
                refused += 1
                #expect(error.faults.allSatisfy { $0.line >= 1 && !$0.description.contains("\n") })
                #expect(!error.faults.isEmpty)
            }
        }
        for length in good.indices { check(Array(good[..<length])) }
        for place in good.indices {
            for byte in [0, 9, 10, 34, 38, 42, 58, 123, 0x80, 0xFF] as [UInt8] {
                var bytes = good
                bytes[place] = byte
                check(bytes)
            }
        }
        #expect(refused > good.count)
    }
}

extension String {
    fileprivate func replacingClusterName(_ name: String) -> String {
        "cluster: \(name)" + dropFirst("cluster: c".count)
    }
}
