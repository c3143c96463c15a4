internal import Glibc
internal import MartletRuntime

/// What clients ask for: an endless, seeded stream of requests over a few families of keys.
public final class Workload {
    /// How hard, and on what.
    public struct Settings: Sendable, Equatable {
        public var clients = 6
        /// Keys of each family.
        public var keys = 60
        /// The mean time that a client waits between its requests.
        public var thinkTime = Duration.milliseconds(60)
        /// When a client gives a request up.
        public var patience = Duration.seconds(3)
        /// How unevenly keys are used: 0 evenly, 0.99 as YCSB does.
        public var skew = 0.99
        /// Weights of the requests, in the order of ``Request``.
        public var mix: [Int] = [30, 25, 6, 10, 7, 8, 6, 8, 0, 0, 0]
        /// Whether the keyspace keeps siblings: else none are asked for, whatever the weights.
        public var hasSiblings = false

        public init() {}
    }

    /// The requests that ``Settings/mix`` weighs.
    public enum Request: Int, CaseIterable, Sendable {
        case get, set, delete, increment, setExpiring, getExpiring, setTogether, getTogether, getSiblings, putSibling,
            put
    }

    public let settings: Settings
    /// Keys that are set and read together.
    static let groupSize = 4
    private let random: SeededRandomSource
    private let chooser: ZipfianChooser
    private var writes: UInt64 = 0
    /// By key the contexts that were read last, each with the values it covers.
    private var contexts: [History.Key: [(bytes: [UInt8], values: Set<UInt64>)]] = [:]
    private var writesWithToken: [History.Key: Int] = [:]
    static let siblingKeys = 5

    public init(_ settings: Settings, random: SeededRandomSource) {
        self.settings = settings
        self.random = random
        chooser = ZipfianChooser(count: settings.keys, skew: settings.skew)
    }

    private func nextValue() -> UInt64 {
        writes += 1
        return writes
    }

    /// The next request of some client.
    func next() -> (action: History.Action, keys: [History.Key]) {
        let index = chooser.next(random)
        switch draw() {
        case .get: return (.get, [History.Key(random.happens(0.1) ? .counter : .plain, index)])
        case .set: return (.set(nextValue(), expiry: nil), [History.Key(.plain, index)])
        case .delete: return (.delete, [History.Key(.plain, index)])
        case .increment: return (.increment, [History.Key(.counter, index % 8)])
        case .setExpiring:
            let expiry = Duration.milliseconds(20 + random.below(random.happens(0.5) ? 200 : 5000))
            return (.set(nextValue(), expiry: expiry), [History.Key(.expiring, index)])
        case .getExpiring: return (.get, [History.Key(.expiring, index)])
        case .setTogether: return (.setTogether(nextValue()), Self.group(index % 6))
        case .getTogether: return (.getTogether, Self.group(index % 6))
        case .getSiblings: return (.getSiblings, [History.Key(.sibling, index % Self.siblingKeys)])
        case .putSibling: return put(History.Key(.sibling, index % Self.siblingKeys))
        case .put:
            let key = History.Key(.plain, index)
            writesWithToken[key, default: 0] += 1
            return (.put(nextValue()), [key])
        }
    }

    /// How many writes with a token were asked for of a key; what tells whether a replica may have forgotten one.
    func writesWithToken(of key: History.Key) -> Int { writesWithToken[key] ?? 0 }

    /// A write that replaces what its writer knows, which may be old news, and nothing else.
    private func put(_ key: History.Key) -> (action: History.Action, keys: [History.Key]) {
        let known = contexts[key] ?? []
        writesWithToken[key, default: 0] += 1
        // No context: the writer knows of nothing.
        guard !known.isEmpty, random.happens(0.9) else {
            return (.putSibling(nextValue(), context: [], replaces: []), [key])
        }
        let context = random.happens(0.7) ? known[known.count - 1] : known[random.below(known.count)]
        return (.putSibling(nextValue(), context: context.bytes, replaces: context.values), [key])
    }

    /// Takes note of a context that a client read.
    func learn(_ context: [UInt8], of key: History.Key, covering values: Set<UInt64>) {
        contexts[key, default: []].append((context, values))
        if contexts[key]?.count ?? 0 > 4 { contexts[key]?.removeFirst() }
    }

    /// How long a client waits before its next request.
    func pause() -> Duration {
        .nanoseconds(Int64(Double(settings.thinkTime.inNanoseconds) * 2 * random.fraction()))
    }

    /// A write of its own value, whenever it is asked for: one that was refused is never sent again.
    func lastWrite() -> (action: History.Action, keys: [History.Key]) {
        (.set(nextValue(), expiry: nil), [History.Key(.plain, 0)])
    }

    /// A write, and one read of every key, for the end.
    func readsOfAll() -> [(action: History.Action, keys: [History.Key])] {
        let single = [History.Key.Family.plain, .expiring, .counter].flatMap { family in
            (0..<settings.keys).map { (action: History.Action.get, keys: [History.Key(family, $0)]) }
        }
        return [lastWrite()] + single
            + (0..<6).map { (.getTogether, Self.group($0)) }
            + (0..<(settings.hasSiblings ? Self.siblingKeys : 0)).map { (.getSiblings, [History.Key(.sibling, $0)]) }
    }

    private func draw() -> Request {
        var place = random.below(max(1, settings.mix.reduce(0, +)))
        for (request, weight) in zip(Request.allCases, settings.mix) {
            place -= weight
            guard place < 0 else { continue }
            // Without a context it would be one more sibling, and not what a plain GET reads next.
            if request == .put, settings.hasSiblings { return .set }
            let isOfSiblings = request == .getSiblings || request == .putSibling
            return isOfSiblings && !settings.hasSiblings ? .get : request
        }
        return .get
    }

    static func group(_ index: Int) -> [History.Key] {
        (0..<groupSize).map { History.Key(.group, index * groupSize + $0) }
    }
}

/// Draws numbers of which few are drawn often: the i-th with a weight of 1 / (i + 1)^skew.
struct ZipfianChooser {
    private let sums: [Double]

    init(count: Int, skew: Double) {
        var sum = 0.0
        sums = (0..<max(1, count)).map { index in
            sum += 1 / Self.power(Double(index + 1), skew)
            return sum
        }
    }

    /// O(log count).
    func next(_ random: SeededRandomSource) -> Int {
        let target = random.fraction() * sums[sums.count - 1]
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > target { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}
