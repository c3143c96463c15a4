import Foundation
import Glibc
import MartletClient
import MartletRuntime
import Testing

@testable import MartletLauncher

#if LMDB && RocksDB
    extension RealProcesses {
        /// The cluster of three backends as it is launched: one process a node.
        @Suite(.serialized, .timeLimit(.minutes(4)))
        struct ThreeBackendTests {
            @Test func aKeyWrittenThroughOneNodeIsReadThroughTheOthers() async throws {
                let cluster = try LaunchedCluster()
                #expect(await cluster.isWell())
                for writer in 0..<3 {
                    let client = try await cluster.client(writer)
                    for key in 0..<20 { _ = try await client.call(["SET", "k\(writer)-\(key)", "\(key)"]) }
                    await client.close()
                }
                for reader in 0..<3 {
                    let client = try await cluster.client(reader)
                    for writer in 0..<3 {
                        for key in 0..<20 {
                            #expect(try await client.call(["GET", "k\(writer)-\(key)"]).text == "\(key)")
                        }
                    }
                    await client.close()
                }
                #expect(await cluster.isConverged())
                let report = try await cluster.inquiry.explain("k0-0")
                #expect(report.code == ExitCode.ok)
                #expect(report.lines.contains("all 3 owners hold the same record"))
                #expect(cluster.end() == ExitCode.ok)
            }

            /// Reads and writes need two of three: they go on at once, and what the third missed comes to it by itself.
            @Test(arguments: 0..<3) func quorumsGoOnWithoutANodeWhichFindsBack(killed: Int) async throws {
                let cluster = try LaunchedCluster()
                #expect(await cluster.isWell())
                let others = (0..<3).filter { $0 != killed }
                let clients = [try await cluster.client(others[0]), try await cluster.client(others[1])]
                for key in 0..<100 { _ = try await clients[key % 2].call(["SET", "before\(key)", "\(key)"]) }
                let name = cluster.members[killed].name
                cluster.kill(name)
                for key in 0..<300 {
                    _ = try await clients[key % 2].call(["SET", "during\(key)", "\(key)"])
                    #expect(try await clients[(key + 1) % 2].call(["GET", "during\(key)"]).text == "\(key)")
                    #expect(try await clients[key % 2].call(["GET", "before\(key % 100)"]).text == "\(key % 100)")
                    if key == 100 { cluster.kill(name) }  // the next one, if it has come up by then
                }
                #expect(await cluster.isWell(), "\(cluster.logged)")
                #expect(await cluster.isConverged(), "\(cluster.logged)")
                let client = try await cluster.client(killed)
                for key in 0..<300 { #expect(try await client.call(["GET", "during\(key)"]).text == "\(key)") }
                for client in clients + [client] { await client.close() }
            }

            @Test func statusSaysWhatIsWrong() async throws {
                let cluster = try LaunchedCluster()
                #expect(await cluster.isWell())
                // Stopped, not killed: the supervisor would start it again.
                cluster.signal("lmdb", SIGSTOP)
                var report = try await cluster.inquiry.status().report
                #expect(report.code == ExitCode.failed)
                #expect(report.lines[1].hasPrefix("WRONG: node lmdb cannot be reached at "))
                cluster.signal("rocksdb", SIGSTOP)
                report = try await cluster.inquiry.status().report
                #expect(report.code == ExitCode.quorumNotMet)
                let short = "reads by quorum need more owners than are left of 64 of 64 partitions"
                #expect(report.lines[1].contains(short))
                cluster.signal("lmdb", SIGCONT)
                cluster.signal("rocksdb", SIGCONT)
                #expect(await cluster.isWell())
                cluster.signal("lmdb", SIGSTOP)
                #expect(cluster.end() == ExitCode.ok, "a stopped node ends with the others")
            }
        }
    }
#endif
