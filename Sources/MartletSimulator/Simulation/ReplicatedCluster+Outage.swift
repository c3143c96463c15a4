internal import MartletCore
internal import MartletRuntime

/// Nodes that are gone while all else is well, and who knows of it: what has to go on without them.
extension ReplicatedCluster {
    /// An absence that lasts.
    struct Outage {
        var absence: Evidence.Absence
        /// Who does not know yet of whom.
        var unaware: Set<Way>
    }

    func registerOutage(_ injector: FaultInjector) {
        injector.register(.outage) { [self] fault in
            // Of a cluster that is not whole it is not known what it can spare.
            guard outage == nil, choices.spare > 0, isFormed else { return nil }
            let victims = Array(shuffledIDs().prefix(1 + random.below(choices.spare)))
            let others = nodes.map(\.id).filter { !victims.contains($0) }
            let undo = remove(victims, fault.severity)
            outage = Outage(
                absence: Evidence.Absence(nodes: Set(victims.map { Int($0) - 1 }), from: executor.now),
                unaware: Set(others.flatMap { other in victims.map { Way(from: other, to: $0) } }))
            outage?.absence.takesWritesOnly = victims.count > choices.sparedOwners
            return { [self] in
                endOutage()
                undo()
            }
        }
    }

    private func remove(_ victims: [UInt32], _ severity: Double) -> () -> Void {
        let gone = nodes.filter { victims.contains($0.id) }
        switch severity {
        case ..<0.34:
            for node in gone { node.crash() }
            return { for node in gone { node.start() } }
        case ..<0.67:
            let resumptions = gone.compactMap { $0.pause() }
            return { for resume in resumptions { resume() } }
        default:
            return cutting(ways(victims, nodes.map(\.id).filter { !victims.contains($0) })) ?? {}
        }
    }

    private func endOutage() {
        guard var absence = outage?.absence else { return }
        outage = nil
        absence.to = executor.now
        if absence.known != nil { count("absence of a minority known to all") }
        absences.append(absence)
    }

    /// A node's failure detector holds another for what it says.
    func heard(_ liveness: Liveness, of node: UInt32, by observer: UInt32) {
        noteLiveness(liveness, node, observer)
        guard outage?.absence.nodes.contains(Int(node) - 1) == true else { return }
        if liveness == .alive {
            outage?.unaware.insert(Way(from: observer, to: node))
            outage?.absence.known = nil
        } else if outage?.unaware.remove(Way(from: observer, to: node)) != nil, outage?.unaware.isEmpty == true {
            outage?.absence.known = executor.now
        }
    }
}
