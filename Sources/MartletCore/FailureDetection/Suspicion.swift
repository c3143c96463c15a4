/// How long a suspect has to refute, and who suspects it.
///
/// Lifeguard's local health aware suspicion: it begins with a long timeout, which each independent suspicion shortens,
/// down to the shortest once so many have come as are needed. A node whose own links are bad hears of no others' and so
/// waits long.
struct Suspicion: Hashable, Sendable {
    let began: UInt64
    private let shortest: UInt64
    private let longest: UInt64
    private let needed: Int
    private(set) var accusers: [UInt32]
    /// By how much it was put off because this node itself stood still.
    private var delay: UInt64 = 0
    /// When the suspect is dead.
    private(set) var deadline: UInt64 = 0

    /// - Parameter needed: independent suspicions, beyond the first, that make it the shortest; with none to be had it
    ///   is twice the shortest.
    init(by accuser: UInt32, now: UInt64, shortest: UInt64, longest: UInt64, needed: Int) {
        began = now
        self.shortest = shortest
        self.longest = needed > 0 ? longest : min(longest, shortest * 2)
        self.needed = needed
        accusers = [accuser]
        settle()
    }

    /// Takes note of another's suspicion.
    ///
    /// - Returns: whether it is new and needed: then it is passed on too, so that all who have to hear several do.
    mutating func confirm(by accuser: UInt32) -> Bool {
        guard accusers.count <= needed, !accusers.contains(accuser) else { return false }
        accusers.append(accuser)
        settle()
        return true
    }

    mutating func postpone(by duration: UInt64) {
        delay += duration
        settle()
    }

    private mutating func settle() {
        var timeout = longest
        if needed > 0 {
            let share = FixedLogarithm.binary(UInt64(accusers.count)) * FixedLogarithm.one
            let less = (longest - shortest) * (share / FixedLogarithm.binary(UInt64(needed + 1))) / FixedLogarithm.one
            timeout = max(shortest, longest - less)
        }
        deadline = began + delay + timeout
    }
}
