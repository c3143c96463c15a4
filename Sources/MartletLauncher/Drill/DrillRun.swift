internal import Foundation
internal import MartletClient
internal import MartletConfiguration
internal import MartletCore
internal import MartletIO
internal import MartletRuntime
internal import MartletSimulator
internal import Synchronization

/// A drill on one cluster, from its first request to the verdict.
final class DrillRun {
    let drill: DrillConfiguration
    let target: any DrillTarget
    let clock: any NodeClock
    /// Hears each line of progress.
    let say: (String) -> Void
    private(set) var events: [Event] = []
    /// Replicas of partitions that came up from too few owners, when nodes were last asked.
    private(set) var poorlyFounded = 0
    private let signals = DrillSignals()
    private var start: UInt64 = 0
    private var lastTold: (at: UInt64, answered: Int, failed: Int) = (0, 0, 0)
    /// What is to be undone when the time is over.
    private var undone = Undone()

    /// Something done to the cluster, when it was done.
    struct Event {
        var at: UInt64
        var action: DrillConfiguration.Action
    }

    /// Faults that nobody has taken away yet.
    private struct Undone {
        var killed: Set<String> = []
        var paused: Set<String> = []
        var slow: Set<String> = []
        var skewed: Set<String> = []
        var limited: Set<String> = []
        var isCut = false
    }

    /// What is known at the end.
    struct Evidence {
        var record: DrillRecord
        var ring: ClusterRing
        var samples: [DrillSample]
        var before: [String: [String: Int]]
        var after: [String: [String: Int]]
        /// From the end of the load, in seconds.
        var wellAfter: Double?
        var equalAfter: Double?
        var divergent: Int
        /// By the keys' places.
        var finals: [History.Key: MartletSimulator.Evidence.Final]
    }

    init(_ drill: DrillConfiguration, on target: any DrillTarget, clock: any NodeClock, say: @escaping (String) -> Void)
    {
        self.drill = drill
        self.target = target
        self.clock = clock
        self.say = say
    }

    private var inquiry: ClusterInquiry { ClusterInquiry(at: target.members[0].address.description) }
    private var now: UInt64 { clock.monotonic.nanoseconds }

    /// Runs it all.
    func run() async throws(DriverError) -> Evidence {
        guard await isWell(within: .seconds(60)) else {
            throw DriverError(target.obituary() ?? "the cluster is not well a minute after its start")
        }
        let ring = try await ask { inquiry throws(MartletError) in
            try await inquiry.ask(inquiry.address) { client throws(MartletError) in
                ClusterRing(try await client.call(["MARTLET.CLUSTER", "RING", "0"]))
            }
        }
        let keys = DrillKey.make(drill.load.keys, partitions: ring.partitions)
        let before = await counters()
        let settings = DrillLoad.Settings(
            targets: target.members.map { member in
                .init(address: member.address, keys: places(of: keys, on: member.name, ring))
            }, keys: keys, reads: drill.load.reads,
            deletes: drill.load.deletes, valueBytes: drill.load.valueBytes, connections: drill.load.connections,
            timeout: UInt64(clamping: drill.load.timeout.inNanoseconds), seed: UInt64(drill.load.seed))
        let hasEnded = EndMark()
        let observer = DrillObserver(members: target.members) { hasEnded.isSet }
        start = now
        lastTold.at = start
        say("   0.0 s  load begins: \(drill.load.rate) requests a second on \(keys.count) keys")
        let clock = clock
        let signals = signals
        signals.rate.store(drill.load.rate, ordering: .relaxed)
        async let running = DrillLoad.run(settings, clock: clock, signals: signals)
        async let watching = observer.run()
        var failure: DriverError?
        do throws(DriverError) {
            if let chaos = drill.chaos { try await perform(chaos) } else { try await performSteps() }
        } catch { failure = error }
        signals.mustStop.store(true, ordering: .relaxed)
        let record = await running
        if failure == nil { do throws(DriverError) { try heal() } catch { failure = error } }
        let (wellAfter, equalAfter, divergent) = failure == nil ? await awaitEqual() : (nil, nil, 0)
        hasEnded.set()
        let samples = await watching
        if let failure { throw failure }
        let finals = await readFinals(keys)
        return Evidence(
            record: record, ring: ring, samples: samples, before: before, after: await counters(), wellAfter: wellAfter,
            equalAfter: equalAfter, divergent: divergent, finals: finals)
    }

    /// The places of the keys that a node is asked for: all, unless clients go to owners and it owns some.
    private func places(of keys: [DrillKey], on node: String, _ ring: ClusterRing) -> [Int] {
        guard drill.load.goesToOwners else { return Array(keys.indices) }
        let owned = (0..<ring.partitions).map { ring.owners(ofPartition: $0).contains(node) }
        let places = keys.indices.filter { owned[keys[$0].partition] }
        return places.isEmpty ? Array(keys.indices) : places
    }

    private final class EndMark: Sendable {
        private let mark = Atomic<Bool>(false)
        var isSet: Bool { mark.load(ordering: .relaxed) }
        func set() { mark.store(true, ordering: .relaxed) }
    }

    // MARK: Steps

    private func performSteps() async throws(DriverError) {
        for step in drill.steps {
            try await wait(until: start + UInt64(clamping: step.at.inNanoseconds))
            try perform(step.action)
        }
        try await wait(until: start + UInt64(clamping: drill.duration.inNanoseconds))
    }

    private func perform(_ action: DrillConfiguration.Action) throws(DriverError) {
        let at = now
        if case .rate(let rate) = action {
            signals.rate.store(rate, ordering: .relaxed)
        } else {
            try target.perform(action)
        }
        events.append(Event(at: at, action: action))
        tell(action.text)
        switch action {
        case .kill(let nodes), .wipe(let nodes): undone.killed.formUnion(nodes)
        case .restart(let nodes): undone.killed.subtract(nodes)
        case .pause(let nodes): undone.paused.formUnion(nodes)
        case .resume(let nodes): undone.paused.subtract(nodes)
        case .partition, .oneWay: undone.isCut = true
        case .heal: undone.isCut = false
        case .slowDisk(let nodes, let time):
            if time == .zero { undone.slow.subtract(nodes) } else { undone.slow.formUnion(nodes) }
        case .limitCPU(let nodes, let percent):
            if percent == 0 { undone.limited.subtract(nodes) } else { undone.limited.formUnion(nodes) }
        case .rate: break
        case .skew(let nodes, let time):
            if time == 0 { undone.skewed.subtract(nodes) } else { undone.skewed.formUnion(nodes) }
        }
    }

    /// Takes away all faults that are left.
    private func heal() throws(DriverError) {
        if undone.isCut { try perform(.heal) }
        if !undone.paused.isEmpty { try perform(.resume(undone.paused.sorted())) }
        if !undone.killed.isEmpty { try perform(.restart(undone.killed.sorted())) }
        if !undone.slow.isEmpty { try perform(.slowDisk(undone.slow.sorted(), .zero)) }
        if !undone.limited.isEmpty { try perform(.limitCPU(undone.limited.sorted(), percent: 0)) }
        if !undone.skewed.isEmpty { try perform(.skew(undone.skewed.sorted(), milliseconds: 0)) }
    }

    /// Rounds of one fault each; the next begins when the cluster is well again.
    private func perform(_ chaos: DrillConfiguration.Chaos) async throws(DriverError) {
        var plan = ChaosPlan(chaos, nodes: target.members.map(\.name))
        try await wait(until: now + 1_000_000_000)
        for round in 0..<chaos.rounds {
            let (kind, steps) = plan.next()
            tell("round \(round + 1) of \(chaos.rounds): \(kind)")
            let began = now
            for step in steps {
                try await wait(until: began + UInt64(clamping: step.at.inNanoseconds))
                try perform(step.action)
            }
            guard await isWell(within: .seconds(60)) else {
                let report = try await ask { inquiry throws(MartletError) in try await inquiry.status().report }
                throw DriverError(
                    "the cluster is not well a minute after round \(round + 1): "
                        + report.lines.filter { $0.hasPrefix("WRONG") }.joined(separator: "; "))
            }
            try await wait(until: now + UInt64(clamping: chaos.calm.inNanoseconds))
        }
    }

    private func wait(until time: UInt64) async throws(DriverError) {
        while now < time {
            if Interruption.isRequested { throw DriverError("interrupted") }
            if let obituary = target.obituary() { throw DriverError(obituary) }
            try? await Task.sleep(for: .nanoseconds(Int64(min(100_000_000, time - min(time, now)))))
            let at = now
            guard at > lastTold.at + 5_000_000_000 else { continue }
            let answered = signals.answered.load(ordering: .relaxed)
            let failed = signals.failed.load(ordering: .relaxed)
            let seconds = Double(at - lastTold.at) / 1e9
            tell(
                "\(Int(Double(answered - lastTold.answered) / seconds)) answered a second"
                    + (failed > lastTold.failed ? ", \(failed - lastTold.failed) failed" : ""))
            lastTold = (at, answered, failed)
        }
    }

    private func tell(_ text: String) { say(String(format: "%6.1f s  ", Double(now - start) / 1e9) + text) }

    // MARK: Asking

    private func ask<R>(
        _ body: (ClusterInquiry) async throws(MartletError) -> R
    ) async throws(DriverError) -> R {
        do throws(MartletError) { return try await body(inquiry) } catch { throw DriverError(error.message) }
    }

    /// Whether all nodes serve, are linked with all others and are caught up. That partitions came up from too few
    /// owners, of which nodes tell until their next start, does not count: what that lost the checkers find.
    private func isWell(within limit: Duration) async -> Bool {
        await holds(within: limit) {
            guard let status = try? await self.inquiry.status() else { return false }
            let nodes = status.nodes.compactMap { try? $0.answer.get() }
            self.poorlyFounded = nodes.reduce(0) { $0 + $1.keyspaces.reduce(0) { $0 + Int($1.lost) } }
            return nodes.count == status.nodes.count
                && nodes.allSatisfy { node in
                    node.keyspaces.allSatisfy { $0.inNeed == 0 }
                        && node.peers.allSatisfy { $0.link == "up" && ["", "alive"].contains($0.liveness) }
                }
        }
    }

    private func holds(within limit: Duration, _ condition: () async -> Bool) async -> Bool {
        let deadline = clock.monotonic.advanced(by: limit)
        while clock.monotonic < deadline, !Interruption.isRequested {
            if await condition() { return true }
            if target.obituary() != nil { return false }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    /// Waits until all owners hold the same; when, and how many partitions differ if they never did.
    private func awaitEqual() async -> (well: Double?, equal: Double?, divergent: Int) {
        let began = now
        let well = await isWell(within: .seconds(60)) ? Double(now - began) / 1e9 : nil
        tell(well.map { String(format: "all nodes are well %.1f s after the load", $0) } ?? "not all nodes became well")
        var divergent = 0
        let isEqual = await holds(within: .seconds(60)) {
            guard let digests = try? await self.inquiry.digests() else { return false }
            divergent = digests.differing.count
            return digests.isEqual
        }
        let equal = isEqual ? Double(now - began) / 1e9 : nil
        tell(
            equal.map { String(format: "all owners hold the same %.1f s after the load", $0) }
                ?? "\(divergent) partitions are not the same on all their owners")
        return (well, equal, divergent)
    }

    /// Of each node the numbers of INFO.
    private func counters() async -> [String: [String: Int]] {
        var all: [String: [String: Int]] = [:]
        for member in target.members {
            let own = try? NodeInquiry.counters(of: member.address, sections: ["replicas", "martlet"])
            all[member.name] = Dictionary((own ?? []).map { ($0.name, $0.value) }) { first, _ in first }
        }
        return all
    }

    /// What every key holds when all is healed.
    private func readFinals(_ keys: [DrillKey]) async -> [History.Key: MartletSimulator.Evidence.Final] {
        var finals: [History.Key: MartletSimulator.Evidence.Final] = [:]
        let client = try? await MartletClient.connect(to: target.members.map(\.address.description))
        for key in keys {
            var final = MartletSimulator.Evidence.Final.unreadable("no node could be reached")
            for _ in 0..<5 {
                do throws(MartletError) {
                    guard let reply = try await client?.call([Array("GET".utf8), key.wire]) else { break }
                    let write = reply.bytes.map { bytes in
                        withBytes(of: bytes) { key.write(of: $0, bytes: drill.load.valueBytes) }
                            ?? DrillOperation.foreign
                    }
                    final = .content(DrillOperation.content(write ?? 0))
                    break
                } catch { final = .unreadable(error.message) }
                try? await Task.sleep(for: .milliseconds(200))
            }
            finals[key.inHistory] = final
        }
        await client?.close()
        return finals
    }

    /// Deletes what was written; on a cluster that goes on.
    func cleanUp(_ keys: [DrillKey]) async {
        guard let client = try? await MartletClient.connect(to: target.members.map(\.address.description)) else {
            return
        }
        for key in keys { _ = try? await client.call([Array("DEL".utf8), key.wire]) }
        await client.close()
    }
}
