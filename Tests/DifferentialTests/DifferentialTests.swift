import Glibc
import Testing

/// The same random commands to a Redis 7.0.15 and to a node, over every backend: the replies are the same bytes.
///
/// What may differ by right is named in ``Comparison``, and where the generator says so. Left out are: the commands of
/// only one of the two; what CLUSTER answers, which Redis refuses outside a cluster; HELP texts, which name what there
/// is; OBJECT ENCODING after APPEND, SETRANGE and INCRBYFLOAT, since no such history is kept here; SCAN's pages, whose
/// cursors are each server's own; and what goes beyond Martlet's limits of keys and pairs.
@Suite(.serialized, .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct DifferentialTests {
    /// Streams that found something once.
    private static let found: [UInt64] = [
        2_418_663_899_169_742_703, 7_955_569_169_174_142, 10_387_933_151_512_055_969, 14_095_706_658_404_882_017,
        9_856_617_865_114_415_951,
    ]

    /// Streams of fixed seeds; with `MARTLET_DIFFERENTIAL_STREAMS`, as many of them and as many fresh ones.
    private static var seeds: [UInt64] {
        guard let count = getenv("MARTLET_DIFFERENTIAL_STREAMS").flatMap({ UInt64(String(cString: $0)) }) else {
            return found + Array(1...8)
        }
        return found + Array(1...max(1, count)) + (0..<count).map { _ in UInt64.random(in: .min ... .max) }
    }

    private static let commandsPerStream = 300

    @Test(arguments: NodeUnderTest.all)
    func answersAsRedis(node: NodeUnderTest) async throws {
        let redis = try RedisServer.start()
        try await node.run { port in
            for seed in Self.seeds {
                let difference = try Stream(
                    seed: seed, reference: try WirePeer(port: redis.port), subject: try WirePeer(port: port)
                ).run(Self.commandsPerStream)
                #expect(difference == nil, "\(difference.map(\.description) ?? "")")
            }
        }
    }

    /// The generator's instants and comparisons hold: two Redis servers agree.
    @Test func redisAgreesWithItself() throws {
        let one = try RedisServer.start()
        let other = try RedisServer.start()
        for seed in Self.seeds {
            let difference = try Stream(
                seed: seed, reference: try WirePeer(port: one.port), subject: try WirePeer(port: other.port)
            ).run(Self.commandsPerStream)
            #expect(difference == nil, "\(difference.map(\.description) ?? "")")
        }
    }

    /// A stream in which the two differ is seen as such.
    @Test func aDifferenceIsFound() throws {
        let one = try RedisServer.start()
        let other = try RedisServer.start()
        let stream = Stream(seed: 1, reference: try WirePeer(port: one.port), subject: try WirePeer(port: other.port))
        #expect(try stream.run(50) == nil)
        _ = try Wire(port: other.port).run("SET", "k0", "only here")
        let difference = try stream.compareContents()
        #expect(difference != nil)
    }
}
