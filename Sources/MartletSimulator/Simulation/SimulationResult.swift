/// What became of one seed.
public struct SimulationResult: Sendable, Codable, Equatable {
    public var seed: UInt64
    /// What the seed drew.
    public var world: String
    /// The plan it ran under.
    public var plan: [PlannedFault]
    /// What broke an invariant, each in a sentence.
    public var violations: [String] = []
    /// Of a seed that failed, in the order of time.
    public var lastEvents: [String] = []
    /// Of the whole world, in order: equal for equal seeds.
    public var traceHash: UInt64 = 0
    public var events: UInt64 = 0
    /// Virtual time with faults, and in all.
    public var faultSeconds = 0.0
    public var simulatedSeconds = 0.0
    public var operations = 0
    public var acknowledged = 0
    /// Faults that fired, by kind.
    public var fired: [String: Int] = [:]
    /// Code that seldom runs and did, by name.
    public var rarePaths: [String: Int] = [:]

    public init(seed: UInt64, world: String, plan: [PlannedFault]) {
        self.seed = seed
        self.world = world
        self.plan = plan
    }

    public var faultsFired: Int { fired.values.reduce(0, +) }

    /// Why the seed proves nothing; nil if it counts: it has to have run long enough, under faults, with most of the
    /// requests answered.
    public var vacuity: String? {
        if faultSeconds < 60 { return "only \(faultSeconds) simulated seconds of faults" }
        if operations < 1000 { return "only \(operations) operations" }
        if acknowledged * 100 < operations * 60 { return "only \(acknowledged) of \(operations) operations were ok" }
        if faultsFired < 10 { return "only \(faultsFired) faults fired" }
        return nil
    }
}

/// What became of many seeds.
public struct SimulationSummary: Sendable {
    public private(set) var results = 0
    public private(set) var counted = 0
    public private(set) var failures: [SimulationResult] = []
    /// Seeds that prove nothing, with the reason.
    public private(set) var vacuous: [(seed: UInt64, reason: String)] = []
    public private(set) var fired: [String: Int] = [:]
    public private(set) var rarePaths: [String: Int] = [:]
    public private(set) var operations = 0
    public private(set) var acknowledged = 0
    public private(set) var simulatedSeconds = 0.0

    public init() {}

    public mutating func add(_ result: SimulationResult) {
        results += 1
        if !result.violations.isEmpty { failures.append(result) }
        if let reason = result.vacuity { vacuous.append((result.seed, reason)) } else { counted += 1 }
        fired.merge(result.fired, uniquingKeysWith: +)
        rarePaths.merge(result.rarePaths, uniquingKeysWith: +)
        operations += result.operations
        acknowledged += result.acknowledged
        simulatedSeconds += result.simulatedSeconds
    }

    /// Kinds that were asked for and never fired in the whole run.
    public func missing(of settings: FaultPlan.Settings) -> [FaultKind] {
        settings.rates.filter { $0.perMinute > 0 && fired[$0.kind.name] == nil }.map(\.kind)
    }

    /// Why a run of these seeds fails beside violations: a kind of fault that never fired, or seeds that prove nothing.
    public func vacuity(of settings: FaultPlan.Settings) -> [String] {
        // A few seeds cannot be expected to have drawn every kind.
        let kinds = results >= 20 ? missing(of: settings).map { "no fault of the kind \($0) ever fired" } : []
        let share = vacuous.count * 10 > results ? ["\(vacuous.count) of \(results) seeds prove nothing"] : []
        return kinds + share
    }
}
