internal import Glibc

/// How a workload picks the record of its next request.
enum KeyDistribution: String, Sendable, Codable, CaseIterable {
    /// A few records take most requests; which ones is scattered over the key space.
    case zipfian
    case uniform
    /// As zipfian, the newest records being the most wanted ones.
    case latest
}

/// Ranks 0..<count with Zipf's law of exponent 0.99, by the method of Gray et al., "Quickly Generating Billion-Record
/// Synthetic Databases" (SIGMOD 1994), which YCSB uses.
struct Zipfian: Sendable {
    static let theta = 0.99
    private var zeta: Double
    private var eta: Double
    private(set) var count: Int
    private let zetaOfTwo: Double
    private let alpha = 1 / (1 - Zipfian.theta)

    /// O(count), once.
    init(count: Int) {
        self.init(count: count, zeta: Self.zeta(from: 0, to: count, 0))
    }

    /// For a `zeta` that is known.
    init(count: Int, zeta: Double) {
        self.count = count
        self.zeta = zeta
        zetaOfTwo = Self.zeta(from: 0, to: 2, 0)
        eta = 0
        eta = Self.eta(count, zeta, zetaOfTwo)
    }

    /// Widens the range to `newCount` ranks. O(newCount - count).
    mutating func grow(to newCount: Int) {
        guard newCount > count else { return }
        zeta = Self.zeta(from: count, to: newCount, zeta)
        count = newCount
        eta = Self.eta(count, zeta, zetaOfTwo)
    }

    /// The next rank; 0 is the likeliest. O(1).
    func next(_ random: inout WorkloadRandom) -> Int {
        let u = random.unit()
        let uz = u * zeta
        if uz < 1 { return 0 }
        if uz < 1 + pow(0.5, Self.theta) { return min(1, count - 1) }
        return min(count - 1, Int(Double(count) * pow(eta * u - eta + 1, alpha)))
    }

    private static func zeta(from: Int, to: Int, _ start: Double) -> Double {
        var sum = start
        for rank in from..<to { sum += 1 / pow(Double(rank + 1), theta) }
        return sum
    }

    private static func eta(_ count: Int, _ zeta: Double, _ zetaOfTwo: Double) -> Double {
        (1 - pow(2 / Double(count), 1 - theta)) / (1 - zetaOfTwo / zeta)
    }
}

/// Picks record numbers by a distribution.
struct KeyChooser: Sendable {
    private let distribution: KeyDistribution
    private var zipfian: Zipfian

    /// YCSB's scrambled Zipfian draws from ten billion ranks, whose zeta it knows, and folds them onto the records.
    private static let scrambledRanks = 10_000_000_000
    private static let scrambledZeta = 26.46902820178302

    init(_ distribution: KeyDistribution, records: Int) {
        self.distribution = distribution
        zipfian =
            switch distribution {
            case .latest: Zipfian(count: max(1, records))
            case .zipfian, .uniform: Zipfian(count: Self.scrambledRanks, zeta: Self.scrambledZeta)
            }
    }

    /// A record below `records`, the number of those that exist.
    mutating func next(records: Int, _ random: inout WorkloadRandom) -> Int {
        switch distribution {
        case .uniform:
            return random.below(records)
        case .zipfian:
            return Int(Self.fnv(UInt64(zipfian.next(&random))) % UInt64(records))
        case .latest:
            zipfian.grow(to: records)
            return max(0, records - 1 - zipfian.next(&random))
        }
    }

    /// FNV-1a over the eight bytes of a number, as YCSB scatters ranks.
    static func fnv(_ value: UInt64) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var rest = value
        for _ in 0..<8 {
            hash = (hash ^ (rest & 0xff)) &* 0x100_0000_01b3
            rest >>= 8
        }
        return hash
    }
}
