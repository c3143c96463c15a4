import MartletCore
import MartletNode
import MartletRuntime
import MartletServer
import MartletSimulator
import Testing

/// A commit that fails fails every command that waits for it, and nobody goes on with what it wrote.
@Suite struct FailedCommitTests {
    /// A node of four workers over a simulated disk, and a script that talks to it.
    struct Play: Sendable {
        var disk: SimulatedDisk
        var executor: SimulationExecutor
        var client: RawClient
        var other: RawClient

        /// Sends a command and answers its lines.
        func call(_ words: String..., lines: Int = 1) async -> [String] { await client.call(resp(words), lines: lines) }
    }

    static func play(
        seed: UInt64, readsMayBlock: Bool = false, keyspaces: Int = 1, workers: Int = 4, memoryLimit: Int = 0,
        usedMemory: @escaping @Sendable () -> Int = { 0 },
        failed: @escaping @Sendable (StorageError) -> Void = { _ in },
        _ script: @escaping @Sendable (Play) async -> Void
    ) {
        let executor = SimulationExecutor(seed: seed)
        let network = SimulatedNetwork(executor)
        let disk = SimulatedDisk(SimulatedDisk.Settings(readsMayBlock: readsMayBlock), on: executor)
        let world = SimulatedEnvironment.make(on: executor, network: network, workers: workers, disk: disk)
        let host = world.makeNeighbour(workers: 1)
        let isDone = Lock(false)
        world.environment.spawn("node") {
            do {
                var settings = NodeSettings(cluster: "sim", name: "n1", durability: .always)
                settings.workers = workers
                settings.keyspaces = (0..<keyspaces).map { KeyspaceSettings(id: UInt32($0), name: "k\($0)") }
                settings.memoryLimit = memoryLimit
                settings.backlogLimit = 1 << 20
                var opening = NodeOpening(kind: disk.kind, path: "")
                opening.noteFailure = failed
                var environment = world.environment
                environment.usedMemory = usedMemory
                let node = try Node.open(settings, opening, in: environment)
                await node.start()
                let server = try await Server.open(Server.Settings(address: serverAddress), for: node)
                await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                    host.environment.spawn("script") {
                        let client = await RawClient.connect(on: host.loops[0])
                        let other = await RawClient.connect(on: host.loops[0])
                        await script(Play(disk: disk, executor: executor, client: client, other: other))
                        client.close()
                        other.close()
                        done.resume()
                    }
                }
                disk.isFull = false
                await server.drain()
                try? await node.stop()
                isDone.withLock { $0 = true }
            } catch {
                Issue.record("\(error)")
            }
        }
        executor.run(for: .seconds(60))
        #expect(isDone.withLock { $0 }, "seed \(seed): a command or the node's stop hangs")
    }

    @Test(arguments: [false, true]) func fullDiskRefusesEveryKindOfWrite(readsMayBlock: Bool) {
        for seed in 0..<10 as Range<UInt64> {
            Self.play(seed: seed, readsMayBlock: readsMayBlock, keyspaces: 2) { play in
                let pairs = ["a", "1", "b", "2", "c", "3", "d", "4"]
                #expect(await play.client.call(resp(["MSET"] + pairs), lines: 1) == ["+OK"])
                play.disk.isFull = true
                let again = ["a", "5", "b", "6", "c", "7", "d", "8"]
                #expect(await play.call("SET", "a", "9")[0].hasPrefix("-OOM"))
                #expect(await play.client.call(resp(["MSET"] + again), lines: 1)[0].hasPrefix("-OOM"))
                #expect(await play.call("DEL", "a", "b", "c", "d")[0].hasPrefix("-OOM"))
                #expect(await play.call("FLUSHDB")[0].hasPrefix("-OOM"))
                #expect(await play.call("FLUSHALL")[0].hasPrefix("-OOM"))
                let expected = ["*4", "$1", "1", "$1", "2", "$1", "3", "$1", "4"]
                #expect(await play.call("MGET", "a", "b", "c", "d", lines: 9) == expected, "seed \(seed)")
                play.disk.isFull = false
                #expect(await play.call("FLUSHALL") == ["+OK"])
                #expect(await play.call("MGET", "a", "b", lines: 3) == ["*2", "$-1", "$-1"])
            }
        }
    }

    @Test func failedSyncFailsTheCommandThatWaits() {
        for seed in 0..<10 as Range<UInt64> {
            for command in [["SET", "a", "9"], ["MSET", "a", "5", "b", "6"], ["FLUSHDB"], ["FLUSHALL"]] {
                Self.play(seed: seed) { play in
                    #expect(await play.call("MSET", "a", "1", "b", "2") == ["+OK"])
                    play.disk.failNextSync = true
                    #expect(await play.client.call(resp(command), lines: 1)[0].hasPrefix("-UNKNOWN"), "\(command)")
                    #expect(await play.call("SET", "c", "1")[0].hasPrefix("-"))
                    #expect(await play.call("MGET", "a", "b", lines: 5) == ["*2", "$1", "1", "$1", "2"])
                }
            }
        }
    }

    /// A command over several workers that waits for a commit which fails reads what is stored, not what failed.
    @Test(arguments: [false, true]) func whatFailedIsNotReadByThoseWhoWaitedForIt(readsMayBlock: Bool) {
        for seed in 0..<40 as Range<UInt64> {
            Self.play(seed: seed, readsMayBlock: readsMayBlock) { play in
                #expect(await play.call("MSET", "a", "1", "b", "2") == ["+OK"])
                play.disk.stalledUntil = play.executor.now.advanced(by: .milliseconds(200))
                play.disk.isFull = true
                async let refused = play.other.call(resp(["SET", "a", "failed"]), lines: 1)
                async let read = play.call("MGET", "a", "b", lines: 5)
                #expect(await refused[0].hasPrefix("-OOM"), "seed \(seed)")
                #expect(await read == ["*2", "$1", "1", "$1", "2"], "seed \(seed)")
            }
        }
    }

    /// A record that cannot be read is not taken for one that is not there, and is tried again.
    @Test(arguments: [false, true]) func unreadableIsNotAbsent(readsMayBlock: Bool) {
        for seed in 0..<10 as Range<UInt64> {
            Self.play(seed: seed, readsMayBlock: readsMayBlock) { play in
                // Written by one key, so that a command over all of them has to read: what a table holds is not read.
                play.disk.failingReads = 1
                #expect(await play.call("MGET", "a", "b")[0].hasPrefix("-UNKNOWN"), "seed \(seed)")
                play.disk.failingReads = 1
                #expect(await play.call("GET", "c")[0].hasPrefix("-UNKNOWN"), "seed \(seed)")
                #expect(await play.call("MGET", "a", "b", "c", lines: 4) == ["*3", "$-1", "$-1", "$-1"])
                #expect(await play.call("SET", "c", "1") == ["+OK"])
            }
        }
    }
}

/// A command as clients send it.
func resp(_ words: [String]) -> String {
    "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
}
