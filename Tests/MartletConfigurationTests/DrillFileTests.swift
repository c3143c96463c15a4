import MartletCore
import MartletRuntime
import Testing

@testable import MartletConfiguration

/// Drill files: what they mean, and what is said of bad ones.
@Suite struct DrillFileTests {
    static let kinds = ["memory", "lmdb"].map { name in
        BackendKind(
            name: name, summary: "", version: "", needsDirectory: { _ in name != "memory" }, settings: [],
            open: { _ throws(StorageError) in throw StorageError(.unsupported, "") })
    }

    static func parse(_ text: String, cluster: String? = nil) -> Result<DrillConfiguration, ConfigurationFaults> {
        Result { () throws(ConfigurationFaults) in
            try DrillConfiguration.parse(Array(text.utf8), file: "d/f", kinds: kinds) { path in
                path == "d/c.yaml" ? cluster.map { Array($0.utf8) } : nil
            }
        }
    }

    @Test func readsAll() throws {
        let text = """
            drill: d
            shows: much
            duration: 20s
            cluster: {nodes: 4, n: 3, w: all, sloppy: false}
            variants:
              - {name: a}
              - {name: b, w: one, storage: {backend: lmdb}}
            load: {rate: 10, reads: 5, deletes: 6, value: 64B, keys: 7, connections: 2, route: owners, timeout: 2s, slow: 9ms, seed: 3}
            steps:
              - {at: 9s, heal: all}
              - {at: 1s, kill: [node-1, node-2]}
              - {at: 2s, isolate: node-3}
              - {at: 3s, one_way: {from: node-1, to: [node-2, node-3]}}
              - {at: 4s, skew: node-1, by: 30ms, behind: true}
              - {at: 5s, slow_disk: node-1, by: 30ms}
              - {at: 6s, flap: node-4, every: 400ms, for: 1s}
              - {at: 100ms, limit_cpu: [node-1, node-2], percent: 25}
              - {at: 200ms, rate: 5000}
            """
        let drill = try Self.parse(text).get()
        #expect(drill.name == "d" && drill.shows == "much" && drill.duration == .seconds(20))
        #expect(drill.variants.map(\.name) == ["a", "b"])
        #expect(drill.variants.map(\.backends) == [["memory"], ["lmdb"]])
        #expect(drill.variants.map { $0.cluster.keyspaces[0].definition.writes } == [.all, .one])
        #expect(
            drill.variants.allSatisfy { $0.cluster.nodes.count == 4 && !$0.cluster.keyspaces[0].definition.isSloppy })
        let load = drill.load
        #expect(load.rate == 10 && load.reads == 5 && load.deletes == 6 && load.valueBytes == 64 && load.keys == 7)
        #expect(load.connections == 2 && load.goesToOwners && load.timeout == .seconds(2))
        #expect(load.slow == .milliseconds(9) && load.seed == 3)
        let apart = DrillConfiguration.Action.partition([["node-4"], ["node-1", "node-2", "node-3"]])
        #expect(
            drill.steps == [
                .init(at: .milliseconds(100), .limitCPU(["node-1", "node-2"], percent: 25)),
                .init(at: .milliseconds(200), .rate(5000)),
                .init(at: .seconds(1), .kill(["node-1", "node-2"])),
                .init(at: .seconds(2), .partition([["node-3"], ["node-1", "node-2", "node-4"]])),
                .init(at: .seconds(3), .oneWay(from: ["node-1"], to: ["node-2", "node-3"])),
                .init(at: .seconds(4), .skew(["node-1"], milliseconds: -30)),
                .init(at: .seconds(5), .slowDisk(["node-1"], .milliseconds(30))),
                .init(at: .seconds(6), apart), .init(at: .milliseconds(6400), .heal),
                .init(at: .milliseconds(6800), apart), .init(at: .seconds(7), .heal),
                .init(at: .seconds(9), .heal),
            ])
    }

    @Test func aDataCenterStandsForItsNodes() throws {
        let cluster = """
            cluster: c
            nodes:
              - {name: a, data_center: paris, storage: {backend: memory}}
              - {name: b, data_center: paris, storage: {backend: memory}}
              - {name: c, data_center: tokyo, storage: {backend: memory}}
            """
        let drill = try Self.parse("drill: d\ncluster: c.yaml\nsteps: [{at: 1s, kill: paris}]\n", cluster: cluster)
            .get()
        #expect(drill.steps == [.init(at: .seconds(1), .kill(["a", "b"]))])
        #expect(drill.variants.map(\.name) == ["c"])
    }

    @Test(
        arguments: [
            ("steps: []\n", ["d/f:1: drill: '': missing: a name"]),
            (
                "drill: d\ncluster: {nodes: 2, n: 3}\n",
                ["d/f:2: cluster.n: '3': 3 replicas need 3 nodes, the cluster has 2"]
            ),
            (
                "drill: d\ncluster: none.yaml\n",
                ["d/f:2: cluster: 'none.yaml': a cluster file that can be read, or a mapping"]
            ),
            (
                """
                drill: d
                duration: 5s
                load: {rate: 0, reads: 60, deletes: 50}
                steps:
                  - {at: 1s, kill: node-9}
                  - {at: 5s, pause: node-1}
                  - {kill: node-1}
                  - {at: 1s, kill: node-1, pause: node-1}
                  - {at: 1s, partition: [[node-1], [node-1, node-2]]}
                  - {at: 1s, skew: node-1}
                """,
                [
                    "d/f:3: load: '110': shares up to 100",
                    "d/f:3: load.rate: '0': a whole number from 1 to 100000",
                    "d/f:5: steps[0].kill: 'node-9': a node, rack or data center of the cluster; did you mean node-1?",
                    "d/f:6: steps[1].at: '5s': before the end of the drill's duration",
                    "d/f:7: steps[2].at: '': missing: when, as in 10s",
                    "d/f:9: steps[4].partition: 'node-1': each node in one group only",
                    "d/f:10: steps[5].by: '': missing: how much, as in 200ms, or 0ms for none",
                ]
            ),
            (
                "drill: d\nchaos: {kinds: [kill, sharks]}\n",
                ["d/f:2: chaos.kinds: 'sharks': one of " + DrillSettings.chaosKinds.joined(separator: ", ")]
            ),
        ])
    func saysAllThatIsWrong(text: String, faults: [String]) {
        guard case .failure(let found) = Self.parse(text) else {
            Issue.record("nothing is wrong with \(text)")
            return
        }
        let lines = found.faults.map(\.description)
        for fault in faults { #expect(lines.contains(fault), "\(lines)") }
    }

    @Test func placesMoveAndNothingElse() throws {
        let text = "cluster: c\nnodes:\n  - {name: \"a\\\"b\", weight: 2}\n  - name: d\n    rack: r\n"
        let address = SocketAddress("127.9.9.9:1")!
        let place = RelocatedCluster.Place(clients: address, nodes: address, clusterClients: address)
        let moved = try RelocatedCluster.text(
            Array(text.utf8), file: "f", places: [place, place], secretFile: "/s")
        let listens =
            "\"listen\": \"127.9.9.9:1\", \"node_listen\": \"127.9.9.9:1\", \"cluster_listen\": \"127.9.9.9:1\""
        #expect(
            moved == """
                {"cluster": "c", "secret_file": "/s", "nodes": [{"name": "a\\"b", "weight": "2", \(listens)}, \
                {"name": "d", "rack": "r", \(listens)}]}

                """)
    }
}
