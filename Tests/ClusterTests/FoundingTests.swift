import Foundation
import Glibc
import Testing

@testable import MartletLauncher

#if LMDB && RocksDB
    extension RealProcesses {
        /// A node whose file says otherwise than its cluster was founded with is refused, and told what differs.
        @Suite(.serialized, .timeLimit(.minutes(2)))
        struct FoundingTests {
            private final class Folder {
                let url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
                init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
                deinit { try? FileManager.default.removeItem(at: url) }

                func file(_ name: String, _ text: String) throws -> String {
                    let path = url.appendingPathComponent(name).path
                    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                    return path
                }
            }

            /// Runs one node until it ends, or until `isEnough` of what it logged; its log and exit code.
            private func run(
                _ node: String, _ file: String, in folder: Folder, until isEnough: (String) -> Bool
            ) throws -> (log: String, code: Int32) {
                let (process, pipe) = try start(node, file, in: folder)
                var log = ""
                while !isEnough(log) {
                    let more = pipe.fileHandleForReading.availableData
                    if more.isEmpty { break }
                    log += String(decoding: more, as: UTF8.self)
                }
                if process.isRunning { process.terminate() }
                process.waitUntilExit()
                return (log, process.terminationStatus)
            }

            private func start(_ node: String, _ file: String, in folder: Folder) throws -> (Process, Pipe) {
                let process = Process()
                let pipe = Pipe()
                process.executableURL = URL(fileURLWithPath: try #require(LaunchedCluster.product))
                process.arguments = ["launch", file, "--node", node, "--data", folder.url.path]
                process.standardOutput = FileHandle.nullDevice
                process.standardError = pipe
                try process.run()
                return (process, pipe)
            }

            @Test(arguments: ["lmdb", "rocksdb"]) func theDataRefuseIt(node: String) throws {
                let folder = try Folder()
                let ports = LaunchedCluster.freePorts()
                let founded = try folder.file("founded.yaml", LaunchedCluster.text(ports, settings: ["n: 3"]))
                let other = try folder.file("other.yaml", LaunchedCluster.text(ports, settings: ["n: 2"]))
                #expect(
                    try run(node, founded, in: folder, until: { $0.contains("no link to node") }).code == ExitCode.ok)
                let (log, code) = try run(node, other, in: folder, until: { _ in false })
                #expect(code == ExitCode.configuration)
                #expect(log.contains("the cluster was founded with other settings"), "\(log)")
                #expect(log.contains("replicas of keyspace default: 2 here, 3 there"), "\(log)")
            }

            @Test func thePeersRefuseIt() throws {
                let folder = try Folder()
                let ports = LaunchedCluster.freePorts()
                let founded = try folder.file("founded.yaml", LaunchedCluster.text(ports, settings: ["n: 3"]))
                let other = try folder.file("other.yaml", LaunchedCluster.text(ports, settings: ["n: 2"]))
                let (peer, _) = try start("lmdb", founded, in: folder)
                defer {
                    peer.terminate()
                    peer.waitUntilExit()
                }
                let (log, code) = try run(
                    "memory", other, in: folder, until: { $0.contains("refuses a link") || $0.contains("link with") })
                #expect(code == ExitCode.ok)
                #expect(log.contains("replicas of keyspace default: 2 here, 3 there"), "\(log)")
            }
        }
    }
#endif
