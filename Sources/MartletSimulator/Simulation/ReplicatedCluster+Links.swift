internal import MartletRuntime

/// What can befall the links between the nodes of a cluster. Faults may overlap: a way is free once none blocks it.
extension ReplicatedCluster {
    typealias Way = FaultyLinks.Direction

    func registerLinks(_ injector: FaultInjector) {
        injector.register(.partition) { [self] fault in
            if let centers = choices.centers, fault.severity < 0.5 {
                let paris = nodes.map(\.id).filter { centers[Int($0) - 1] == centers[0] }
                return cutting(ways(paris, nodes.map(\.id).filter { !paris.contains($0) }))
            }
            let ids = shuffledIDs()
            let cut = 1 + random.below(max(1, ids.count - 1))
            return cutting(ways(Array(ids[..<cut]), Array(ids[cut...])))
        }
        injector.register(.bridge) { [self] _ in
            let ids = shuffledIDs()
            guard ids.count > 2 else { return nil }
            // The first is the bridge.
            let cut = 2 + random.below(ids.count - 2)
            return cutting(ways(Array(ids[1..<cut]), Array(ids[cut...])))
        }
        injector.register(.isolation) { [self] fault in
            let id = node(fault).id
            return cutting(ways([id], nodes.map(\.id).filter { $0 != id }))
        }
        injector.register(.oneWay) { [self] fault in
            let id = node(fault).id
            let others = shuffledIDs().filter { $0 != id }.prefix(1 + random.below(nodes.count))
            let isOut = fault.severity < 0.5
            return cutting(others.map { isOut ? Way(from: id, to: $0) : Way(from: $0, to: id) })
        }
        injector.register(.flapping) { [self] fault in
            let id = node(fault).id
            return flap(ways([id], nodes.map(\.id).filter { $0 != id }), every: 0.05 + fault.severity)
        }
        injector.register(.linkBreaks) { [self] fault in
            guard messages.faults.resets == 0 else { return nil }
            messages.faults.resets = [0.001, 0.01, 0.05][Int(fault.severity * 3)]
            return { [self] in messages.faults.resets = 0 }
        }
        injector.register(.slowLinks) { [self] fault in
            let usual = messages.faults.latency
            guard usual.upperBound < 10_000_000 else { return nil }
            messages.faults.latency = 1_000_000...(10_000_000 + Int(fault.severity * 300_000_000))
            return { [self] in messages.faults.latency = usual }
        }
        injector.register(.clog) { [self] fault in clogging(share: 0.3, fault) }
        injector.register(.swizzle) { [self] fault in swizzling(fault) }
    }

    func shuffledIDs() -> [UInt32] {
        var ids = nodes.map(\.id)
        for index in ids.indices.dropLast() { ids.swapAt(index, index + random.below(ids.count - index)) }
        return ids
    }

    func ways(_ some: [UInt32], _ others: [UInt32]) -> [Way] {
        some.flatMap { a in others.flatMap { b in [Way(from: a, to: b), Way(from: b, to: a)] } }
    }

    func cutting(_ ways: [Way]) -> (() -> Void)? {
        guard !ways.isEmpty else { return nil }
        cut(ways)
        return { [self] in free(ways) }
    }

    private func cut(_ ways: [Way]) {
        for way in ways { blockings[way, default: 0] += 1 }
        applyBlockings()
    }

    private func free(_ ways: [Way]) {
        for way in ways { blockings[way, default: 1] -= 1 }
        applyBlockings()
    }

    private func applyBlockings() {
        var faults = messages.faults
        for (way, count) in blockings {
            if count > 0 {
                faults.block(from: way.from, to: way.to)
            } else {
                faults.unblock(from: way.from, to: way.to)
            }
        }
        messages.faults = faults
    }

    /// Cuts and frees in turn, each for up to so many seconds.
    private func flap(_ ways: [Way], every seconds: Double) -> (() -> Void)? {
        guard !ways.isEmpty else { return nil }
        var isCut = false
        var isOver = false
        func toggle() {
            guard !isOver else { return }
            isCut ? free(ways) : cut(ways)
            isCut.toggle()
            executor.schedule(after: .nanoseconds(Int64(seconds * random.fraction() * 1e9))) { toggle() }
        }
        toggle()
        return { [self] in
            isOver = true
            if isCut { free(ways) }
        }
    }

    /// Slows a share of the ways down; most by little, few by much.
    private func clogging(share: Double, _ fault: PlannedFault) -> (() -> Void)? {
        let ids = nodes.map(\.id)
        let all = ids.flatMap { a in ids.filter { $0 != a }.map { Way(from: a, to: $0) } }
        let ways = all.filter { _ in random.happens(share) }
        guard !ways.isEmpty, messages.faults.clogged.isEmpty else { return nil }
        let longest = [0.02, 0.2, 2][Int(fault.severity * 3)]
        for way in ways {
            let delay = Duration.nanoseconds(Int64(longest * random.fraction() * 1e9))
            messages.faults.clog(from: way.from, to: way.to, by: delay)
        }
        return { [self] in for way in ways { messages.faults.clog(from: way.from, to: way.to, by: .zero) } }
    }

    /// Cuts nodes off one by one, and lets them back in another order.
    private func swizzling(_ fault: PlannedFault) -> (() -> Void)? {
        let ids = shuffledIDs()
        let victims = Array(ids.prefix(1 + random.below(ids.count)))
        var left: [UInt32: [Way]] = [:]
        var isOver = false
        let step = Double(fault.duration.inNanoseconds) / Double(2 * victims.count + 1)
        func after(_ steps: Int, _ body: @escaping () -> Void) {
            executor.schedule(after: .nanoseconds(Int64(step * Double(steps)))) { if !isOver { body() } }
        }
        for (place, id) in victims.enumerated() {
            after(place) { [self] in
                left[id] = ways([id], ids.filter { $0 != id })
                cut(left[id] ?? [])
            }
        }
        for (place, id) in shuffledIDs().filter({ victims.contains($0) }).enumerated() {
            after(victims.count + 1 + place) { [self] in free(left.removeValue(forKey: id) ?? []) }
        }
        return { [self] in
            isOver = true
            for id in left.keys.sorted() { free(left[id] ?? []) }
        }
    }
}
