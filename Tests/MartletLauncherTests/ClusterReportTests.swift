import Testing

@testable import MartletClient
@testable import MartletLauncher

/// What `martlet cluster` prints of what nodes answer, and its exit codes.
@Suite struct ClusterReportTests {
    private static func map(_ pairs: KeyValuePairs<String, Reply>) -> Reply {
        .map(pairs.map { Reply.Entry(key: .simple($0), value: $1) })
    }

    private static let names = ["a", "b", "c"]

    private static func member(_ name: String) -> MemberFacts {
        MemberFacts(map(["name": .simple(name), "clients": .simple("127.0.0.1:\(name)")]))
    }

    private static func node(_ name: String, inNeed: Int64 = 0, lost: Int64 = 0, down: String? = nil) -> NodeStatus {
        let keyspace = map([
            "name": .simple("default"), "n": .integer(3), "r": .simple("quorum"), "w": .simple("2"),
            "records": .integer(7), "partitions": .integer(8), "in_need": .integer(inNeed), "lost": .integer(lost),
        ])
        let peers = names.filter { $0 != name }.map { peer in
            map([
                "name": .simple(peer), "link": .simple(peer == down ? "down" : "up"), "since_seconds": .integer(200),
            ])
        }
        return NodeStatus(
            map([
                "cluster": .simple("test"), "node": .simple(name), "epoch": .integer(1), "founding": .simple("f"),
                "keyspaces": .array([keyspace]), "peers": .array(peers),
            ]))
    }

    private static let ring = ClusterRing(
        map([
            "keyspace": .simple("default"), "partitions": .integer(8), "n": .integer(3),
            "ranges": .array([.array([.integer(0), .integer(16383)] + names.map { .simple($0) })]),
        ]))

    private static let silence = MartletError(.cannotConnect, .notApplied, "cannot connect to 127.0.0.1:c: refused")

    private static func report(_ answers: [Result<NodeStatus, MartletError>]) -> ClusterReport {
        ClusterStatus(nodes: zip(names.map(member), answers).map { ($0, $1) }, rings: [ring]).report
    }

    @Test func allIsWell() {
        let report = Self.report(Self.names.map { .success(Self.node($0)) })
        #expect(report.code == ExitCode.ok)
        #expect(report.lines[0] == "cluster test: 3 nodes, epoch 1, founding digest f")
        #expect(report.lines[1] == "all is well")
    }

    @Test func oneNodeThatIsSilentLeavesAQuorum() {
        let report = Self.report([
            .success(Self.node("a", down: "c")), .success(Self.node("b")), .failure(Self.silence),
        ])
        #expect(report.code == ExitCode.failed)
        #expect(report.lines[1] == "WRONG: node c cannot be reached at 127.0.0.1:c: refused")
        #expect(report.lines[2].isEmpty, "the link to a silent node is not said as well")
    }

    @Test func twoNodesThatAreSilentLeaveNone() {
        let report = Self.report([.success(Self.node("a")), .failure(Self.silence), .failure(Self.silence)])
        #expect(report.code == ExitCode.quorumNotMet)
        #expect(
            report.lines[1]
                == "WRONG: keyspace default: reads by quorum need more owners than are left of 8 of 8 partitions")
    }

    @Test func nodesTellOfTheirTroubles() {
        let report = Self.report([
            .success(Self.node("a", inNeed: 3)), .success(Self.node("b", lost: 2, down: "c")),
            .success(Self.node("c")),
        ])
        #expect(report.code == ExitCode.failed)
        #expect(report.lines[1].contains("node a: keyspace default: 3 of 8 partitions are not caught up"))
        #expect(report.lines[2].contains("node b: keyspace default: 2 partitions came up from too few owners"))
        #expect(report.lines[3] == "WRONG: node b: the link with c is down since 3 min")
    }

    @Test func digestsThatDifferAreFound() {
        func digests(_ sum: String) -> NodeDigests {
            NodeDigests(
                Self.map([
                    "records": .integer(1), "digest": .simple(sum),
                    "partitions": .array([.array([.integer(5), .integer(1), .simple(sum)])]),
                ]))
        }
        let equal = ClusterDigests(
            ring: Self.ring, nodes: Self.names.map { (Self.member($0), .success(digests("x"))) })
        #expect(equal.isEqual && equal.report.code == ExitCode.ok)
        var other = equal
        other.nodes[2].answer = .success(digests("y"))
        #expect(other.differing == [5])
        #expect(other.report.code == ExitCode.failed)
        other.nodes[2].answer = .failure(Self.silence)
        #expect(other.differing.isEmpty && !other.isEqual)
    }

    @Test func explanationsTellWhatDiffers() {
        func owner(_ name: String, _ holds: String, _ digest: String, isCaughtUp: Bool = true) -> Reply {
            Self.map([
                "name": .simple(name), "holds": .simple(holds), "level": .simple("block_cache"),
                "digest": .simple(digest), "caught_up": .boolean(isCaughtUp),
            ])
        }
        func report(_ owners: [Reply]) -> ClusterReport {
            let reply = Self.map(["slot": .integer(5), "keyspace": .simple("default"), "owners": .array(owners)])
            return KeyExplanation(reply, key: "k", in: Self.node("a")).report
        }
        let same = report([owner("a", "record", "1"), owner("b", "record", "1")])
        #expect(same.code == ExitCode.ok && same.lines[1] == "all 2 owners hold the same record")
        #expect(same.lines.contains { $0.contains("block cache") })
        let different = report([owner("a", "record", "1"), owner("b", "record", "2", isCaughtUp: false)])
        #expect(different.code == ExitCode.failed)
        #expect(different.lines[1].hasPrefix("WRONG: b is not caught up"))
        #expect(different.lines[2] == "WRONG: the owners do not hold the same")
        #expect(report([owner("a", "nothing", "0"), owner("b", "nothing", "0")]).code == ExitCode.notFound)
        let silent = Self.map(["name": .simple("a"), "holds": .simple("cannot be reached")])
        #expect(report([silent]).code == ExitCode.quorumNotMet)
    }
}
