extension FailureDetectorMachine {
    /// Does all that is due, and finds when the next is.
    mutating func proceed(_ now: UInt64) {
        for probe in probes where probe.askAt <= now && probe.deadline > now { askOthers(probe.sequence, now) }
        for probe in probes where probe.deadline <= now { fail(probe, now) }
        expireRelays(now)
        bury(now)
        if nextPeriod <= now { beginPeriod(now) }
        startUrgent(now)
        if nextView <= now { exchangeView(now) }
        wake = min(nextPeriod, nextView)
        for probe in probes { wake = min(wake, probe.askAt, probe.deadline) }
        for relay in relays { wake = min(wake, relay.refuseAt, relay.deadline) }
        for suspect in suspects {
            if let deadline = index(of: suspect).flatMap({ members[$0].suspicion?.deadline }) {
                wake = min(wake, deadline)
            }
        }
    }

    // MARK: Periods

    private mutating func beginPeriod(_ now: UInt64) {
        // From when it was due, so that periods do not drift; one that was missed is not made up for.
        let length = health.scaled(settings.period)
        nextPeriod = max(nextPeriod + length, now + length / 2)
        periods += 1
        urgentLeft = settings.urgentProbes
        if let target = nextInRound() { probe(target, now) }
        // One that lives but did not answer is gone round until it does: it should not wait for its turn.
        makeOneUrgent { $0.isSilent && $0.isLinked && $0.liveness != .dead }
        guard settings.deadProbePeriods > 0, periods % UInt64(settings.deadProbePeriods) == 0 else { return }
        makeOneUrgent { $0.liveness == .dead && $0.isLinked }
    }

    private mutating func makeOneUrgent(where isMeant: (FailureDetectorMember) -> Bool) {
        let able = members.indices.filter { isMeant(members[$0]) }
        if !able.isEmpty { makeUrgent(members[able[random.next(below: able.count)]].node) }
    }

    /// The next of a shuffled round through all who are not dead: each is probed once in a round, so that no failure
    /// stays unseen for longer than two.
    private mutating func nextInRound() -> UInt32? {
        for _ in 0..<2 {
            while let next = round.popLast() {
                guard let index = index(of: next), members[index].liveness != .dead,
                    !probes.contains(where: { $0.node == next })
                else { continue }
                return next
            }
            round = members.filter { $0.liveness != .dead }.map(\.node)
            round.shuffle(using: &random)
        }
        return nil
    }

    private mutating func startUrgent(_ now: UInt64) {
        while urgentLeft > 0, !urgent.isEmpty {
            urgentLeft -= 1
            probe(urgent.removeFirst(), now)
        }
    }

    // MARK: Probes

    private mutating func probe(_ target: UInt32, _ now: UInt64) {
        guard let index = index(of: target), !probes.contains(where: { $0.node == target }) else { return }
        counters.probes += 1
        lastSequence &+= 1
        let isLinked = members[index].isLinked
        probes.append(
            FailureProbe(
                sequence: lastSequence, node: target,
                askAt: isLinked ? now + health.scaled(settings.probeTimeout) : .max,
                deadline: now + health.scaled(settings.period)))
        if isLinked {
            send(.probe(sequence: lastSequence), to: index)
        } else {
            askOthers(lastSequence, now)
        }
    }

    /// Asks some others for an indirect probe; none of a dead member, which matters only if it is reached from here.
    private mutating func askOthers(_ sequence: UInt32, _ now: UInt64) {
        guard let at = probes.firstIndex(where: { $0.sequence == sequence }) else { return }
        probes[at].askAt = .max
        let target = probes[at].node
        guard let index = index(of: target), members[index].liveness != .dead else { return }
        var able = members.indices.filter { !members[$0].isAvoided && members[$0].node != target }
        var helpers: [UInt32] = []
        while helpers.count < settings.helpers, !able.isEmpty {
            let helper = able.remove(at: random.next(below: able.count))
            helpers.append(members[helper].node)
            send(.indirectProbe(sequence: sequence, target: target), to: helper)
        }
        probes[at].helpers = helpers
    }

    private mutating func fail(_ probe: FailureProbe, _ now: UInt64) {
        guard let at = probes.firstIndex(where: { $0.sequence == probe.sequence }) else { return }
        probes.remove(at: at)
        guard let index = index(of: probe.node) else { return }
        counters.failedProbes += 1
        change(index) { $0.isSilent = true }
        guard members[index].liveness != .dead else { return }
        // Others who say that they got no answer either show that this node is heard; silence all round is its own.
        health.change(by: probe.helpers.isEmpty ? 1 : probe.helpers.count - probe.refusals)
        take(.suspect(probe.node, refutation: members[index].refutation, by: node), now)
    }

    mutating func replied(_ sequence: UInt32, _ isReached: Bool, from peer: UInt32, now: UInt64) {
        if isReached, let at = relays.firstIndex(where: { $0.sequence == sequence && $0.target == peer }) {
            let relay = relays.remove(at: at)
            answered(peer, now)
            if let origin = index(of: relay.origin) {
                send(.reply(sequence: relay.originSequence, isReached: true), to: origin)
            }
            return
        }
        guard let at = probes.firstIndex(where: { $0.sequence == sequence }) else {
            // The answer to a probe that is over is late, but an answer.
            if isReached, lastSequence &- sequence < 1024 { answered(peer, now) }
            return
        }
        let probe = probes[at]
        if probe.node == peer, isReached {
            probes.remove(at: at)
            health.change(by: -1)
            answered(peer, now)
        } else if probe.helpers.contains(peer) {
            guard isReached else {
                probes[at].refusals += 1
                let isLinked = index(of: probe.node).map { members[$0].isLinked } ?? false
                if probes[at].refusals == probe.helpers.count, !isLinked { fail(probes[at], now) }
                return
            }
            probes.remove(at: at)
            health.change(by: -1)
            // It lives, but the way from here is broken.
            if let index = index(of: probe.node) { change(index) { $0.isSilent = true } }
        }
    }

    private mutating func answered(_ peer: UInt32, _ now: UInt64) {
        guard let index = index(of: peer) else { return }
        change(index) {
            $0.isSilent = false
            $0.lastAnswer = now
        }
    }

    // MARK: In others' stead

    mutating func relay(_ originSequence: UInt32, _ target: UInt32, from origin: UInt32, now: UInt64) {
        guard let back = index(of: origin) else { return }
        guard let index = index(of: target), members[index].isLinked, relays.count < settings.relays else {
            if target != node { send(.reply(sequence: originSequence, isReached: false), to: back) }
            return
        }
        counters.relayedProbes += 1
        lastSequence &+= 1
        relays.append(
            FailureRelay(
                sequence: lastSequence, origin: origin, originSequence: originSequence, target: target,
                refuseAt: now + settings.probeTimeout * 4 / 5, deadline: now + health.scaled(settings.period)))
        send(.probe(sequence: lastSequence), to: index)
    }

    private mutating func expireRelays(_ now: UInt64) {
        for at in relays.indices where relays[at].refuseAt <= now {
            relays[at].refuseAt = .max
            if let origin = index(of: relays[at].origin) {
                send(.reply(sequence: relays[at].originSequence, isReached: false), to: origin)
            }
        }
        relays.removeAll { $0.deadline <= now }
    }
}
