/// A mix of requests, by the names of the Yahoo! Cloud Serving Benchmark (Cooper et al., SoCC 2010).
enum Workload: String, Sendable, Codable, CaseIterable {
    /// Inserts only: fills the data set.
    case load
    case a = "A"
    case b = "B"
    case c = "C"
    case d = "D"
    case f = "F"

    /// What it stands for, in a few words.
    var summary: String {
        switch self {
        case .load: "100 % insert"
        case .a: "50 % read, 50 % update"
        case .b: "95 % read, 5 % update"
        case .c: "100 % read"
        case .d: "95 % read of new records, 5 % insert"
        case .f: "50 % read, 50 % read-modify-write"
        }
    }

    /// The distribution YCSB gives it.
    var usualDistribution: KeyDistribution { self == .d ? .latest : .zipfian }

    /// One draw of the next kind of request.
    func request(_ random: inout WorkloadRandom) -> RequestKind {
        let percent = random.below(100)
        return switch self {
        case .load: .insert
        case .a: percent < 50 ? .read : .update
        case .b: percent < 95 ? .read : .update
        case .c: .read
        case .d: percent < 95 ? .read : .insert
        case .f: percent < 50 ? .read : .modify
        }
    }
}

/// What one request does.
enum RequestKind: UInt8, Sendable {
    case read
    case update
    case insert
    /// A read, and an update once its reply is here; measured as one.
    case modify
    /// The update of a ``modify``.
    case modifyWrite
}
