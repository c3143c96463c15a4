internal import Glibc

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count + 8)
        while result.count < count {
            let word = next()
            for shift in 0..<8 { result.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
        }
        result.removeLast(result.count - count)
        return result
    }
}

/// Where checks take their seeds: the environment's, to see a failure again, or the system.
enum CheckSeed {
    static func next() -> UInt64 {
        if let text = unsafe getenv("MARTLET_SEED"), let seed = unsafe UInt64(String(cString: text)) { return seed }
        var system = SystemRandomNumberGenerator()
        return system.next() >> 16
    }
}
