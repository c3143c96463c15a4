extension FailureDetectorMachine {
    mutating func received(_ message: FailureMessage, from peer: UInt32, _ now: UInt64) {
        guard let index = index(of: peer) else { return }
        take(.alive(peer, refutation: message.refutation, incarnation: message.incarnation), now)
        for claim in message.claims { take(claim, now) }
        members[index].hear(refutation: message.refutation, incarnation: message.incarnation)
        switch message.body {
        case .probe(let sequence): send(.reply(sequence: sequence, isReached: true), to: index)
        case .reply(let sequence, let isReached):
            replied(sequence, isReached, from: peer, now: now)
            if members[index].needsToHear, isReached { makeUrgent(peer) }  // nothing else would tell it soon
        case .indirectProbe(let sequence, let target): relay(sequence, target, from: peer, now: now)
        case .view(let wantsAnswer): if wantsAnswer { sendView(to: peer, wantsAnswer: false) }
        }
    }

    /// Takes in what somebody says of a member, and passes it on if it is news.
    mutating func take(_ claim: LivenessClaim, _ now: UInt64) {
        guard claim.node != node else { return defend(claim) }
        guard let index = index(of: claim.node) else { return }
        let member = members[index]
        switch claim.liveness {
        case .alive:
            if claim.refutation == member.refutation, member.incarnation == 0 {
                members[index].incarnation = claim.incarnation
            }
            guard claim.refutation > member.refutation else { return }
            if member.liveness == .dead { counters.returns += 1 }
            set(index, .alive, claim, nil, now)
        case .suspect:
            guard claim.refutation >= member.refutation else { return }
            if member.liveness == .alive || claim.refutation > member.refutation {
                suspect(index, claim, now)
            } else if member.liveness == .suspect, members[index].suspicion?.confirm(by: claim.accuser) == true {
                gossip.add(claim)
            }
        case .dead:
            guard claim.refutation >= member.refutation else { return }
            if member.liveness == .dead, claim.refutation == member.refutation { return }
            if member.liveness == .alive, member.isLinked, !member.isSilent {
                suspect(
                    index, .suspect(claim.node, refutation: claim.refutation, by: claim.accuser), now)
            } else {
                counters.deaths += member.liveness == .dead ? 0 : 1
                set(index, .dead, claim, nil, now)
            }
        }
    }

    private mutating func set(
        _ index: Int, _ liveness: Liveness, _ claim: LivenessClaim, _ suspicion: Suspicion?, _ now: UInt64
    ) {
        let former = members[index].liveness
        change(index) {
            $0.liveness = liveness
            $0.refutation = claim.refutation
            if liveness == .alive { $0.incarnation = claim.incarnation }
            $0.suspicion = suspicion
            $0.accuser = claim.accuser
            if former != liveness { $0.since = now }
        }
        let peer = members[index].node
        if liveness == .suspect {
            if !suspects.contains(peer) { suspects.append(peer) }
        } else {
            suspects.removeAll { $0 == peer }
        }
        if former != liveness { actions.append(.changed(peer, liveness)) }
        gossip.add(claim)
    }

    private mutating func suspect(_ index: Int, _ claim: LivenessClaim, _ now: UInt64) {
        counters.suspicions += 1
        let shortest = settings.shortestSuspicion(members: size)
        let suspicion = Suspicion(
            by: claim.accuser, now: now, shortest: shortest,
            longest: shortest * UInt64(max(1, settings.suspicionSpread)),
            needed: max(0, min(settings.confirmations, size - 2)))
        set(index, .suspect, claim, suspicion, now)
        // Some see for themselves; were it all of them, the suspect's load would grow with the cluster.
        if claim.accuser != node, random.next(below: size) < settings.verifiers { makeUrgent(claim.node) }
    }

    /// Contradicts what is said of this node.
    private mutating func defend(_ claim: LivenessClaim) {
        if claim.liveness == .alive {
            let isAnother = claim.incarnation != incarnation && claim.incarnation != 0
            guard claim.refutation > refutation || (claim.refutation == refutation && isAnother) else { return }
            refutation = min(claim.refutation + (isAnother ? 1 : 0), LivenessClaim.greatestRefutation)
        } else {
            guard claim.refutation >= refutation else { return }
            refutation = min(claim.refutation + 1, LivenessClaim.greatestRefutation)
            counters.refutations += 1
            health.change(by: 1)
            actions.append(.refuted(claim.liveness, by: claim.accuser))
            // It was cut off, or stood still: what it held of others meanwhile is worth little.
            if claim.liveness == .dead { gossip.removeAccusations() }
        }
        gossip.add(.alive(node, refutation: refutation, incarnation: incarnation))
    }

    /// Declares dead who was a suspect for too long.
    mutating func bury(_ now: UInt64) {
        for suspect in suspects {
            guard let index = index(of: suspect), let suspicion = members[index].suspicion, suspicion.deadline <= now
            else { continue }
            counters.deaths += 1
            set(
                index, .dead, .dead(suspect, refutation: members[index].refutation, by: node), nil, now)
        }
    }

    // MARK: Sending

    /// Sends a message with what gossip there is; first comes what is held of the receiver, if it should refute that.
    mutating func send(_ body: FailureMessage.Body, to index: Int) {
        let member = members[index]
        var claims: [LivenessClaim] = []
        // Who is thought dead may have been cut off, or this node was: both refute before they gossip again.
        if member.liveness == .dead {
            claims = [member.claim]
        } else {
            claims = gossip.take(
                settings.claimsPerMessage, transmissions: settings.transmissions(members: size))
            if member.needsToHear, !claims.contains(where: { $0.node == member.node }) {
                claims.append(member.claim)
            }
        }
        actions.append(
            .send(
                member.node,
                FailureMessage(body, refutation: refutation, incarnation: incarnation, claims: claims)))
    }

    // MARK: Views

    mutating func exchangeView(_ now: UInt64) {
        let period = settings.viewPeriod * UInt64(max(32, size)) / 32
        nextView = now + period / 2 + random.next() % max(1, period)
        let able = members.filter { !$0.isAvoided }
        guard !able.isEmpty else { return }
        sendView(to: able[random.next(below: able.count)].node, wantsAnswer: true)
    }

    /// Sends all that is held of members beyond what holds of all at the start.
    mutating func sendView(to peer: UInt32, wantsAnswer: Bool) {
        let claims = members.filter { $0.liveness != .alive || $0.refutation > 0 }.prefix(ReplicaMessageLimits.entries)
            .map(\.claim)
        actions.append(
            .send(
                peer,
                FailureMessage(
                    .view(wantsAnswer: wantsAnswer), refutation: refutation, incarnation: incarnation, claims: claims)))
    }
}
