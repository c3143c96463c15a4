import Foundation
import MartletCore
import MartletRuntime
import Testing

@testable import MartletConfiguration

/// Files of several nodes: what they mean, and what is wrong with them, word for word.
@Suite struct SeveralNodesTests {
    private static func parse(_ text: String, file: String = "f") throws(ConfigurationFaults) -> ClusterConfiguration {
        try ClusterConfiguration.parse(Array(text.utf8), file: file, kinds: FaultTests.kinds)
    }

    /// A file of nodes n1, n2 ... (from line 4 on, one a line), then keyspaces.
    private static func file(_ nodes: String..., keyspace: String = "", top: String = "") -> String {
        "cluster: c\ndefaults: {storage: {backend: stone}}\nnodes:\n"
            + nodes.enumerated().map { "  - {name: n\($0 + 1)\($1.isEmpty ? "" : ", " + $1)}\n" }.joined()
            + (keyspace.isEmpty ? "" : "keyspaces: [{name: k, \(keyspace)}]\n") + top
    }

    @Test func defaultsAreThreeReplicasAndMajorities() throws {
        let cluster = try Self.parse(Self.file("", "weight: 3, rack: r", "id: 9", ""))
        #expect(cluster.members.map(\.id) == [1, 2, 4, 9])
        #expect(cluster.members[1] == Member(id: 2, name: "n2", weight: 3, rack: "r"))
        #expect(cluster.partitions == 256)
        let keyspace = try #require(cluster.keyspaces.first).definition
        #expect(keyspace.placement == .count(3))
        #expect(keyspace.reads == .quorum && keyspace.writes == .quorum && keyspace.isSloppy)
        #expect(try Self.parse(Self.file("", "")).keyspaces[0].definition.placement == .count(2))
        #expect(cluster.nodes.map(\.nodeAddress.port) == [17001, 17002, 17003, 17004])
        #expect(cluster.nodes.map(\.clusterAddresses).last?.map(\.port) == [27004])
        #expect(try cluster.topology().rings.count == 1)
        #expect(cluster.digest == TopologyDigest(cluster.founding))
    }

    @Test func keyspacesMayNameReplicasByDataCenter() throws {
        let cluster = try Self.parse(
            Self.file(
                "data_center: east", "data_center: east", "data_center: west",
                keyspace: "replicas: {west: 1, east: 2}, r: local_quorum, w: 2, sloppy: false, conflicts: siblings"))
        let keyspace = cluster.keyspaces[0].definition
        #expect(keyspace.placement.canonical == .perDataCenter([.init("east", 2), .init("west", 1)]))
        #expect(keyspace.reads == .localQuorum && keyspace.writes == .count(2))
        #expect(!keyspace.isSloppy && keyspace.conflicts == .siblings)
    }

    @Test func workersOfManyNodesFindPorts() throws {
        let cluster = try Self.parse(Self.file("workers: 2", "workers: 2", "workers: 2"))
        #expect(
            cluster.nodes.map { $0.clusterAddresses.map(\.port) } == [
                [27001, 27002], [27003, 27004], [27005, 27006],
            ])
    }

    @Test func aThousandNodesAreRead() throws {
        let nodes = (1...1000).map { "  - {name: n\($0)}\n" }.joined()
        let text = "cluster: c\npartitions: 16384\ndefaults: {storage: {backend: stone}}\nnodes:\n"
        #expect(try Self.parse(text + nodes).nodes.count == 1000)
        #expect(throws: ConfigurationFaults.self) { try Self.parse(text + nodes + "  - {name: more}\n") }
    }

    static let bad: [FaultTests.Bad] = [
        .init(file("workers: 2", "workers: 3"), "f:5: nodes[1].workers: '3': 2, as many as n1 has"),
        .init(
            file("", "name: n1").replacingOccurrences(of: "name: n2, ", with: ""),
            "f:5: nodes[1].name: 'n1': a name that no other node has; nodes[0] has this one"),
        .init(
            file("id: 2", ""), "f:5: nodes[1].id: '2': a number that no other node has; nodes[0] has this one"),
        .init(
            file("", "listen: 127.0.0.1:7001"),
            "f:5: nodes[1].listen: '127.0.0.1:7001': a port that nothing else has; nodes[0].listen has this one",
            "f:5: nodes[1].node_listen: '127.0.0.1:17001': a port that nothing else has; nodes[0].node_listen has this one",
            "f:5: nodes[1].cluster_listen: '127.0.0.1:27001': a port that nothing else has; nodes[0].cluster_listen has "
                + "this one"),
        .init(
            file("", "listen: 127.0.0.1:17001, node_listen: 127.0.0.1:1"),
            "f:5: nodes[1].listen: '127.0.0.1:17001': a port that nothing else has; nodes[0].node_listen has this one"),
        .init(
            file("", "listen: 127.0.0.1:60000, node_listen: 127.0.0.1:5"),
            "f:5: nodes[1].cluster_listen: '': ports up to 65535: give one that leaves room"),
        .init(
            file("", "listen: 127.0.0.1:0"),
            "f:5: nodes[1].listen: '127.0.0.1:0': a port from 1 to 65535, which others have to know"),
        .init(file("", "weight: 0"), "f:5: nodes[1].weight: '0': a whole number from 1 to 1000000"),
        .init(
            file("", "node_listen: 192.0.2.1:17001"),
            "f:5: nodes[1].node_listen: '192.0.2.1:17001': a loopback address, since there is no secret_file"),
        .init(
            file("", "node_listen: 0.0.0.0:17001"),
            "f:5: nodes[1].node_listen: '0.0.0.0:17001': HOST:PORT with a numeric address that other nodes can reach, as "
                + "in 127.0.0.1:17001"),
        .init(
            file("", "", keyspace: "n: 3, r: 9"),
            "f:6: keyspaces[0].n: '3': 3 replicas need 3 nodes, the cluster has 2"),
        .init(
            file("", "", keyspace: "r: 3, w: each_quorum"),
            "f:6: keyspaces[0].r: '3': reads by 3 replicas: use 1 to 2"),
        .init(
            file("data_center: east", "data_center: west", keyspace: "replicas: {north: 1}"),
            "f:6: keyspaces[0].replicas: '1 in north': no node is in data center north: the nodes are in east, west"),
        .init(
            file("data_center: east", "data_center: west", keyspace: "replicas: {east: 0}"),
            "f:6: keyspaces[0].replicas.east: '0': a whole number from 1 to 64"),
        .init(
            file("data_center: east", "data_center: west", keyspace: "replicas: {east: 1}, w: local_quorum"),
            "f:6: keyspaces[0].w: 'local_quorum': a level that every node can meet: in data center west there is no "
                + "replica of some keys"),
        .init(
            file("", "", top: "partitions: 100\n"),
            "f:6: partitions: '100': 100 partitions: use a power of two, as 256"),
        .init(
            file("", "", top: "partitions: 8\n"),
            "f:6: partitions: '8': 8 partitions are too few for 2 nodes: use at least 8 a node, 16"),
        .init(
            file("", "", top: "secret_file: /nonexistent\n"),
            "f:6: secret_file: '/nonexistent': a file that can be read: No such file or directory"),
    ]

    @Test(arguments: bad) func faultsAreSaid(_ bad: FaultTests.Bad) {
        #expect(FaultTests.faults(bad.text) == bad.lines)
    }

    /// A secret that only its owner can read opens the node ports to other machines.
    @Test func aSecretIsReadIfItIsKept() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let secret = folder.appendingPathComponent("secret").path
        let text = Self.file("node_listen: 192.0.2.1:17001", top: "secret_file: secret\n")
        func write(_ secretText: String, mode: Int) throws {
            try Data(secretText.utf8).write(to: URL(fileURLWithPath: secret))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: secret)
        }
        func refusal() throws -> String {
            let error = #expect(throws: ConfigurationFaults.self) { try Self.parse(text, file: folder.path + "/f") }
            return error?.faults.map(\.allowed).joined() ?? ""
        }
        try write("correct horse battery staple\n", mode: 0o600)
        let cluster = try Self.parse(text, file: folder.path + "/f")
        #expect(cluster.secret == Array("correct horse battery staple".utf8))
        #expect(cluster.nodes[0].nodeAddress.host == "192.0.2.1")
        try write("correct horse battery staple\n", mode: 0o640)
        #expect(try refusal().contains("chmod 600"))
        try write("short\n", mode: 0o400)
        #expect(try refusal() == "a file of 16 to 4096 bytes; this one has 5")
    }
}
