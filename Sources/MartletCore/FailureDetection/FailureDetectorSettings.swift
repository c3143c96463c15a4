/// The times and limits of failure detection. All times in nanoseconds. The defaults find a silent node of five in
/// about three seconds; what grows with the cluster grows with its logarithm.
public struct FailureDetectorSettings: Hashable, Sendable {
    /// The protocol period: one member is probed in each. Longer by the local health multiplier.
    public var period: UInt64 = 300_000_000
    /// From a probe until others are asked to try, and from their probe until they say that there was no answer (less a
    /// fifth, so that their word comes in time). Longer by the local health multiplier.
    public var probeTimeout: UInt64 = 100_000_000
    /// How many others are asked.
    public var helpers = 3
    /// Of the shortest suspicion: periods, times the decimal logarithm of the number of members (Lifeguard's alpha).
    public var suspicionPeriods = 5
    /// The longest suspicion, that of which nobody else knows, as a multiple of the shortest (Lifeguard's beta).
    public var suspicionSpread = 6
    /// Independent suspicions, beyond the first, that bring it down to the shortest.
    public var confirmations = 3
    /// How many of the members that hear of a suspicion probe the suspect themselves, of their own accord, on average.
    public var verifiers = 12
    /// How often a claim is passed on, times the binary logarithm of the number of members (SWIM's lambda).
    public var retransmissions = 3
    /// Claims in one message.
    public var claimsPerMessage = 32
    /// The most that the local health multiplier adds.
    public var worstHealth = 8
    /// Probes in a period beside the regular one: of suspects, and of members whose link closed or opened.
    public var urgentProbes = 3
    /// Of so many periods, one has a probe of a dead member, should it be back.
    public var deadProbePeriods = 5
    /// Between two exchanges of all that is known with one other member, for up to 32 members; longer in proportion to
    /// their number beyond, so that its bytes per time do not grow.
    public var viewPeriod: UInt64 = 30_000_000_000
    /// Indirect probes under way for others; one asked for more says at once that it got no answer.
    public var relays = 64

    public init() {}

    /// The shortest suspicion among so many members.
    func shortestSuspicion(members: Int) -> UInt64 {
        let logarithm = max(FixedLogarithm.one, FixedLogarithm.decimal(UInt64(members)))
        return period * UInt64(suspicionPeriods) * logarithm / FixedLogarithm.one
    }

    /// How often one claim is passed on among so many members.
    func transmissions(members: Int) -> Int {
        let logarithm = FixedLogarithm.binary(UInt64(members + 1))
        return max(1, Int((UInt64(retransmissions) * logarithm + FixedLogarithm.one - 1) / FixedLogarithm.one))
    }
}
