internal import MartletRuntime

/// The faults of one seed, in the order of their time.
public struct FaultPlan: Sendable, Equatable {
    public var faults: [PlannedFault]

    public init(_ faults: [PlannedFault]) { self.faults = faults.sorted { ($0.at, $0.kind) < ($1.at, $1.kind) } }

    /// What a plan is drawn from.
    public struct Settings: Sendable, Equatable {
        /// How often each kind happens at most, per simulated minute.
        public var rates: [(kind: FaultKind, perMinute: Int)]
        /// The plan has at least so many faults, if it has any kind.
        public var minimum: Int
        /// The longest that a fault lasts.
        public var longest: Duration

        public init(rates: [(kind: FaultKind, perMinute: Int)], minimum: Int = 14, longest: Duration = .seconds(4)) {
            self.rates = rates
            self.minimum = minimum
            self.longest = longest
        }

        /// One kind alone, thirty times as often, where there is any of it.
        func withMany(_ kind: FaultKind) -> Settings {
            var settings = self
            settings.rates = rates.filter { $0.kind == kind && $0.perMinute > 0 }.map { ($0.kind, $0.perMinute * 30) }
            return settings.rates.isEmpty ? self : settings
        }

        public static func == (a: Self, b: Self) -> Bool {
            a.rates.elementsEqual(b.rates) { $0 == $1 } && a.minimum == b.minimum && a.longest == b.longest
        }
    }

    /// Draws a plan as swarm testing does (Groce and others, "Swarm testing", 2012): each seed has a subset of the
    /// kinds, and rates from their extremes, so that no fault hides another in all of them.
    public static func draw(_ settings: Settings, nodes: Int, span: Duration, random: SeededRandomSource) -> FaultPlan {
        let minutes = Double(span.inNanoseconds) / 6e10
        let picked = settings.rates.filter { $0.perMinute > 0 && random.happens(0.4) }
        let kinds = picked.isEmpty ? settings.rates.filter { $0.perMinute > 0 } : picked
        guard !kinds.isEmpty, nodes > 0 else { return FaultPlan([]) }
        var counts = kinds.map { kind in
            let most = Double(kind.perMinute) * minutes
            return max(1, Int(most * (random.happens(0.5) ? 1 : 0.2)))
        }
        while counts.reduce(0, +) < settings.minimum { counts[random.below(counts.count)] += 1 }
        var faults: [PlannedFault] = []
        for (kind, count) in zip(kinds, counts) {
            for _ in 0..<count {
                // Most faults are short: their lengths spread over the orders of magnitude.
                let longest = Double(settings.longest.inNanoseconds)
                let length = longest / [1, 4, 16, 64][random.below(4)] * random.fraction()
                let at = Double(span.inNanoseconds) * random.fraction()
                faults.append(
                    PlannedFault(
                        kind.kind, at: .nanoseconds(Int64(at)), duration: .nanoseconds(Int64(length)),
                        node: random.below(nodes), severity: random.fraction()))
            }
        }
        return FaultPlan(faults)
    }
}

extension SeededRandomSource {
    /// 0..<1, evenly.
    public func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}
