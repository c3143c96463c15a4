/// What a replica that catches up knows of one other node, and how far it is with it.
struct CatchUpPeer: Sendable {
    let node: UInt32
    /// The units that both own, ascending.
    let units: [Int]
    var isOpen = false
    var incarnation: UInt64?
    /// Whether it told its states on this link.
    var hasHeard = false
    /// What it told, by place in ``units``, and how many of them are in need.
    var states: [CatchUpState]
    var needCount = 0
    /// What is to be exchanged, by place in ``units``.
    var due: [Bool]
    var dueCount = 0
    /// By place, whether comparing turned out to be of no use: what differs is listed.
    private var differs: [Bool]
    /// The place in ``units`` where passes begin: with each peer elsewhere, so that what a replica lost comes from all
    /// of them side by side, and each has but little to add to what the others sent.
    private let first: Int
    /// Where the pass stands: a place in ``units``, and the stored key within it, empty for its start.
    var cursor: Int
    var from: [UInt8] = []
    /// Whether the peer was caught up on the unit at the cursor when its pages before ``from`` were exchanged.
    var wasCaughtUpBefore = false
    var exchange: CatchUpExchange?
    /// Writes it did not acknowledge, by place, and from when on they are exchanged.
    var owed: [Int] = []
    var owedAt: UInt64 = 0
    /// No page before this.
    var pausedUntil: UInt64 = 0
    var nextPass: UInt64 = 0
    /// From the next pass to the one after it.
    var passInterval: UInt64 = 0
    var askAt: UInt64 = 0

    /// - Parameter share: how far into its units passes begin, 0..<1.
    init(node: UInt32, units: [Int], share: Double) {
        self.node = node
        self.units = units
        first = Int(Double(units.count) * share)
        cursor = first
        states = Array(repeating: .caughtUp, count: units.count)
        due = Array(repeating: false, count: units.count)
        differs = due
    }

    func place(of unit: Int) -> Int? {
        let at = units.partitionIndex { $0 < unit }
        return at < units.count && units[at] == unit ? at : nil
    }

    mutating func setDue(_ place: Int) {
        guard !due[place] else { return }
        due[place] = true
        dueCount += 1
    }

    mutating func clearDue(_ place: Int) {
        guard due[place] else { return }
        due[place] = false
        dueCount -= 1
    }

    mutating func setAllDue() { for place in units.indices { setDue(place) } }

    mutating func owe(_ place: Int, at time: UInt64) {
        if owed.isEmpty { owedAt = time }
        if !owed.contains(place) { owed.append(place) }
    }

    mutating func restart() {
        cursor = first
        from = []
        differs = Array(repeating: false, count: units.count)
    }

    /// Whether a unit may be compared as a whole: no page of it was exchanged yet.
    func isComparable(_ place: Int) -> Bool {
        (place != cursor || from.isEmpty) && states[place] == .caughtUp && !differs[place]
    }

    mutating func setDiffers(_ places: [Int]) { for place in places { differs[place] = true } }

    /// The places of the next page's units: due ones of one keyspace, from the cursor on, round the end.
    mutating func nextPlaces(_ all: [CatchUpUnit], limit: Int) -> [Int] {
        guard dueCount > 0 else { return [] }
        if cursor >= units.count || !due[cursor] {
            from = []
            cursor = (cursor..<units.count).first { due[$0] } ?? due.firstIndex(of: true) ?? 0
        }
        let keyspace = all[units[cursor]].keyspace
        var places: [Int] = []
        for place in cursor..<units.count where due[place] {
            guard all[units[place]].keyspace == keyspace, places.count < limit else { break }
            places.append(place)
        }
        return places
    }
}

/// A page or a comparison under way.
struct CatchUpExchange: Sendable {
    var id: UInt64
    var isComparison = false
    /// Places among the peer's units, ascending.
    var places: [Int]
    /// By place, whether the peer was caught up when it was asked.
    var wereCaughtUp: [Bool]
    var deadline: UInt64
}
