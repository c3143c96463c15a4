import MartletRuntime
import Testing

@testable import MartletSimulator

/// A node that has taken on as much as it can says so before it begins anything, and takes up again by itself.
@Suite struct LoadSimulationTests {
    @Test(arguments: [false, true]) func beyondItsMemoryANodeTakesNoMoreValues(readsMayBlock: Bool) {
        let used = Lock(1000)
        FailedCommitTests.play(
            seed: 5, readsMayBlock: readsMayBlock, memoryLimit: 3200, usedMemory: { used.withLock { $0 } }
        ) { play in
            let refusal = "-OOM command not allowed when used memory > 'maxmemory'."
            #expect(await play.call("SET", "a", "1") == ["+OK"])
            #expect(await play.call("SET", "b", "2") == ["+OK"])
            used.withLock { $0 = 3201 }
            await play.pause(.milliseconds(200))
            #expect(await play.call("SET", "a", "3") == [refusal])
            #expect(await play.call("INCR", "a") == [refusal])
            #expect(await play.call("MSET", "a", "3", "b", "4", "c", "5", "d", "6", "e", "7") == [refusal])
            #expect(await play.call("GET", "a", lines: 2) == ["$1", "1"])
            #expect(await play.call("PING") == ["+PONG"])
            #expect(await play.call("DEL", "b") == [":1"], "what makes room is allowed")
            used.withLock { $0 = 3150 }
            await play.pause(.milliseconds(200))
            #expect(await play.call("SET", "a", "3") == [refusal], "just below the limit it does not change its mind")
            used.withLock { $0 = 3100 }
            await play.pause(.milliseconds(200))
            #expect(await play.call("SET", "a", "3") == ["+OK"])
        }
    }

    @Test func aDiskThatDoesNotKeepUpIsHandedNoMoreThanItsBacklog() {
        FailedCommitTests.play(seed: 6, workers: 1) { play in
            #expect(await play.call("SET", "a", "1") == ["+OK"])
            play.disk.stalledUntil = play.executor.now.advanced(by: .seconds(20))
            // Four times what may wait, over four connections.
            let value = String(repeating: "v", count: 1000)
            let begun = play.executor.now
            var clients: [RawClient] = []
            for _ in 0..<4 { clients.append(await RawClient.connect(on: play.client.loop)) }
            let replies = await withTaskGroup(of: [String].self) { group in
                for client in clients {
                    let text = (0..<1000).map { resp(["SET", "k\($0)", value]) }.joined()
                    group.addTask { await client.call(text, lines: 1000) }
                }
                group.addTask {
                    await play.pause(.seconds(5))
                    #expect(await play.call("GET", "a", lines: 2) == ["$1", "1"], "reads go on")
                    #expect(play.executor.now.since(begun) < .seconds(6), "and wait for nobody")
                    let reply = await play.call("SET", "a", "2")
                    let time = play.executor.now.since(begun)
                    #expect(reply[0].hasPrefix("-BUSY the disk does not keep up"), "\(reply) after \(time)")
                    return []
                }
                return await group.reduce(into: []) { $0 += $1 }
            }
            for client in clients { client.close() }
            let refused = replies.count { $0.hasPrefix("-BUSY") }
            #expect(replies.count == 4000 && refused > 1000 && refused < 3500, "\(refused) of \(replies.count)")
            #expect(replies.allSatisfy { $0 == "+OK" || $0.hasPrefix("-BUSY") })
            #expect(play.executor.now.since(begun) >= .seconds(20), "what was taken is answered once it is done")
            #expect(await play.call("SET", "a", "2") == ["+OK"], "and then it takes more")
        }
    }

    @Test func aFailedSyncIsToldToWhoRunsTheNode() {
        let failures = Lock<[StorageError.Code]>([])
        FailedCommitTests.play(seed: 7, failed: { error in failures.withLock { $0.append(error.code) } }) { play in
            #expect(await play.call("SET", "a", "1") == ["+OK"])
            play.disk.failNextSync = true
            #expect(await play.call("SET", "a", "2")[0].hasPrefix("-UNKNOWN"))
            #expect(await play.call("SET", "a", "3")[0].hasPrefix("-BUSY"))
        }
        #expect(failures.withLock { $0.first } == .inputOutput)
    }
}

extension FailedCommitTests.Play {
    func pause(_ duration: Duration) async {
        let loop = client.loop
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            loop.post { loop.schedule(after: duration) { done.resume() } }
        }
    }
}
