/// Leading rounds.
extension TombstoneCollectionMachine {
    mutating func begin(_ place: CollectionPlace, _ owners: [UInt32], _ entries: [CollectionEntry], _ now: UInt64) {
        guard owners.contains(node), !entries.isEmpty, !led.contains(where: { $0.place == place }) else { return }
        if let missing = members.first(where: { $0 != node && !linked.contains($0) }) {
            let phase: TombstoneCollectionPhase = owners.contains(missing) ? .agreement : .work
            return actions.append(.finished(place, .blocked(by: missing, phase)))
        }
        let entries = Array(entries.prefix(max(1, settings.entries)))
        lastNumber += 1
        let round = CollectionRound(leader: node, incarnation: incarnation, number: lastNumber)
        led.append(
            LedCollection(
                round: round, place: place, owners: owners, count: entries.count, waiting: Set(owners),
                places: Array(entries.indices), deadline: now + settings.patience))
        for owner in owners { send(owner, round, .propose(place, owners: owners, entries)) }
    }

    /// Takes in an owner's answer; with the last one the next phase begins.
    mutating func heard(
        _ round: CollectionRound, _ owner: UInt32, _ phase: TombstoneCollectionPhase, _ except: [Int], _ now: UInt64
    ) {
        guard let at = led.firstIndex(where: { $0.round == round }), led[at].phase == phase,
            led[at].waiting.remove(owner) != nil
        else { return }
        if !except.isEmpty {
            let gone = Set(except)
            led[at].places.removeAll { gone.contains($0) }
        }
        guard led[at].waiting.isEmpty else { return }
        led[at].waiting = Set(led[at].owners)
        led[at].deadline = now + settings.patience
        let (owners, places) = (led[at].owners, led[at].places)
        switch phase {
        case .agreement where places.isEmpty: finish(round, .collected(0, of: led[at].count))
        case .agreement where settings.plantedSkipsFence, .clearance:
            led[at].phase = .erasure
            for owner in owners { send(owner, round, .erase(places)) }
        case .agreement: ask(.work, .work, at)
        case .work where settings.plantedSkipsHints: ask(.clearance, .links, at)
        case .work: ask(.hints, .hints, at)
        case .hints: ask(.clearance, .links, at)
        case .erasure: finish(round, .collected(places.count, of: led[at].count))
        }
    }

    private mutating func ask(_ phase: TombstoneCollectionPhase, _ stage: CollectionStage, _ at: Int) {
        led[at].phase = phase
        if stage != .links { led[at].waiting = Set(members) }
        let (round, place, owners) = (led[at].round, led[at].place, led[at].owners)
        for member in members { send(member, round, .fence(place, owners: owners, stage)) }
    }

    /// Ends a round that is led here, if it is still under way.
    mutating func finish(_ round: CollectionRound, _ outcome: TombstoneCollectionOutcome) {
        guard let at = led.firstIndex(where: { $0.round == round }) else { return }
        let ended = led.remove(at: at)
        if case .collected(let count, _) = outcome, count > 0 {
        } else {
            for member in members { send(member, round, .abandon) }
        }
        actions.append(.finished(ended.place, outcome))
    }
}

/// Taking part in rounds.
extension TombstoneCollectionMachine {
    mutating func join(
        _ round: CollectionRound, _ place: CollectionPlace, _ owners: [UInt32], _ entries: [CollectionEntry],
        _ now: UInt64
    ) {
        guard owners.contains(node), !joined.contains(where: { $0.round == round }) else { return }
        // A leader that begins anew on a place has given up what it began before.
        for former in joined where former.round.leader == round.leader && former.place == place { forget(former.round) }
        guard joined.count(where: { $0.round.leader == round.leader }) < settings.rounds else {
            return send(round.leader, round, .abandon)
        }
        joined.append(
            JoinedCollection(
                round: round, place: place, entries: entries, deadline: now + settings.patience * 4))
        actions.append(.check(round, place, entries))
    }

    mutating func clear(_ round: CollectionRound, from member: UInt32, _ lane: Int, _ lanes: Int) {
        guard let at = joined.firstIndex(where: { $0.round == round }) else { return }
        var left = joined[at].lanes[member] ?? Set(0..<lanes)
        left.remove(lane)
        joined[at].lanes[member] = left
        if left.isEmpty { joined[at].clear.insert(member) }
        guard !joined[at].hasSaidCleared, joined[at].clear.isSuperset(of: members) else { return }
        joined[at].hasSaidCleared = true
        send(round.leader, round, .cleared)
    }

    mutating func erase(_ round: CollectionRound, _ places: [Int], _ now: UInt64) {
        guard let at = joined.firstIndex(where: { $0.round == round }),
            joined[at].hasSaidCleared || settings.plantedSkipsFence
        else { return }
        joined[at].deadline = now + settings.patience * 2
        let entries = joined[at].entries
        actions.append(.erase(round, places.filter(entries.indices.contains).map { entries[$0] }))
    }

    /// Gives up a round.
    mutating func forget(_ round: CollectionRound) { joined.removeAll { $0.round == round } }
}
