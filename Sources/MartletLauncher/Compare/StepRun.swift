internal import MartletRuntime

/// One workload on one node: first its capacity, then its latency at a steady rate below that.
struct StepRun {
    let plan: ComparePlan
    let node: NodeProcess
    let driver: LoadDriver
    let dataSet: ComparePlan.DataSet
    let step: ComparePlan.Step
    let clock: any NodeClock
    /// Where the node's files lie; nil if it keeps none.
    let dataPath: String?

    func measure(backend: String, durability: String) throws(DriverError) -> CompareReport.Measurement {
        let before = try NodeInquiry.counters(of: node.address)
        let first = ProcessUsage(of: node.process)
        let capacity = try driver.perform(
            LoadRun(
                workload: step.workload, distribution: step.distribution, rate: nil,
                duration: step.workload == .load ? .seconds(600) : plan.capacity,
                limit: step.workload == .load ? dataSet.records : .max, seed: plan.seed, slice: slice(plan.capacity)))
        let second = ProcessUsage(of: node.process)
        let rate = max(1, capacity.throughput * plan.load)
        let steady = try driver.perform(
            LoadRun(
                workload: step.workload, distribution: step.distribution, rate: rate, duration: plan.latency,
                seed: plan.seed &+ 1, slice: slice(plan.latency)))
        let last = ProcessUsage(of: node.process)
        let after = try NodeInquiry.counters(of: node.address)
        let processor = (second?.processorSeconds ?? 0) - (first?.processorSeconds ?? 0)
        let written = capacity.bytesWritten + steady.bytesWritten
        var amplification: Double?
        if dataPath != nil, written > 0, let from = first?.diskBytesWritten, let to = last?.diskBytesWritten {
            amplification = Double(to - min(from, to)) / Double(written)
        }
        return CompareReport.Measurement(
            backend: backend, dataSet: dataSet.name, workload: step.workload, distribution: step.distribution,
            durability: durability, throughput: capacity.throughput, targetRate: rate,
            latency: CompareReport.Latency(steady.latency), capacityTimeline: capacity.timeline,
            latencyTimeline: steady.timeline,
            processorMicroseconds: processor * 1e6 / Double(max(1, capacity.requests)),
            residentBytes: last?.residentBytes ?? 0, diskBytes: dataPath.map { SystemFile.bytes(under: $0) },
            writeAmplification: amplification, driverBusy: capacity.driverBusy,
            errors: capacity.errors + steady.errors, wrong: capacity.wrong + steady.wrong,
            missing: capacity.missing + steady.missing, abandoned: steady.abandoned,
            firstError: capacity.firstError ?? steady.firstError, counters: Self.changes(before, after))
    }

    /// The length of a point of a timeline that has about twenty of them; between 25 ms and a second.
    private func slice(_ whole: Duration) -> Duration { min(.seconds(1), max(.milliseconds(25), whole / 20)) }

    /// Counters that moved, in the node's order.
    private static func changes(
        _ before: [(name: String, value: Int)], _ after: [(name: String, value: Int)]
    ) -> [CompareReport.Counter] {
        after.compactMap { counter in
            let earlier = before.first { $0.name == counter.name }?.value ?? 0
            return counter.value == earlier ? nil : .init(name: counter.name, change: counter.value - earlier)
        }
    }
}

/// Writes at one durability level, cut off by kill -9 while more are on their way.
struct CrashRun {
    let plan: ComparePlan
    let clock: any NodeClock

    /// Inserts until the node's power is cut; answers the records that were acknowledged, nil if it never was.
    func writeUntilCut(_ driver: LoadDriver) throws(DriverError) -> [Int]? {
        var records: [Int] = []
        driver.acknowledged = { records.append($0) }
        defer { driver.acknowledged = nil }
        do throws(DriverError) {
            _ = try driver.perform(
                LoadRun(workload: .load, distribution: .uniform, duration: .seconds(8), seed: plan.seed))
            return nil
        } catch {
            if Interruption.isRequested { throw error }
            return records
        }
    }

    /// What writing came to, and the records whose insert was acknowledged.
    func write(
        _ node: NodeProcess, _ driver: LoadDriver, backend: String, level: String
    ) throws(DriverError) -> (CompareReport.DurabilityResult, [Int]) {
        var records: [Int] = []
        driver.acknowledged = { records.append($0) }
        defer {
            driver.acknowledged = nil
            driver.meanwhile = nil
        }
        let capacity = try driver.perform(
            LoadRun(workload: .load, distribution: .uniform, duration: plan.capacity, seed: plan.seed))
        let end = clock.monotonic.advanced(by: plan.latency)
        driver.meanwhile = { now in if now >= end { node.crash() } }
        // Scheduled for longer than it lives: the kill finds writes on their way.
        do throws(DriverError) {
            _ = try driver.perform(
                LoadRun(
                    workload: .load, distribution: .uniform, rate: max(1, capacity.throughput * plan.load),
                    duration: plan.latency + .seconds(30), seed: plan.seed))
        } catch {
            if Interruption.isRequested { throw error }
            if clock.monotonic < end { throw error }
        }
        return (
            CompareReport.DurabilityResult(
                backend: backend, level: level, writesPerSecond: capacity.throughput,
                p99: driver.result.latency.percentile(99), acknowledged: records.count, lostAfterKill: nil,
                acknowledgedBeforeCut: nil, lostAfterPowerCut: nil, recoverySeconds: nil, remark: nil), records
        )
    }
}
