/// Lifeguard's local health multiplier: how far this node is to doubt itself rather than others.
///
/// It rises by what says that the fault may be here (a probe that got neither an answer nor the word of those asked to
/// help, an own suspicion to refute, a timer that came late) and falls with every probe that is answered. All probing
/// is slower by it, so a node that is starved, paused or cut off accuses others late, if at all.
public struct LocalHealth: Hashable, Sendable {
    /// 0 in good health.
    public private(set) var score = 0
    public let worst: Int

    init(worst: Int) { self.worst = max(0, worst) }

    mutating func change(by delta: Int) { score = min(worst, max(0, score + delta)) }

    /// A duration, longer by the multiplier.
    func scaled(_ duration: UInt64) -> UInt64 { duration * UInt64(score + 1) }
}
