internal import Glibc
internal import MartletRuntime

/// Everything that a comparison found, as it stands in `report.json`.
///
/// Times are in nanoseconds where a name does not say otherwise, sizes in bytes.
struct CompareReport: Codable, Sendable, Equatable {
    /// Of this layout; raised when a field changes its meaning.
    var format = 1
    /// Martlet's version.
    var version: String
    /// When it began, as 2026-01-31T12:00:00Z.
    var began: String
    var seconds: Double
    var isFull: Bool
    var machine: Machine
    /// Commands that reproduce it.
    var commands: [String]
    /// The settings of the comparison that hold for all backends, in reading order.
    var settings: [Setting]
    var backends: [Backend]
    var dataSets: [DataSet]
    var measurements: [Measurement]
    var durability: [DurabilityResult]
    /// What a reader has to know of this run: a failed backend, a column that is missing.
    var notes: [String]

    struct Machine: Codable, Sendable, Equatable {
        var processor: String
        var cores: Int
        var memory: UInt64
        var system: String
        /// The kind of file system the data lay on.
        var fileSystem: String
    }

    struct Setting: Codable, Sendable, Equatable {
        var name: String
        var value: String
    }

    struct Backend: Codable, Sendable, Equatable {
        /// As the comparison file calls it.
        var name: String
        var engine: String
        var settings: [Setting]
        /// From the start of an empty node to its ready line, in seconds.
        var startSeconds: Double?
        /// From the start after kill -9 to the ready line, in seconds, and the records that were there.
        var recoverySeconds: Double?
        var recoveredRecords: Int?
    }

    struct DataSet: Codable, Sendable, Equatable {
        var name: String
        var records: Int
        var valueBytes: Int
        var cacheBytes: Int
    }

    struct Latency: Codable, Sendable, Equatable {
        var p50: UInt64
        var p95: UInt64
        var p99: UInt64
        var p999: UInt64
        var max: UInt64
        var mean: Double
        var count: UInt64
        /// The whole distribution: percentiles and their durations.
        var curve: [Point]

        struct Point: Codable, Sendable, Equatable {
            var percentile: Double
            var nanoseconds: UInt64
        }
    }

    /// One backend under one workload on one data set.
    struct Measurement: Codable, Sendable, Equatable {
        var backend: String
        var dataSet: String
        var workload: Workload
        var distribution: KeyDistribution
        var durability: String
        /// Requests a second with all windows full: its capacity.
        var throughput: Double
        /// The rate at which ``latency`` was measured.
        var targetRate: Double
        var latency: Latency
        var capacityTimeline: [Timeline.Slice]
        var latencyTimeline: [Timeline.Slice]
        /// Processor time of the node per request, at capacity, in microseconds.
        var processorMicroseconds: Double
        var residentBytes: UInt64
        var diskBytes: UInt64?
        /// Bytes the node's process wrote to its disk per byte of keys and values written.
        var writeAmplification: Double?
        /// Share of the time at capacity that the driver itself was computing.
        var driverBusy: Double
        var errors: Int
        var wrong: Int
        var missing: Int
        var abandoned: Int
        var firstError: String?
        /// The node's own counters, as they changed over the measurement.
        var counters: [Counter]
    }

    struct Counter: Codable, Sendable, Equatable {
        var name: String
        var change: Int
    }

    /// What writes cost and what survives, at one durability level.
    struct DurabilityResult: Codable, Sendable, Equatable {
        var backend: String
        var level: String
        var writesPerSecond: Double
        var p99: UInt64
        /// Writes that were acknowledged before kill -9, and those of them that were gone after the restart.
        var acknowledged: Int
        var lostAfterKill: Int?
        /// The same for a power cut.
        var acknowledgedBeforeCut: Int?
        var lostAfterPowerCut: Int?
        /// From the restart to the ready line, in seconds.
        var recoverySeconds: Double?
        /// Why a number is missing.
        var remark: String?
    }
}

extension CompareReport.Latency {
    /// The figures of a histogram; its curve has the percentiles of ``curvePercentiles`` that the count can tell.
    init(_ histogram: LatencyHistogram) {
        self.init(
            p50: histogram.percentile(50), p95: histogram.percentile(95), p99: histogram.percentile(99),
            p999: histogram.percentile(99.9), max: histogram.maximum, mean: histogram.mean, count: histogram.count,
            curve: Self.curvePercentiles.filter { (100 - $0) / 100 * Double(histogram.count) >= 1 }
                .map { Point(percentile: $0, nanoseconds: histogram.percentile($0)) })
    }

    /// Evenly spread over the logarithm of what is left above: eight to each nine.
    static let curvePercentiles: [Double] = (0...40).map { step in
        100 * (1 - pow(10, -Double(step) / 8))
    }
}

extension CompareReport {
    /// The measurements that are to be seen side by side: one workload on one data set over all backends.
    struct Group: Sendable {
        var dataSet: DataSet
        var workload: Workload
        var distribution: KeyDistribution
        var measurements: [Measurement]

        /// The level of the most backends, and what differs: `interval (memory: none)`.
        var durability: String {
            let levels = measurements.map(\.durability)
            let usual = levels.max { a, b in levels.count { $0 == a } < levels.count { $0 == b } } ?? "none"
            let others = measurements.filter { $0.durability != usual }.map { "\($0.backend): \($0.durability)" }
            return usual + (others.isEmpty ? "" : " (\(others.joined(separator: ", ")))")
        }

        /// `A · zipfian`.
        var title: String {
            (workload == .load ? "Load" : "Workload \(workload.rawValue)")
                + (workload == .load ? "" : " · \(distribution.rawValue)")
        }
    }

    /// In the order of measuring.
    var groups: [Group] {
        var groups: [Group] = []
        for measurement in measurements {
            guard let dataSet = dataSets.first(where: { $0.name == measurement.dataSet }) else { continue }
            let known = groups.firstIndex {
                $0.dataSet.name == measurement.dataSet && $0.workload == measurement.workload
                    && $0.distribution == measurement.distribution
            }
            if let known {
                groups[known].measurements.append(measurement)
            } else {
                groups.append(
                    Group(
                        dataSet: dataSet, workload: measurement.workload, distribution: measurement.distribution,
                        measurements: [measurement]))
            }
        }
        return groups
    }
}
