import Foundation
import Glibc
import MartletClient
import MartletRuntime
import Synchronization
import Testing

@testable import MartletLauncher

#if LMDB && RocksDB
    extension RealProcesses {
        /// kill -9 of one node after another at any moment, under writes: no acknowledged write is lost, whatever the
        /// node's backend.
        @Suite(.serialized, .timeLimit(.minutes(15)))
        struct ClusterKillTests {
            /// `MARTLET_KILL_ROUNDS=50` runs more of them.
            static let rounds = ProcessInfo.processInfo.environment["MARTLET_KILL_ROUNDS"].flatMap { Int($0) } ?? 6
            private static let writers = 6
            private static let keysPerWriter = 20

            @Test func nothingAcknowledgedIsLost() async throws {
                let cluster = try LaunchedCluster()
                var acknowledged: [String: Int] = [:]
                for round in 0..<Self.rounds {
                    // Only one node at a time is without its data: the former has found back.
                    #expect(await cluster.isWell(), "round \(round): \(cluster.logged.suffix(2000))")
                    let more = try await write(round, to: cluster)
                    #expect(!more.isEmpty, "round \(round): nothing was acknowledged")
                    acknowledged.merge(more) { max($0, $1) }
                    try await check(acknowledged, in: cluster, after: round)
                }
                #expect(acknowledged.count == Self.writers * Self.keysPerWriter)
                #expect(await cluster.isWell())
                #expect(await cluster.isConverged(), "\(cluster.logged.suffix(2000))")
                print("\(Self.rounds) rounds, \(acknowledged.count) keys")
            }

            private final class Progress: Sendable {
                let writes = Atomic<Int>(0)
            }

            /// A write that was not acknowledged may have been applied: only a lower value is a loss.
            private func check(_ acknowledged: [String: Int], in cluster: LaunchedCluster, after round: Int)
                async throws
            {
                let client = try await cluster.client((round + 1) % 3)
                for (key, number) in acknowledged {
                    let found = try await client.call(["GET", key]).number
                    #expect((found ?? -1) >= Int64(number), "round \(round): \(key) is \(found ?? -1), not \(number)")
                }
                await client.close()
            }

            /// Has writers count up their keys through all nodes while one is killed, and a while after; answers what
            /// was acknowledged.
            private func write(_ round: Int, to cluster: LaunchedCluster) async throws -> [String: Int] {
                let progress = Progress()
                let goal = 150 + round * 37 % 200
                let killed = cluster.members[round % 3].name
                return try await withThrowingTaskGroup(of: [String: Int].self) { group in
                    for writer in 0..<Self.writers {
                        group.addTask {
                            let client = try await cluster.client(writer % 3)
                            var acknowledged: [String: Int] = [:]
                            var number = 0
                            while progress.writes.load(ordering: .relaxed) < goal * 2 {
                                let key = "w\(writer)-\(number % Self.keysPerWriter)"
                                let value = round * 1_000_000 + number
                                number += 1
                                let isDone =
                                    (try? await client.call(["SET", key, "\(value)"], deadline: .seconds(3))) != nil
                                if isDone { acknowledged[key] = value }
                                let done = progress.writes.add(1, ordering: .relaxed).newValue
                                // Once more before it has found back, in every other round.
                                if done == goal || done == goal * 3 / 2 && round % 2 == 1 { cluster.kill(killed) }
                            }
                            await client.close()
                            return acknowledged
                        }
                    }
                    var all: [String: Int] = [:]
                    for try await part in group { all.merge(part) { max($0, $1) } }
                    return all
                }
            }
        }
    }
#endif
