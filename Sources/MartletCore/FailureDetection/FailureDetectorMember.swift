/// What a failure detector knows of one other member.
public struct FailureDetectorMember: Hashable, Sendable {
    public let node: UInt32
    public internal(set) var liveness = Liveness.alive
    /// The member's highest refutation heard of.
    public internal(set) var refutation: UInt64 = 0
    /// Its data set as of that; 0 if it is not known.
    public internal(set) var incarnation: UInt64 = 0
    /// When its liveness last changed, or this detector began.
    public internal(set) var since: UInt64
    /// When it last answered a probe of this node's without another's help; nil if it never did.
    public internal(set) var lastAnswer: UInt64?
    public internal(set) var isLinked = false
    /// Whether the last probe of this node's got no direct answer.
    public internal(set) var isSilent = false
    /// Who found it suspect or dead.
    public internal(set) var accuser: UInt32
    var suspicion: Suspicion?
    /// Whether what it last said of itself is not what is held of it.
    var isContradicted = false

    init(node: UInt32, since: UInt64) {
        self.node = node
        self.since = since
        accuser = node
    }

    /// Whether coordinators go round it.
    public var isAvoided: Bool { !isLinked || isSilent || liveness != .alive }

    /// What this node says of it.
    var claim: LivenessClaim {
        switch liveness {
        case .alive: .alive(node, refutation: refutation, incarnation: incarnation)
        case .suspect: .suspect(node, refutation: refutation, by: accuser)
        case .dead: .dead(node, refutation: refutation, by: accuser)
        }
    }

    /// Whether it has to be told what is held of it, so that it can refute.
    var needsToHear: Bool { liveness != .alive || isContradicted }

    /// Takes note of what it says of itself.
    mutating func hear(refutation said: UInt64, incarnation: UInt64) {
        isContradicted = refutation > said || (self.incarnation != incarnation && self.incarnation != 0)
    }
}

/// A probe under way.
struct FailureProbe: Hashable, Sendable {
    let sequence: UInt32
    let node: UInt32
    /// When others are asked; `UInt64.max` once they were.
    var askAt: UInt64
    /// When it has failed.
    var deadline: UInt64
    /// Those asked, and how many said that they got no answer.
    var helpers: [UInt32] = []
    var refusals = 0
}

/// A probe in another's stead.
struct FailureRelay: Hashable, Sendable {
    let sequence: UInt32
    let origin: UInt32
    let originSequence: UInt32
    let target: UInt32
    /// When the other hears that there is no answer; `UInt64.max` once it did.
    var refuseAt: UInt64
    var deadline: UInt64
}
