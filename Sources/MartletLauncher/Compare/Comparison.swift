internal import Foundation
internal import Glibc
internal import MartletRuntime

/// One comparison: runs a plan's workloads on each of its backends, one node after the other.
struct Comparison {
    let plan: ComparePlan
    /// The executable whose `launch` starts a node.
    let executable: String
    /// An empty directory for the nodes' data and files.
    let scratch: String
    let clock: any NodeClock
    /// Whether a backend with these settings keeps nothing on disk.
    let isVolatile: (ComparePlan.Backend) -> Bool
    /// Hears one line for each step.
    let progress: (String) -> Void

    private(set) var found = Findings()

    /// What was measured so far.
    struct Findings {
        var backends: [CompareReport.Backend] = []
        var measurements: [CompareReport.Measurement] = []
        var durability: [CompareReport.DurabilityResult] = []
        var notes: [String] = []
        /// Whether something could not be measured.
        var hasFailure = false
    }

    init(
        plan: ComparePlan, executable: String, scratch: String, clock: any NodeClock,
        isVolatile: @escaping (ComparePlan.Backend) -> Bool, progress: @escaping (String) -> Void
    ) {
        self.plan = plan
        self.executable = executable
        self.scratch = scratch
        self.clock = clock
        self.isVolatile = isVolatile
        self.progress = progress
    }

    /// Runs it all. A backend that fails is noted and the next one is tried; an interruption ends it.
    mutating func run(versions: (String) -> String) throws(DriverError) {
        for backend in plan.backends {
            found.backends.append(
                .init(
                    name: backend.name, engine: versions(backend.engine), settings: backend.settings,
                    startSeconds: nil, recoverySeconds: nil, recoveredRecords: nil))
        }
        for (index, backend) in plan.backends.enumerated() {
            for (number, dataSet) in plan.dataSets.enumerated() {
                do throws(DriverError) {
                    try measure(backend, index, dataSet, isFirst: number == 0)
                } catch { try note(error, backend) }
            }
            for level in plan.levels {
                do throws(DriverError) { try crash(backend, at: level) } catch { try note(error, backend) }
            }
        }
    }

    /// Says something in the report.
    mutating func note(_ sentence: String) { found.notes.append(sentence) }

    /// Keeps what went wrong for the report, and goes on; but not after an interruption.
    private mutating func note(_ error: DriverError, _ backend: ComparePlan.Backend) throws(DriverError) {
        if Interruption.isRequested { throw DriverError("interrupted") }
        found.hasFailure = true
        found.notes.append("\(backend.name) did not finish: \(error)")
        progress("\(backend.name): \(error)")
    }

    /// The level that a backend's workloads run at.
    private func durability(of backend: ComparePlan.Backend) -> String {
        isVolatile(backend) ? "none" : plan.durability
    }

    private func start(
        _ backend: ComparePlan.Backend, durability: String, cacheBytes: Int, directory: String,
        environment: [String: String] = [:]
    ) throws(DriverError) -> NodeProcess {
        let path = "\(scratch)/\(directory)"
        let file = NodeFile(backend: backend, durability: durability, cacheBytes: cacheBytes)
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try file.text.write(toFile: path + ".yaml", atomically: false, encoding: .utf8)
        } catch {
            throw DriverError("cannot write below \(scratch): \(error.localizedDescription)")
        }
        return try NodeProcess(
            executable: executable, file: path + ".yaml", data: path, log: path + ".log", clock: clock,
            environment: environment)
    }

    private func discard(_ directory: String) {
        try? FileManager.default.removeItem(atPath: "\(scratch)/\(directory)")
    }

    private func driver(
        for node: NodeProcess, _ bytes: RecordBytes, existing: Int = 0
    ) throws(DriverError) -> LoadDriver {
        try LoadDriver(
            to: node.address, connections: plan.connections, window: plan.window, bytes: bytes, clock: clock,
            existing: existing, isInterrupted: { Interruption.isRequested })
    }

    /// All workloads of a data set on one fresh node.
    private mutating func measure(
        _ backend: ComparePlan.Backend, _ index: Int, _ dataSet: ComparePlan.DataSet, isFirst: Bool
    ) throws(DriverError) {
        let directory = "\(index)-\(dataSet.name)"
        let level = durability(of: backend)
        let node = try start(backend, durability: level, cacheBytes: dataSet.cacheBytes, directory: directory)
        defer {
            node.crash()
            discard(directory)
        }
        if isFirst {
            found.backends[index].startSeconds = node.startSeconds
            progress("\(backend.name): ready after \(Figures.time(node.startSeconds * 1e9))")
        }
        let bytes = RecordBytes(valueSize: dataSet.valueBytes, seed: plan.seed)
        let driver = try driver(for: node, bytes)
        do throws(DriverError) {
            for step in dataSet.steps {
                let measurement = try StepRun(
                    plan: plan, node: node, driver: driver, dataSet: dataSet, step: step, clock: clock,
                    dataPath: isVolatile(backend) ? nil : "\(scratch)/\(directory)"
                ).measure(backend: backend.name, durability: level)
                found.measurements.append(measurement)
                progress(Self.line(measurement))
            }
        } catch {
            if let obituary = node.obituary() { throw DriverError("data set \(dataSet.name): \(obituary)") }
            throw error
        }
        guard isFirst else { return }
        node.crash()
        let again = try start(backend, durability: level, cacheBytes: dataSet.cacheBytes, directory: directory)
        defer { again.crash() }
        found.backends[index].recoverySeconds = again.startSeconds
        found.backends[index].recoveredRecords = try NodeInquiry.keys(of: again.address)
        progress(
            "\(backend.name): after kill -9 ready again after \(Figures.time(again.startSeconds * 1e9)) with "
                + "\(found.backends[index].recoveredRecords ?? 0) of \(driver.records.count) records")
    }

    /// The writes of one durability level, a kill -9 amidst them, and a count of what is there afterwards.
    private mutating func crash(_ backend: ComparePlan.Backend, at level: String) throws(DriverError) {
        if isVolatile(backend) {
            guard level == plan.levels.last else { return }
            found.notes.append(
                "\(backend.name) keeps its data in memory alone: it promises no durability, and none was tried.")
            return
        }
        let crash = CrashRun(plan: plan, clock: clock)
        let directory = "crash-\(backend.name)-\(level)"
        defer { discard(directory) }
        let bytes = RecordBytes(valueSize: plan.dataSets.first?.valueBytes ?? 100, seed: plan.seed)
        let node = try start(backend, durability: level, cacheBytes: 64 << 20, directory: directory)
        defer { node.crash() }
        var (result, records) = try crash.write(node, try driver(for: node, bytes), backend: backend.name, level: level)
        let again = try start(backend, durability: level, cacheBytes: 64 << 20, directory: directory)
        defer { again.crash() }
        result.recoverySeconds = again.startSeconds
        let reread = try driver(for: again, bytes).readAll(records)
        result.lostAfterKill = reread.missing + reread.wrong + reread.errors
        if let library = PowerLoss.library { try cut(&result, backend, bytes, library) }
        found.durability.append(result)
        var line = "\(backend.name): durability \(level)  \(Figures.count(result.writesPerSecond)) writes/s  p99 "
        line += Figures.time(result.p99)
        line += "  lost after kill -9: \(result.lostAfterKill ?? 0) of \(result.acknowledged)"
        if let lost = result.lostAfterPowerCut {
            line += ", at a power cut: \(lost) of \(result.acknowledgedBeforeCut ?? 0)"
        }
        progress(line)
    }

    /// The same with the power cut, on a disk that keeps only what was synced.
    private func cut(
        _ result: inout CompareReport.DurabilityResult, _ backend: ComparePlan.Backend, _ bytes: RecordBytes,
        _ library: String
    ) throws(DriverError) {
        let directory = "cut-\(backend.name)-\(result.level)"
        defer { discard(directory) }
        let node = try start(
            backend, durability: result.level, cacheBytes: 64 << 20, directory: directory,
            environment: PowerLoss.environment(library, directory: "\(scratch)/\(directory)", seed: plan.seed))
        defer { node.crash() }
        guard let records = try CrashRun(plan: plan, clock: clock).writeUntilCut(try driver(for: node, bytes)) else {
            result.remark = "the power was not cut in time"
            return
        }
        node.crash()
        result.acknowledgedBeforeCut = records.count
        do throws(DriverError) {
            let again = try start(
                backend, durability: result.level, cacheBytes: 64 << 20, directory: directory)
            defer { again.crash() }
            let reread = try driver(for: again, bytes).readAll(records)
            result.lostAfterPowerCut = reread.missing + reread.wrong + reread.errors
        } catch {
            if Interruption.isRequested { throw error }
            result.lostAfterPowerCut = records.count
            result.remark = "after the power cut: \(error)"
        }
    }

    private static func line(_ measurement: CompareReport.Measurement) -> String {
        let faults = measurement.errors + measurement.wrong + measurement.missing
        return "\(measurement.backend): \(measurement.dataSet) \(measurement.workload.rawValue)"
            + (measurement.workload == .load ? "" : " \(measurement.distribution.rawValue)")
            + "  \(Figures.count(measurement.throughput))/s"
            + "  p99 \(Figures.time(measurement.latency.p99)) at \(Figures.count(measurement.targetRate))/s"
            + "  \(Figures.time(measurement.processorMicroseconds * 1000)) CPU/request"
            + (faults > 0 ? "  \(faults) FAULTS" : "")
    }
}
