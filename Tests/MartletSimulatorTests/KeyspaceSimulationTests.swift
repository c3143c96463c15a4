import MartletCore
import MartletNode
import MartletRuntime
import MartletServer
import Testing

@testable import MartletSimulator

/// Commands over a whole keyspace of three nodes, in virtual time.
@Suite struct KeyspaceSimulationTests {
    static let seeds: ClosedRange<UInt64> = 1...12

    static func storages(_ seed: UInt64) -> [ThreeNodes.Storage] {
        let disk = ThreeNodes.Storage.disk(.always)
        return [[.memory, .memory, .memory], [.memory, disk, .memory], [disk, disk, disk]][Int(seed % 3)]
    }

    /// Every second run of four has two workers a node.
    static func workers(_ seed: UInt64) -> Int { seed % 4 > 1 ? 2 : 1 }

    static func run(
        seed: UInt64, _ play: @escaping @Sendable (ThreeNodes, @escaping CatchUpSimulationTests.Note) async -> Void
    ) {
        let notes = CatchUpSimulationTests.run(seed: seed, storages(seed), workers: workers(seed), play)
        #expect(notes.faults.isEmpty && notes.done, "seed \(seed): \(notes.faults)")
    }

    /// What a scan found.
    struct Scan {
        var keys: [String] = []
        var pages = 0
        var failures: [String] = []
    }

    /// Walks with SCAN from its beginning to its end, from node to node of `via` if there are several.
    static func scan(
        _ world: ThreeNodes, via nodes: [Int], count: Int, _ options: [String] = [], byPortOf worker: Int? = nil,
        afterPage: @Sendable (Int) async -> Void = { _ in }
    ) async -> Scan {
        var scan = Scan()
        var (cursor, isDone) = ("0", false)
        while !isDone, scan.pages < 2000 {
            let node = nodes[scan.pages % nodes.count]
            let reply = await world.call(
                node, ["SCAN", cursor, "COUNT", "\(count)"] + options, byPortOf: worker)
            scan.pages += 1
            // "*$CURSOR*$KEY$KEY..."
            let parts = reply.split(separator: "*", omittingEmptySubsequences: false)
            if parts.count == 3, parts[0].isEmpty {
                cursor = String(parts[1].dropFirst())
                isDone = cursor == "0"
                scan.keys += parts[2].split(separator: "$").map(String.init)
            } else {
                scan.failures.append(reply)
                await world.pause(.milliseconds(200))
            }
            await afterPage(scan.pages)
        }
        return scan
    }

    static func fill(_ world: ThreeNodes, _ count: Int, _ note: CatchUpSimulationTests.Note) async -> Set<String> {
        var keys: Set<String> = []
        for number in 0..<count {
            let reply = await world.call(number % 3, ["SET", "key-\(number)", "\(number)"])
            if reply != "+OK" { note("SET: \(reply)") }
            keys.insert("key-\(number)")
        }
        return keys
    }

    @Test(arguments: seeds) func thePlainPortsSeeEveryKeyOnceAndTheClusterPortsShareThem(seed: UInt64) {
        Self.run(seed: seed) { world, note in
            var keys = await Self.fill(world, 150, note)
            for number in stride(from: 0, to: 150, by: 5) {
                _ = await world.call(number % 3, ["DEL", "key-\(number)"])
                keys.remove("key-\(number)")
            }
            _ = await world.call(0, ["SET", "gone", "x", "PX", "50"])
            await world.pause(.milliseconds(300))
            for node in 0..<3 {
                for count in [1, 7, 1000] {
                    let scan = await Self.scan(world, via: [node], count: count)
                    if scan.keys.sorted() != keys.sorted() { note("SCAN COUNT \(count) by \(node): \(scan)") }
                    if !scan.failures.isEmpty { note("\(scan.failures)") }
                }
                let all = await world.call(node, ["KEYS", "*"])
                if Set(all.dropFirst(2).split(separator: "$").map(String.init)) != keys { note("KEYS: \(all)") }
                let few = await Self.scan(world, via: [node], count: 10, ["MATCH", "key-1?", "TYPE", "string"])
                if few.keys.sorted() != keys.filter({ $0.count == 6 && $0.hasPrefix("key-1") }).sorted() {
                    note("SCAN MATCH: \(few)")
                }
                let size = await world.call(node, ["DBSIZE"])
                if size != ":\(keys.count)" { note("DBSIZE by \(node): \(size), not \(keys.count)") }
                let some = await world.call(node, ["RANDOMKEY"])
                if !keys.contains(String(some.dropFirst())) { note("RANDOMKEY: \(some)") }
            }
            var shares: [[String]] = []
            for node in 0..<3 {
                for worker in 0..<Self.workers(seed) {
                    let share = await Self.scan(world, via: [node], count: 5, byPortOf: worker).keys
                    let size = await world.call(node, ["DBSIZE"], byPortOf: worker)
                    if share.isEmpty || size != ":\(share.count)" { note("\(node) has \(size) of \(share)") }
                    let any = await world.call(node, ["MGET", "key-1", "key-2"], byPortOf: worker)
                    if any != "*$1$2" { note("by a cluster port: \(any)") }
                    shares.append(share)
                }
            }
            if shares.flatMap({ $0 }).sorted() != keys.sorted() { note("the shares are not all: \(shares)") }
            let flushed = await world.call(0, ["FLUSHDB"], byPortOf: Self.workers(seed) - 1)
            if flushed != "+OK" { note(flushed) }
            shares.remove(at: Self.workers(seed) - 1)
            let rest = await Self.scan(world, via: [2], count: 10)
            if rest.keys.sorted() != shares.flatMap({ $0 }).sorted() { note("FLUSHDB of a share: \(rest)") }
        }
    }

    @Test(arguments: seeds) func scansMissNothingWhileNodesCrashAndComeBack(seed: UInt64) {
        Self.run(seed: seed) { world, note in
            let keys = await Self.fill(world, 120, note)
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for victim in [2, 0, 1] {
                        await world.pause(.milliseconds(30))
                        world.crash(victim)
                        await world.pause(.milliseconds(400))
                        await world.start(victim)
                        for _ in 0..<200 where await world.status(victim)?.inNeed != 0 {
                            await world.pause(.milliseconds(50))
                        }
                    }
                }
                group.addTask {
                    for round in 0..<30 {
                        // Others come and go meanwhile.
                        _ = await world.call(round % 3, ["SET", "other-\(round)", "x"])
                        _ = await world.call(round % 3, ["DEL", "other-\(round - 3)"])
                        await world.pause(.milliseconds(40))
                    }
                }
                for node in 0..<3 {
                    group.addTask {
                        for round in 0..<4 {
                            let scan = await Self.scan(world, via: [node, (node + 1) % 3], count: 9) { _ in
                                await world.pause(.milliseconds(5))
                            }
                            let missed = keys.subtracting(scan.keys)
                            if !missed.isEmpty { note("scan \(round) by \(node) missed \(missed.sorted())") }
                        }
                    }
                }
            }
            for node in 0..<3 {
                let scan = await Self.scan(world, via: [node], count: 20)
                let found = scan.keys.filter { $0.hasPrefix("key") }
                if found.sorted() != keys.sorted() { note("at the end by \(node): \(scan)") }
            }
        }
    }

    @Test(arguments: seeds) func withoutAnOwnerThatCountsAWalkIsRefused(seed: UInt64) {
        Self.run(seed: seed) { world, note in
            _ = await Self.fill(world, 30, note)
            for node in 0..<3 { world.crash(node) }
            for node in 0..<2 {
                world.wipe(node)
                await world.start(node)
            }
            await world.pause(.seconds(1))
            // What the third holds is not known.
            for command in [["SCAN", "0"], ["KEYS", "*"], ["DBSIZE"], ["RANDOMKEY"], ["FLUSHALL"]] {
                let reply = await world.call(0, command)
                if !reply.hasPrefix("-NOQUORUM") { note("\(command): \(reply)") }
            }
            await world.start(2)
            await world.pause(.seconds(2))
            let size = await world.call(0, ["DBSIZE"])
            let isKept = if case .disk = Self.storages(seed)[2] { true } else { false }
            if size != (isKept ? ":30" : ":0") { note("with all there: \(size)") }
        }
    }

    // MARK: Flush

    @Test(arguments: seeds) func aFlushEmptiesAllNodesOrNone(seed: UInt64) {
        Self.run(seed: seed) { world, note in
            _ = await Self.fill(world, 40, note)
            world.crash(2)
            await world.pause(.milliseconds(500))
            let refused = await world.call(0, ["FLUSHDB"])
            if !refused.hasPrefix("-NOQUORUM 2 of 3") { note("with one down: \(refused)") }
            let size = await world.call(1, ["DBSIZE"])
            if size != ":40" { note("nothing was to be flushed: \(size)") }
            await world.start(2)
            await world.pause(.seconds(2))
            let done = await world.call(0, ["FLUSHALL"])
            if done != "+OK" { note("with all up: \(done)") }
            for node in 0..<3 {
                let (size, key) = (await world.call(node, ["DBSIZE"]), await world.call(node, ["GET", "key-3"]))
                if size != ":0" || key != "$-" { note("after it by \(node): \(size), \(key)") }
            }
            // A node that lost all comes back into the later generation before it counts.
            for node in 0..<3 { _ = await world.call(node, ["SET", "new-\(node)", "x"]) }
            for victim in 0..<3 {
                world.crash(victim)
                await world.pause(.milliseconds(300))
                await world.start(victim)
                await world.pause(.seconds(2))
                let size = await world.call(victim, ["DBSIZE"])
                let keys = await world.call(victim, ["MGET", "new-0", "new-1", "new-2", "key-3"])
                if size != ":3" || keys != "*$x$x$x$-" { note("after the restart of \(victim): \(size), \(keys)") }
            }
        }
    }

    /// What became of flushes that a crash met.
    final class Outcomes: @unchecked Sendable {  // confined to the simulation's thread
        var count: [String: Int] = [:]
    }

    @Test func aFlushThatACrashMeetsEndsOneWayOnAllNodes() {
        let outcomes = Outcomes()
        for seed in UInt64(1)...40 {
            Self.run(seed: seed) { world, note in
                let keys = await Self.fill(world, 30, note)
                let delay = Duration.microseconds(Int64(seed * 150))
                let reply = await withTaskGroup(of: String.self) { group in
                    group.addTask { await world.call(0, ["FLUSHDB"]) }
                    group.addTask {
                        await world.pause(delay)
                        world.crash(2)
                        return ""
                    }
                    var reply = ""
                    for await part in group { reply += part }
                    return reply
                }
                outcomes.count[String(reply.prefix(4)), default: 0] += 1
                await world.pause(.seconds(1))
                await world.start(2)
                await world.pause(.seconds(5))
                var sizes: Set<String> = []
                for node in 0..<3 { sizes.insert(await world.call(node, ["DBSIZE"])) }
                let allowed: Set<String> =
                    reply == "+OK" ? [":0"] : reply.hasPrefix("-NOQ") ? [":\(keys.count)"] : [":0", ":\(keys.count)"]
                if sizes.count != 1 || !sizes.isSubset(of: allowed) { note("\(reply), then \(sizes)") }
                let write = await world.call(2, ["SET", "after", "x"])
                if write != "+OK" { note("a write after it: \(write)") }
                for _ in 0..<20 where Set(await world.digests()).count > 1 { await world.pause(.seconds(1)) }
                if Set(await world.digests()).count > 1 { note("they do not agree: \(await world.digests())") }
            }
        }
        // Each way it can end was met.
        for outcome in ["+OK", "-UNK", "-NOQ"] { #expect(outcomes.count[outcome] ?? 0 > 0, "\(outcomes.count)") }
    }

    @Test(arguments: seeds) func whatIsAcknowledgedAfterAFlushStays(seed: UInt64) {
        Self.run(seed: seed) { world, note in
            let written = CatchUpSimulationTests.Writes()
            let flushedAt = CatchUpSimulationTests.Writes()
            await withTaskGroup(of: Void.self) { group in
                for node in 0..<3 {
                    group.addTask {
                        for round in 0..<120 {
                            let begun = flushedAt.count
                            let key = "w-\(node)-\(round)"
                            let reply = await world.call(node, ["SET", key, "1"])
                            // Only what began after the last flush had ended has to be there.
                            if reply == "+OK" { written.acknowledged[key] = begun }
                            if round % 9 == 0 { await world.pause(.milliseconds(3)) }
                        }
                    }
                }
                group.addTask {
                    for node in 0..<3 {
                        await world.pause(.milliseconds(8))
                        let reply = await world.call(node, ["FLUSHDB"])
                        if reply != "+OK" { note("FLUSHDB: \(reply)") }
                        flushedAt.count += 1
                    }
                }
            }
            world.crash(Int(seed % 3))
            await world.start(Int(seed % 3))
            await world.pause(.seconds(3))
            for (key, begun) in written.acknowledged.sorted(by: { $0.key < $1.key }) where begun == 3 {
                let reply = await world.call(Int(seed) % 3, ["GET", key])
                if reply != "$1" { note("\(key), acknowledged after the last flush: \(reply)") }
            }
            if !written.acknowledged.values.contains(3) { note("nothing was written after the last flush") }
        }
    }

    // MARK: What clients are told

    @Test func clusterNamesTheLiveOwners() {
        Self.run(seed: 4) { world, note in
            let slots = await world.call(0, ["CLUSTER", "SLOTS"])
            for node in 1...3 where !slots.contains("$10.0.0.\(node):27001") { note("\(node) is missing: \(slots)") }
            let info = await world.call(0, ["CLUSTER", "INFO"])
            if !info.contains("cluster_state:ok") || !info.contains("cluster_known_nodes:3") { note(info) }
            let (plain, own) = (
                await world.call(1, ["CLUSTER", "MYID"]), await world.call(1, ["CLUSTER", "MYID"], byPortOf: 0)
            )
            if plain != own || plain.count != 41 { note("MYID: \(plain), \(own)") }
            world.crash(2)
            await world.pause(.seconds(1))
            let nodes = await world.call(0, ["CLUSTER", "NODES"])
            let lines = nodes.dropFirst().split(separator: "\n")
            let mine = lines.filter { $0.contains("myself,master") && $0.contains("10.0.0.1:27001@37001") }
            let lost = lines.filter { $0.contains(" master,fail ") && $0.hasSuffix(" disconnected") }
            if lines.count != 3 || mine.count != 1 || lost.count != 1 { note(nodes) }
            let later = await world.call(0, ["CLUSTER", "SLOTS"])
            if later.contains("10.0.0.3") { note("a node that is gone is named: \(later)") }
        }
    }
}
