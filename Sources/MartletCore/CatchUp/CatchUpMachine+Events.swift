extension CatchUpMachine {
    /// Takes in what happened at `now`, in nanoseconds of a clock that only moves forward. O(peers), and O(units shared
    /// with the peer) where a link opened or its states were heard.
    public mutating func receive(_ event: CatchUpEvent, now: UInt64) -> [CatchUpAction] {
        actions = []
        switch event {
        case .linkOpened(let node, let incarnation):
            if let peer = index(of: node) { open(peer, incarnation, now) }
        case .linkClosed(let node):
            forgetHints(heldBy: node)
            guard let peer = index(of: node) else { break }
            peers[peer].isOpen = false
            peers[peer].hasHeard = false
            peers[peer].exchange = nil
            expectDifferences(now)
        case .heard(let node, let incarnation, let runs, let hasServed, let wantsAnswer):
            guard let peer = index(of: node) else { break }
            if !peers[peer].isOpen || peers[peer].incarnation != incarnation { open(peer, incarnation, now) }
            if wantsAnswer { actions.append(.tell(node, wantsAnswer: false)) }
            self.hasServed = self.hasServed || hasServed
            hear(peer, runs)
        case .exchanged(let node, let id, let upTo):
            guard let peer = index(of: node), let exchange = peers[peer].exchange, exchange.id == id,
                !exchange.isComparison
            else { break }
            finish(peer, upTo: upTo, now)
        case .compared(let node, let id, let equal):
            guard let peer = index(of: node), let exchange = peers[peer].exchange, exchange.id == id,
                exchange.isComparison
            else { break }
            finishComparison(peer, equal, now)
        case .failed(let node, let id):
            guard let peer = index(of: node), peers[peer].exchange?.id == id else { break }
            fail(peer, now)
        case .owed(let node, let keyspace, let slot):
            guard let peer = index(of: node), let unit = unit(ofSlot: slot, keyspace: keyspace),
                let place = peers[peer].place(of: unit)
            else { break }
            peers[peer].owe(place, at: now + settings.owedDelay)
            expectDifferences(now)
        case .hintsHeld(let node, let areHeld):
            if areHeld { hintHolders.insert(node) } else { forgetHints(heldBy: node) }
        case .time: break
        }
        proceed(now)
        return actions
    }

    /// Hints that a node held are here, or it is not there any more to be waited for.
    private mutating func forgetHints(heldBy node: UInt32) {
        guard hintHolders.remove(node) != nil, hintHolders.isEmpty, needCount > 0 else { return }
        for unit in units.indices { settle(unit) }
    }

    func isSloppy(_ keyspace: Int) -> Bool { sloppyKeyspaces.indices.contains(keyspace) && sloppyKeyspaces[keyspace] }

    /// A node that went away may have left its writes with some of their owners and not with others: all look soon.
    private mutating func expectDifferences(_ now: UInt64) {
        for peer in peers.indices where peers[peer].passInterval > settings.period {
            peers[peer].passInterval = settings.period
            peers[peer].nextPass = min(peers[peer].nextPass, now + jittered(settings.period))
        }
    }

    private mutating func open(_ peer: Int, _ incarnation: UInt64, _ now: UInt64) {
        if peers[peer].incarnation != incarnation {
            peers[peer].incarnation = incarnation
            peers[peer].restart()
        }
        peers[peer].isOpen = true
        peers[peer].hasHeard = false
        peers[peer].exchange = nil
        peers[peer].pausedUntil = now
        // What was sent into the link before may be lost with it.
        peers[peer].nextPass = now
        peers[peer].passInterval = settings.period
        peers[peer].askAt = now + settings.retry
        actions.append(.tell(peers[peer].node, wantsAnswer: false))
    }

    private mutating func hear(_ peer: Int, _ runs: [[CatchUpRun]]) {
        peers[peer].hasHeard = true
        peers[peer].needCount = 0
        var at = Array(repeating: 0, count: runs.count)
        for (place, unit) in peers[peer].units.enumerated() {
            let (keyspace, slots) = (units[unit].keyspace, units[unit].slots)
            var state = CatchUpState.needs  // what is not told is not known
            if runs.indices.contains(keyspace) {
                while at[keyspace] < runs[keyspace].count,
                    runs[keyspace][at[keyspace]].slots.upperBound <= slots.lowerBound
                {
                    at[keyspace] += 1
                }
                if at[keyspace] < runs[keyspace].count {
                    let run = runs[keyspace][at[keyspace]]
                    let isWhole = run.slots.lowerBound <= slots.lowerBound && run.slots.upperBound >= slots.upperBound
                    if isWhole { state = run.state }
                }
            }
            peers[peer].states[place] = state
            if state != .caughtUp { peers[peer].needCount += 1 }
            guard needs[unit], let position = units[unit].others.firstIndex(of: peers[peer].node) else { continue }
            switch state {
            case .caughtUp: if !sound[unit].contains(position) { peers[peer].setDue(place) }
            case .needs: if !merged[unit].contains(position) { peers[peer].setDue(place) }
            case .needsAndIsEmpty:
                merged[unit].insert(position)
                settle(unit)
            }
        }
    }

    // MARK: Exchanges

    private mutating func finish(_ peer: Int, upTo: [UInt8]?, _ now: UInt64) {
        guard let exchange = peers[peer].exchange.take() else { return }
        var doneBelow = Slot.count
        if let upTo, upTo.count >= StoredKey.prefixLength {
            doneBelow = Int(withBytes(of: upTo) { $0.bigEndian(9, as: UInt16.self) })
        }
        for (place, wasCaughtUp) in zip(exchange.places, exchange.wereCaughtUp) {
            guard units[peers[peer].units[place]].slots.upperBound <= doneBelow else { break }
            noteMerged(peer, place, wasCaughtUp: wasCaughtUp)
        }
        let rest = exchange.places.firstIndex { units[peers[peer].units[$0]].slots.upperBound > doneBelow }
        if let upTo, let rest {
            peers[peer].cursor = exchange.places[rest]
            peers[peer].from = upTo
            peers[peer].wasCaughtUpBefore = exchange.wereCaughtUp[rest]
        } else {
            peers[peer].cursor = (exchange.places.last ?? 0) + 1
            peers[peer].from = []
        }
        peers[peer].pausedUntil = needCount > 0 ? now : now + settings.pause
    }

    /// All that a peer holds of a unit is here.
    private mutating func noteMerged(_ peer: Int, _ place: Int, wasCaughtUp: Bool) {
        let unit = peers[peer].units[place]
        peers[peer].clearDue(place)
        guard needs[unit], let position = units[unit].others.firstIndex(of: peers[peer].node) else { return }
        merged[unit].insert(position)
        if wasCaughtUp { sound[unit].insert(position) }
        settle(unit)
        // It became so while a page was under way: once more, for its word to count as that.
        if needs[unit], !wasCaughtUp, peers[peer].states[place] == .caughtUp { peers[peer].setDue(place) }
    }

    private mutating func finishComparison(_ peer: Int, _ equal: [Int], _ now: UInt64) {
        guard let exchange = peers[peer].exchange.take() else { return }
        let equal = Set(equal)
        let same = exchange.places.filter { equal.contains(peers[peer].units[$0]) }
        for place in same { noteMerged(peer, place, wasCaughtUp: true) }
        // Writes under way make units differ for a moment: as long as some are found to be equal, others may be soon.
        if same.isEmpty { peers[peer].setDiffers(exchange.places) }
        peers[peer].pausedUntil = now
    }

    private mutating func fail(_ peer: Int, _ now: UInt64) {
        if let exchange = peers[peer].exchange, exchange.isComparison { peers[peer].setDiffers(exchange.places) }
        peers[peer].exchange = nil
        peers[peer].pausedUntil = now + jittered(settings.retry)
    }

    // MARK: What is due

    private mutating func proceed(_ now: UInt64) {
        var next = UInt64.max
        for peer in peers.indices where peers[peer].isOpen { proceed(with: peer, now, &next) }
        if outcome.units > 0 {
            outcome.hasServed = hasServed
            actions.append(.caughtUp(outcome))
            outcome = CatchUpOutcome()
            for peer in peers where peer.isOpen { actions.append(.tell(peer.node, wantsAnswer: false)) }
        }
        wake = next == .max ? nil : next
    }

    private mutating func proceed(with peer: Int, _ now: UInt64, _ next: inout UInt64) {
        // Until both are well the peer's states matter, and word of them may have come before anybody listened.
        if !peers[peer].hasHeard || (needCount > 0 && peers[peer].needCount > 0) {
            if peers[peer].askAt <= now {
                peers[peer].askAt = now + jittered(settings.retry)
                actions.append(.tell(peers[peer].node, wantsAnswer: true))
            }
            next = min(next, peers[peer].askAt)
        }
        if settings.comparesWell, node < peers[peer].node {
            if peers[peer].nextPass <= now {
                peers[peer].nextPass = now + jittered(max(peers[peer].passInterval, settings.period))
                peers[peer].passInterval = min(peers[peer].passInterval * 2, settings.longestPeriod)
                peers[peer].setAllDue()
            }
            next = min(next, peers[peer].nextPass)
        }
        if !peers[peer].owed.isEmpty {
            if peers[peer].owedAt > now {
                next = min(next, peers[peer].owedAt)
            } else if peers[peer].exchange == nil {  // else its end is the moment
                for place in peers[peer].owed { peers[peer].setDue(place) }
                peers[peer].owed = []
            }
        }
        if let exchange = peers[peer].exchange {
            if exchange.deadline <= now { fail(peer, now) } else { next = min(next, exchange.deadline) }
        }
        guard peers[peer].exchange == nil, peers[peer].hasHeard, peers[peer].dueCount > 0 else { return }
        if peers[peer].pausedUntil <= now {
            begin(peer, now)
            next = min(next, peers[peer].exchange?.deadline ?? next)
        } else {
            next = min(next, peers[peer].pausedUntil)
        }
    }

    private mutating func begin(_ peer: Int, _ now: UInt64) {
        var places = peers[peer].nextPlaces(units, limit: settings.pageUnits)
        guard let first = places.first else { return }
        lastExchange += 1
        let spared = places.prefix { isComparable(peer, $0) }
        guard spared.isEmpty else { return compare(peer, Array(spared), now) }
        places = Array(places.prefix { !isComparable(peer, $0) })
        let states = peers[peer].states
        var wereCaughtUp = places.map { states[$0] == .caughtUp }
        // A unit of several pages counts as its first.
        if !peers[peer].from.isEmpty, !peers[peer].wasCaughtUpBefore { wereCaughtUp[0] = false }
        peers[peer].exchange = CatchUpExchange(
            id: lastExchange, places: places, wereCaughtUp: wereCaughtUp, deadline: now + settings.patience)
        var slots: [Range<Int>] = []
        for place in places {
            let more = units[peers[peer].units[place]].slots
            if let last = slots.last, last.upperBound == more.lowerBound {
                slots[slots.count - 1] = last.lowerBound..<more.upperBound
            } else {
                slots.append(more)
            }
        }
        actions.append(
            .exchange(
                id: lastExchange, node: peers[peer].node, keyspace: units[peers[peer].units[first]].keyspace,
                slots: slots, from: peers[peer].from))
    }

    /// Whether a unit may turn out to hold all that a peer holds of it: another has sent what it has.
    private func isComparable(_ peer: Int, _ place: Int) -> Bool {
        let unit = peers[peer].units[place]
        return needs[unit] && !merged[unit].isEmpty && peers[peer].isComparable(place)
    }

    private mutating func compare(_ peer: Int, _ places: [Int], _ now: UInt64) {
        peers[peer].exchange = CatchUpExchange(
            id: lastExchange, isComparison: true, places: places, wereCaughtUp: [], deadline: now + settings.patience)
        actions.append(
            .compare(id: lastExchange, node: peers[peer].node, units: places.map { peers[peer].units[$0] }))
    }
}
