internal import MartletRuntime

/// What a backend should hold: a plain dictionary, and the comparison with it.
struct Model: Sendable {
    private(set) var values: [Bytes: Bytes] = [:]

    mutating func put(_ key: Bytes, _ value: Bytes) { values[key] = value }
    mutating func delete(_ key: Bytes) { values[key] = nil }

    /// The pairs with `lower` <= key < `upper` in order; an empty `upper` is the end.
    func pairs(from lower: Bytes = [], to upper: Bytes = [], limit: Int = .max) -> [Pair] {
        let chosen = values.filter { key, _ in
            !key.lexicographicallyPrecedes(lower) && (upper.isEmpty || key.lexicographicallyPrecedes(upper))
        }
        let sorted = chosen.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return sorted.prefix(limit).map { Pair(key: $0.key, value: $0.value) }
    }

    /// Fails with the first difference between what was found and what this holds.
    func expect(_ found: [Pair], _ what: String, from lower: Bytes = [], to upper: Bytes = [], limit: Int = .max) throws
    {
        let expected = pairs(from: lower, to: upper, limit: limit)
        guard found != expected else { return }
        for (index, pair) in found.enumerated() {
            guard index < expected.count else {
                throw ConformanceFailure(
                    "\(what): \(found.count) pairs, not \(expected.count); extra \(shown(pair.key))")
            }
            let other = expected[index]
            guard pair.key == other.key else {
                throw ConformanceFailure("\(what): key \(index) is \(shown(pair.key)), not \(shown(other.key))")
            }
            guard pair.value == other.value else {
                throw ConformanceFailure(
                    "\(what): the value of \(shown(pair.key)) is \(shown(pair.value)), not \(shown(other.value))")
            }
        }
        throw ConformanceFailure(
            "\(what): \(found.count) pairs, not \(expected.count); lacks \(shown(expected[found.count].key))")
    }
}

/// Random keys and values that meet an engine's rare cases: shared prefixes, extreme bytes, page-sized values.
struct Workload: Sendable {
    var random: SeededGenerator
    let keys: [Bytes]

    init(seed: UInt64, keys count: Int = 300) {
        var random = SeededGenerator(seed: seed)
        let long = random.bytes(520)
        keys = (0..<count).map { _ in Self.key(&random, long: long) }
        self.random = random
    }

    /// One of: a few extreme bytes, a stored key's shape, or a long key that differs from others only late.
    private static func key(_ random: inout SeededGenerator, long: Bytes) -> Bytes {
        switch random.below(10) {
        case 0..<4:
            let alphabet: Bytes = [0x00, 0x01, 0x61, 0x7f, 0x80, 0xff]
            return (0...random.below(8)).map { _ in alphabet[random.below(alphabet.count)] }
        case 4..<8:
            return [1, 0, 0, 0, 1, 0, 0, 0, 0, 0] + random.bytes(7 + random.below(30))
        case 8:
            return Array(long.prefix(500 + random.below(20))) + random.bytes(random.below(4))
        default:
            return long + random.bytes(1 + random.below(1040 - 520))
        }
    }

    mutating func key() -> Bytes { keys[random.below(keys.count)] }

    mutating func value() -> Bytes {
        switch random.below(100) {
        case 0..<10: []
        case 10..<80: random.bytes(1 + random.below(120))
        case 80..<97: random.bytes(500 + random.below(9000))
        default: random.bytes(60_000 + random.below(100_000))
        }
    }

    /// Fills a batch with random operations and does the same to the model.
    mutating func fill(_ batch: inout WriteBatch, _ model: inout Model, count: Int) {
        for _ in 0..<count {
            let key = key()
            if random.below(4) == 0 {
                batch.delete(key)
                model.delete(key)
            } else {
                let value = value()
                batch.put(key, value)
                model.put(key, value)
            }
        }
    }
}
