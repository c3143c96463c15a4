/// Random numbers from a seed, the same on every machine (Steele, Lea and Flood 2014): enough to keep nodes from moving
/// in step, for protocol state that has to be repeatable. Nothing secret comes from it.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// A number below `bound`, 0 for a bound of 0; the bias is below bound / 2^64.
    mutating func next(below bound: Int) -> Int { bound > 1 ? Int(next() % UInt64(bound)) : 0 }
}
