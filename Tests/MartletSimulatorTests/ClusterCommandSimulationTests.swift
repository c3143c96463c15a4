import MartletRuntime
import Testing

@testable import MartletSimulator

/// What nodes say of their cluster, in virtual time.
@Suite struct ClusterCommandSimulationTests {
    @Test func ownersAreAskedWhatTheyHold() {
        let replies = Lock<[String]>([])
        let notes = CatchUpSimulationTests.run(seed: 5, [.memory, .disk(.always), .disk(.none)]) { world, note in
            _ = await world.call(0, ["SET", "k", "value"])
            await world.pause(.seconds(1))
            for node in 0..<3 {
                let reply = await world.call(node, ["MARTLET.CLUSTER", "EXPLAIN", "k"])
                replies.withLock { $0.append(reply) }
            }
            world.crash(2)
            await world.pause(.seconds(1))
            let reply = await world.call(0, ["MARTLET.CLUSTER", "EXPLAIN", "k"])
            replies.withLock { $0.append(reply) }
        }
        #expect(notes.done)
        let all = replies.withLock { $0 }
        #expect(all.count == 4)
        for reply in all.prefix(3) {
            #expect(reply.split(separator: "$holds$record", omittingEmptySubsequences: false).count == 4, "\(reply)")
            #expect(reply.contains("$level$memtable") && reply.contains("$level$record_cache"), "\(reply)")
        }
        #expect(all.last?.contains("$holds$cannot be reached") == true, "\(all)")
    }

    @Test func digestsAreEqualOnceReplicasAre() {
        let replies = Lock<[String]>([])
        let notes = CatchUpSimulationTests.run(seed: 6, [.memory, .disk(.always), .disk(.none)]) { world, note in
            for key in 0..<50 { _ = await world.call(key % 3, ["SET", "k\(key)", "value"]) }
            await world.pause(.seconds(2))
            for node in 0..<3 {
                let reply = await world.call(node, ["MARTLET.CLUSTER", "DIGEST"])
                replies.withLock { $0.append(reply) }
            }
        }
        #expect(notes.done)
        let digests = replies.withLock { $0 }.map {
            $0.split(separator: "$records", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        }
        #expect(digests.count == 3 && Set(digests).count == 1, "\(digests)")
        #expect(digests[0].hasPrefix(":50"))
    }

    @Test func statusTellsOfLinksAndPartitions() {
        let replies = Lock<[String]>([])
        let notes = CatchUpSimulationTests.run(seed: 7, [.memory, .memory, .memory]) { world, note in
            let before = await world.call(0, ["MARTLET.CLUSTER", "STATUS"])
            world.crash(1)
            await world.pause(.seconds(3))
            let after = await world.call(0, ["MARTLET.CLUSTER", "STATUS"])
            replies.withLock { $0 = [before, after] }
        }
        #expect(notes.done)
        let (before, after) = replies.withLock { ($0[0], $0[1]) }
        #expect(before.contains("$caught_up:256") && before.contains("$in_need:0"), "\(before)")
        #expect(before.split(separator: "$link$up", omittingEmptySubsequences: false).count == 3, "\(before)")
        #expect(after.split(separator: "$link$up", omittingEmptySubsequences: false).count == 2, "\(after)")
        #expect(after.contains("$link$down$since_seconds:"), "\(after)")
    }
}
