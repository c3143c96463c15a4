public import MartletRuntime

/// Random numbers from a seed: the same seed gives the same numbers on every machine (SplitMix64; Steele, Lea, Flood,
/// "Fast splittable pseudorandom number generators", 2014). Not for secrets.
public final class SeededRandomSource: RandomSource {
    private let state: Lock<UInt64>

    public init(seed: UInt64) { state = Lock(seed) }

    public func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// A number below `bound`, which is above 0. Its bias is below bound / 2^64.
    public func below(_ bound: Int) -> Int {
        precondition(bound > 0)
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// Whether an event of this probability happens; one number is drawn whatever the outcome.
    public func happens(_ probability: Double) -> Bool { Double(next() >> 11) * 0x1p-53 < probability }

    /// A source of its own, so that who draws from one does not shift the other's numbers.
    public func split() -> SeededRandomSource { SeededRandomSource(seed: next()) }
}
