import Foundation
import Glibc
import MartletClient
import Testing

@testable import MartletLauncher

#if LMDB && RocksDB
    extension RealProcesses {
        /// One node more than a key has owners: it stands in for one that does not answer, and hands over what it kept.
        @Suite(.serialized, .timeLimit(.minutes(4)))
        struct HintTests {
            private static let keys = 400

            /// Stopped: its links stay open, it does not answer. The stand-in is killed while it holds hints.
            @Test func whatAStoppedNodeMissedIsKeptAndHandedOver() async throws {
                let cluster = try LaunchedCluster(nodes: [
                    ("memory", "memory"), ("lmdb", "lmdb"), ("rocksdb", "rocksdb"), ("other", "lmdb"),
                ])
                #expect(await cluster.isWell())
                let client = try await cluster.client(0)
                for key in 0..<Self.keys { _ = try await client.call(["SET", "k\(key)", "old"]) }
                cluster.signal("lmdb", SIGSTOP)
                // Until it is doubted, what it coordinates for others is not answered.
                #expect(await Self.isDoubted("lmdb", by: 3, in: cluster))
                for key in 0..<Self.keys {
                    let reply = try await client.call(["SET", "k\(key)", "new"], deadline: .seconds(5))
                    #expect(reply.text == "OK")
                }
                var held = 0
                for index in [0, 2, 3] { held += try await Self.count("hints_held", at: index, of: cluster) }
                // Three of four nodes own a key: so many, about, of three quarters of the keys.
                #expect(held > Self.keys / 2, "\(held) hints of \(Self.keys) keys are held")
                cluster.kill("other")
                #expect(await LaunchedCluster.wait { (try? await cluster.client(3)) != nil })
                cluster.signal("lmdb", SIGCONT)
                #expect(await cluster.isWell(), "\(cluster.logged.suffix(2000))")
                #expect(await Self.areHintsGone(from: cluster), "\(cluster.logged.suffix(2000))")
                #expect(await cluster.isConverged(), "\(cluster.logged.suffix(2000))")
                let returned = try await cluster.client(1)
                for key in 0..<Self.keys { #expect(try await returned.call(["GET", "k\(key)"]).text == "new") }
                for client in [client, returned] { await client.close() }
            }

            private static func isDoubted(_ name: String, by count: Int, in cluster: LaunchedCluster) async -> Bool {
                await LaunchedCluster.wait {
                    cluster.logged.components(separatedBy: "node \(name) is suspect").count > count
                }
            }

            /// Waits until no node holds hints.
            private static func areHintsGone(from cluster: LaunchedCluster) async -> Bool {
                await LaunchedCluster.wait {
                    for index in cluster.members.indices {
                        guard (try? await count("hints_held", at: index, of: cluster)) == 0 else { return false }
                    }
                    return true
                }
            }

            /// A number of a node's INFO.
            private static func count(_ name: String, at index: Int, of cluster: LaunchedCluster) async throws -> Int {
                let client = try await cluster.client(index)
                let text = try await client.call(["INFO"]).text ?? ""
                await client.close()
                let line = text.split(separator: "\r\n").first { $0.hasPrefix(name + ":") }
                return try #require(line.flatMap { Int($0.dropFirst(name.count + 1)) }, "INFO says no \(name)")
            }
        }
    }
#endif
