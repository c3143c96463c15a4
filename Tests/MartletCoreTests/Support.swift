import Glibc

/// SplitMix64, so that a failing case is seen again by its seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }

    /// A number of any magnitude, small ones as often as large ones.
    mutating func number() -> UInt64 { next() >> UInt64.random(in: 0...63, using: &self) }
}

/// The seeds that properties are tried with.
let seeds: [UInt64] = Array(1...8)

/// Whether what takes long is asked for too.
let isThorough = getenv("MARTLET_THOROUGH") != nil
