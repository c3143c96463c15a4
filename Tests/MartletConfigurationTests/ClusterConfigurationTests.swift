import Foundation
import MartletConfiguration
import MartletRuntime
import Testing

@Suite struct ClusterConfigurationTests {
    /// A backend as the launcher would register it.
    static let kinds = [
        BackendKind(
            name: "memory", summary: "", version: "", needsDirectory: { $0.boolean("log", default: false) },
            settings: [BackendSetting("log", .boolean, default: .boolean(false), text: "false", help: "")],
            open: { _ throws(StorageError) in throw StorageError(.unsupported, "") })
    ]

    private func parse(_ text: String) throws(ConfigurationFaults) -> ClusterConfiguration {
        try ClusterConfiguration.parse(Array(text.utf8), file: "f.yaml", kinds: Self.kinds)
    }

    private func faults(_ text: String) -> [String] {
        do throws(ConfigurationFaults) {
            _ = try parse(text)
            return []
        } catch {
            return error.faults.map(\.description)
        }
    }

    @Test func defaultsAreFilledIn() throws {
        let cluster = try parse("cluster: c\nnodes:\n  - name: n1\n    storage: {backend: memory}\n")
        #expect(cluster.name == "c")
        #expect(cluster.keyspaces.map(\.name) == ["default"])
        let node = try #require(cluster.nodes.first)
        #expect(node.address == SocketAddress(host: "127.0.0.1", port: 7001))
        #expect(node.durability == .none)
        #expect(node.cacheBytes == 64 << 20)
        #expect(node.workers == 1)
    }

    @Test func nodesTakeWhatDefaultsSay() throws {
        let cluster = try parse(
            """
            cluster: c
            defaults: {durability: interval, cache: 1MiB, storage: {backend: memory, log: true}}
            keyspaces:
              - {name: a, max_pair: 1MiB, compression: zstd}
              - name: b
            nodes:
              - {name: n1, cache: 0, sync_interval: 200ms}
            """)
        #expect(cluster.nodes[0].durability == .interval)
        #expect(cluster.nodes[0].cacheBytes == 0)
        #expect(cluster.nodes[0].syncInterval == .milliseconds(200))
        #expect(cluster.nodes[0].backendSettings.boolean("log", default: false))
        #expect(cluster.keyspaces.map(\.maximumPair) == [1 << 20, 10 << 10])
        #expect(cluster.keyspaces.map(\.id) == [0, 1])
    }

    @Test func allFaultsAreListedWithTheirLines() {
        let found = faults(
            """
            cluster: a b
            nodes:
              - name: n1
                listen: 0.0.0.0:7001
                cach: 1MiB
                cache: 64mb
                workers: 0
                workers: 2
                durability: sometimes
                storage: {backend: rock}
            sizes: 1
            """)
        #expect(found.count == 9, "\(found)")
        #expect(found[0].hasPrefix("f.yaml:1: cluster: 'a b': a name"))
        #expect(found[1].hasPrefix("f.yaml:4: nodes[0].listen: '0.0.0.0:7001'"))
        #expect(found[2] == "f.yaml:5: nodes[0].cach: 'cach': not a setting here; did you mean cache?")
        #expect(found[3].hasPrefix("f.yaml:6: nodes[0].cache: '64mb': a size from 0 to 1TiB"))
        #expect(found.contains { $0.hasPrefix("f.yaml:7: nodes[0].workers: '0'") })
        #expect(found.contains("f.yaml:8: nodes[0].workers: '2': given twice; first on line 7"))
        #expect(found.contains("f.yaml:10: nodes[0].storage.backend: 'rock': one of memory"))
        #expect(found.contains { $0.hasPrefix("f.yaml:11: sizes") })
    }

    @Test(arguments: [
        ("", "an empty file"), ("- a", "a list"), ("cluster: c\nnodes: []\n", "an empty list"),
        ("cluster: &x c\nnodes: *x\n", "an anchor"), ("cluster: !t c\n", "a tag"), ("cluster: [c\n", "YAML (line"),
        ("cluster: c\n---\ncluster: d\n", "second document"), ("cluster: c\nnodes: 3\n", "a list"),
        ("cluster: c\nnodes:\n  - name: n\n", "storage"),
        ("cluster: c\nnodes:\n  - {name: n, durability: always, storage: {backend: memory}}\n", "nothing on disk"),
        ("cluster: c\nkeyspaces: [{name: a, n: 3}]\nnodes: [{name: n, storage: {backend: memory}}]\n", "need 3 nodes"),
        (String(repeating: "[", count: 30), "at most 16 levels"),
    ]) func whatIsWrongIsSaid(text: String, expected: String) {
        let found = faults(text)
        #expect(!found.isEmpty)
        #expect(found.contains { $0.contains(expected) }, "\(found)")
        for fault in found { #expect(fault.hasPrefix("f.yaml:")) }
    }

    /// Any file is either read or refused with faults; none traps.
    @Test func garbageIsRefused() {
        var state: UInt64 = 7
        for _ in 0..<2000 {
            var bytes: [UInt8] = Array("cluster: c\nnodes: [{name: n, storage: {backend: memory}}]\n".utf8)
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            do throws(ConfigurationFaults) {
                _ = try ClusterConfiguration.parse(bytes, file: "f.yaml", kinds: Self.kinds)
            } catch {
                #expect(!error.faults.isEmpty)
            }
        }
    }
}
