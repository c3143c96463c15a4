import MartletConfiguration
import MemoryBackend
import Testing

@testable import MartletLauncher

/// What `martlet check` says of valid files.
@Suite struct ClusterExplanationTests {
    private func keyspaceLine(_ nodes: [String], _ keyspace: String) throws -> String {
        let text =
            "cluster: c\ndefaults: {storage: {backend: memory}}\nkeyspaces: [{name: k, \(keyspace)}]\nnodes:\n"
            + nodes.enumerated().map { "  - {name: n\($0), \($1)}\n" }.joined()
        let cluster = try ClusterConfiguration.parse(Array(text.utf8), file: "f", kinds: [.memory])
        return try #require(try ClusterExplanation(cluster).lines.last)
    }

    @Test func sharesAreCounted() throws {
        let text =
            "cluster: c\ndefaults: {storage: {backend: memory}}\nnodes: [{name: a}, {name: b}, {name: c, weight: 2}]\n"
        let cluster = try ClusterConfiguration.parse(
            Array((text + "keyspaces: [{name: k, n: 1}, {name: l, n: 3}]\n").utf8), file: "f", kinds: [.memory])
        let lines = try ClusterExplanation(cluster).lines
        #expect(lines.count == 6)
        #expect(lines[0].hasPrefix("cluster c: 3 nodes, 256 partitions, founding digest "))
        #expect(lines[1].hasSuffix("64 partitions of k (first owner of 64), 256 partitions of l (first owner of 85)"))
        #expect(lines[3].contains("id 3, weight 2"))
        #expect(lines[3].contains("128 partitions of k"))
    }

    @Test func failuresThatMajoritiesRideOut() throws {
        let racks = ["rack: a", "rack: b", "rack: c", "rack: c"]
        #expect(
            try keyspaceLine(racks, "n: 3").contains(
                "reads and writes go on with any 1 node, or any rack down; sloppy: beyond that, writes go on with 1 other"
            ))
        #expect(try keyspaceLine(["rack: a", "rack: a", "rack: b"], "n: 3").hasSuffix("go on with any 1 node down"))
        #expect(
            try keyspaceLine(racks, "n: 3, r: one, w: all, sloppy: false").hasSuffix(
                "reads go on with any 2 nodes, or any rack down; writes need every owner of a key"))
    }

    @Test func failuresOfDataCenters() throws {
        let centers = ["east", "east", "east", "west", "west", "west"].map { "data_center: \($0)" }
        let spread = "replicas: {east: 3, west: 3}, sloppy: false"
        #expect(
            try keyspaceLine(centers, spread + ", r: local_quorum, w: each_quorum").hasSuffix(
                "reads go on with any 1 node, or any data center down; writes go on with any 1 node down"))
        #expect(try keyspaceLine(centers, spread).hasSuffix("reads and writes go on with any 2 nodes down"))
    }
}
