internal import Foundation
internal import Glibc
internal import MartletClient
internal import MartletConfiguration
internal import MartletIO
internal import MartletRuntime

/// A run of the command once its arguments are understood: all variants, one after the other.
struct DrillSession {
    var drill: DrillConfiguration
    var out: String
    var keepsData: Bool
    var command: String

    var needs: DrillNeeds { DrillNeeds(drill.steps.map(\.action), chaos: drill.chaos?.kinds ?? []) }

    /// On clusters of its own.
    func run() async -> Int32 {
        Interruption.observe()
        let clock = SystemClock()
        var report = empty(clock)
        let folder = "\(out)/data-\(getpid())"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch { return fail("cannot make \(folder): \(error.localizedDescription)") }
        var keeps = keepsData
        defer { if !keeps { try? FileManager.default.removeItem(atPath: folder) } }
        let absolute = URL(fileURLWithPath: folder).standardizedFileURL.path
        for (index, variant) in drill.variants.enumerated() {
            Terminal.line("drill \(drill.name) on \(variant.name)")
            do throws(DriverError) {
                let cluster = try DrillCluster(variant, folder: "\(absolute)/\(index)", needs: needs)
                defer { cluster.stop() }
                try cluster.start()
                let run = DrillRun(drill, on: cluster, clock: clock) { Terminal.line($0) }
                let found = try await run.run()
                if run.poorlyFounded > 0 {
                    report.notes.append(
                        "\(variant.name): \(run.poorlyFounded) replicas of partitions came up from too few owners: more of "
                            + "these lost what they had than an acknowledged write is sure to outlive.")
                }
                report.runs.append(
                    DrillJudge(drill, variant, cluster.members, run.events, found).run(named: variant.name))
            } catch {
                if Interruption.isRequested { return fail("interrupted: nodes ended, no report written") }
                report.notes.append("\(variant.name) did not finish: \(error)")
                Terminal.error("martlet drill: \(variant.name): \(error)")
            }
        }
        let code = finish(report)
        // What the nodes said and hold is what one looks at next.
        keeps = keeps || code != ExitCode.ok
        if keeps { Terminal.line("the nodes' logs and data are kept in \(folder)") }
        return code
    }

    /// On a cluster that runs already.
    func run(at address: String) async -> Int32 {
        Interruption.observe()
        let clock = SystemClock()
        var report = empty(clock)
        let cluster: RunningCluster
        do throws(MartletError) {
            cluster = try await running(at: address)
        } catch { return NodeCall.tell(error, of: address) }
        guard drill.chaos == nil else {
            return fail("with --at there is no chaos: its faults need clusters of its own")
        }
        for step in drill.steps {
            if let refusal = cluster.refusal(of: step.action) { return fail(refusal) }
        }
        var drill = drill
        drill.steps = drill.steps.map { .init(at: $0.at, cluster.named($0.action)) }
        do throws(DriverError) {
            let run = DrillRun(drill, on: cluster, clock: clock) { Terminal.line($0) }
            let found = try await run.run()
            await run.cleanUp(found.record.keys)
            report.runs.append(DrillJudge(drill, nil, cluster.members, run.events, found).run(named: address))
        } catch {
            for step in drill.steps {
                if case .pause(let nodes) = step.action { try? cluster.perform(.resume(nodes)) }
            }
            return fail(error.description)
        }
        return finish(report)
    }

    private func running(at address: String) async throws(MartletError) -> RunningCluster {
        let inquiry = ClusterInquiry(at: address)
        let reply = try await inquiry.ask(address) { client throws(MartletError) in
            try await client.call(["MARTLET.CLUSTER", "NODES"])
        }
        var members: [(name: String, address: SocketAddress, process: Int32?)] = []
        for member in (reply.elements ?? []).map({ MemberFacts($0) }) {
            guard let clients = SocketAddress(member.clients) else { continue }
            let information = try await inquiry.ask(member.clients) { client throws(MartletError) in
                try await client.call(["INFO", "server"]).text ?? ""
            }
            members.append((member.name, clients, RunningCluster.process(information, at: clients)))
        }
        return RunningCluster(members, names: drill.variants.first?.cluster.nodes.map(\.name) ?? [])
    }

    private func empty(_ clock: SystemClock) -> DrillReport {
        let load = drill.load
        return DrillReport(
            version: Launcher.version, began: ReportFiles.day(microseconds: clock.wallMicroseconds),
            machine: MachineFacts.read(path: "."), drill: drill.name, shows: drill.shows, command: command,
            load: [
                .init(
                    name: "Load",
                    value: "\(load.rate) requests a second, \(load.reads) % reads, \(load.deletes) % deletes; "
                        + "\(load.keys) keys, values of \(Figures.size(UInt64(load.valueBytes)))"),
                .init(
                    name: "Clients",
                    value: "\(load.connections) connections to each node"
                        + (load.goesToOwners ? ", which is asked for keys that it owns" : "")
                        + "; a request is given up after "
                        + "\(Figures.time(UInt64(clamping: load.timeout.inNanoseconds))), and is slow after "
                        + Figures.time(UInt64(clamping: load.slow.inNanoseconds))),
            ], slow: UInt64(clamping: load.slow.inNanoseconds), runs: [], notes: [])
    }

    private func finish(_ report: DrillReport) -> Int32 {
        do {
            try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(report).write(to: URL(fileURLWithPath: out + "/report.json"), options: .atomic)
            try Data(DrillPage.render(report).utf8).write(
                to: URL(fileURLWithPath: out + "/report.html"), options: .atomic)
        } catch { return fail("cannot write the report to \(out): \(error.localizedDescription)") }
        Terminal.line("\n" + DrillTable.render(report))
        for run in report.runs {
            let name = report.runs.count > 1 ? run.name + ": " : ""
            Terminal.line(name + DrillTable.verdict(run, slow: report.slow))
            for note in report.notes where note.hasPrefix(run.name + ": ") { Terminal.line(note) }
            for violation in run.violations.prefix(20) { Terminal.line("FAULT: " + violation) }
        }
        Terminal.line("\n\(out)/report.html\n\(out)/report.json")
        let isGood = report.runs.count == drill.variants.count && report.runs.allSatisfy(\.isGood)
        return isGood ? ExitCode.ok : ExitCode.failed
    }

    private func fail(_ reason: String) -> Int32 {
        Terminal.error("martlet drill: \(reason)")
        return ExitCode.failed
    }
}
