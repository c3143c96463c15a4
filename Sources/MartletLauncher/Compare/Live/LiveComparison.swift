internal import Foundation
internal import MartletClient
internal import MartletIO
internal import MartletRuntime

/// `martlet compare --live`: watches a running cluster, whose replicas of one key may lie on different backends.
struct LiveComparison {
    var address: String
    var out: String
    var seconds: Double
    /// Nil: no load is made.
    var requestsPerSecond: Double?
    var command: String

    /// Runs it and writes the report; the exit code.
    func run() async -> Int32 {
        Interruption.observe()
        let clock = SystemClock()
        let began = clock.wallMicroseconds
        let inquiry = ClusterInquiry(at: address)
        let status: ClusterStatus
        do throws(MartletError) {
            status = try await inquiry.status()
        } catch {
            return NodeCall.tell(error, of: address)
        }
        let members = status.nodes.map(\.member)
        let reachable = status.nodes.compactMap { node in (try? node.answer.get()).map { _ in node.member.clients } }
        Terminal.line(
            "watching \(members.count) nodes for \(Figures.digits(seconds)) s"
                + (requestsPerSecond.map { ", with \(Figures.count($0)) requests a second" } ?? ""))
        let start = clock.monotonic
        let before = await LiveObservation.take(of: members, by: inquiry)
        var outcome: LiveLoad.Outcome?
        let load = LiveLoad(addresses: reachable, requestsPerSecond: requestsPerSecond ?? 0, seconds: seconds)
        if requestsPerSecond == nil { await wait() } else { outcome = await load.run() }
        let after = await LiveObservation.take(of: members, by: inquiry)
        let watched = Double(clock.monotonic.since(start).inNanoseconds) / 1e9
        if requestsPerSecond != nil { await load.cleanUp() }
        if Interruption.isRequested {
            Terminal.error("interrupted: no report written")
            return ExitCode.failed
        }
        var report = LiveReport(
            version: Launcher.version, began: ReportFiles.day(microseconds: began), seconds: watched,
            cluster: status.name, machine: MachineFacts.read(path: "."), command: command,
            load: outcome.map { Self.load($0, watched) }, backends: Self.backends(status, before, after), notes: [])
        report.notes = Self.notes(after, report)
        do {
            try report.write(to: out)
        } catch {
            Terminal.error("martlet compare: cannot write to \(out): \(error.localizedDescription)")
            return ExitCode.failed
        }
        Terminal.line("\n" + report.table + "\n" + report.verdict)
        for note in report.notes { Terminal.line(note) }
        Terminal.line("\n\(out)/report.html\n\(out)/report.json")
        return outcome?.errors ?? 0 > 0 || !after.silent.isEmpty ? ExitCode.failed : ExitCode.ok
    }

    private func wait() async {
        var left = seconds
        while left > 0, !Interruption.isRequested {
            try? await Task.sleep(for: .seconds(min(left, 0.2)))
            left -= 0.2
        }
    }

    private static func load(_ outcome: LiveLoad.Outcome, _ seconds: Double) -> LiveReport.Load {
        LiveReport.Load(
            requestsPerSecond: Double(outcome.reads.count + outcome.writes.count) / max(seconds, 1e-9),
            keys: LiveLoad.keys, valueBytes: LiveLoad.valueBytes, errors: outcome.errors,
            firstError: outcome.firstError, reads: CompareReport.Latency(outcome.reads),
            writes: CompareReport.Latency(outcome.writes))
    }

    /// One for each backend, in the order in which nodes first have it.
    static func backends(
        _ status: ClusterStatus, _ before: LiveObservation, _ after: LiveObservation
    ) -> [LiveReport.Backend] {
        let nodes = status.nodes.compactMap { try? $0.answer.get() }
        var names: [String] = []
        for node in nodes where !names.contains(node.backend) { names.append(node.backend) }
        return names.map { name in
            let own = nodes.filter { $0.backend == name }
            var (reads, writes) = (LatencyHistogram(), LatencyHistogram())
            for node in own {
                reads.merge(LiveObservation.latency(of: node.name, \.reads, from: before, to: after))
                writes.merge(LiveObservation.latency(of: node.name, \.writes, from: before, to: after))
            }
            func now(_ figure: String) -> Int {
                Int(own.reduce(0) { $0 + (after.nodes[$1.name]?.figure(figure) ?? 0) })
            }
            func change(_ figure: String) -> Double {
                own.reduce(0) { sum, node in
                    guard let to = after.nodes[node.name], let from = before.nodes[node.name] else { return sum }
                    return sum + max(0, to.figure(figure) - from.figure(figure))
                }
            }
            var durabilities: [String] = []
            for node in own where !durabilities.contains(node.durability) { durabilities.append(node.durability) }
            return LiveReport.Backend(
                name: name, nodes: own.map(\.name), durability: durabilities.joined(separator: ", "),
                reads: CompareReport.Latency(reads), writes: CompareReport.Latency(writes),
                processorSeconds: change("used_cpu_user") + change("used_cpu_sys"),
                residentBytes: now("used_memory_rss"), diskBytes: now("bytes_on_disk"),
                engineBytes: now("bytes_in_memory"), appliedBytes: Int(change("bytes_applied")),
                writtenBytes: Int(change("bytes_written")),
                counters: counters(own.first.flatMap { after.nodes[$0.name] }?.figures.map(\.name) ?? [], change))
        }
    }

    /// Those of INFO's numbers that changed, but for what says nothing of the backend.
    private static func counters(_ names: [String], _ change: (String) -> Double) -> [CompareReport.Counter] {
        names.compactMap { name in
            let isOfServer = ["server_time", "uptime", "used_", "total_", "connected_", "process_id", "tcp_port"]
                .contains { name.hasPrefix($0) }
            let amount = Int(change(name))
            return isOfServer || amount == 0 ? nil : CompareReport.Counter(name: name, change: amount)
        }
    }

    private static func notes(_ after: LiveObservation, _ report: LiveReport) -> [String] {
        var notes = after.silent.keys.sorted().map { "Node \($0) could not be reached: its replicas are left out." }
        if report.backends.allSatisfy({ $0.reads.count + $0.writes.count == 0 }) {
            notes.append(
                after.nodes.count < 2
                    ? "A node alone asks no other node's replicas: there is nothing to compare."
                    : "No replica was asked anything by another node: make some traffic, or leave out --no-load.")
        }
        if let rate = report.load?.requestsPerSecond, rate < 100 {
            notes.append("Only \(Figures.digits(rate)) requests a second came through: the tails are made of few.")
        }
        return notes
    }
}
