internal import MartletClient
internal import MartletCore

/// What all nodes of a cluster said of themselves, and what follows from it.
struct ClusterStatus: Sendable {
    /// In the order of the members; why one did not answer.
    var nodes: [(member: MemberFacts, answer: Result<NodeStatus, MartletError>)]
    /// One for each keyspace, in order.
    var rings: [ClusterRing]

    private var answers: [NodeStatus] { nodes.compactMap { try? $0.answer.get() } }
    /// The cluster's.
    var name: String { answers.first?.cluster ?? "?" }
    private var silent: Set<String> {
        Set(nodes.filter { if case .failure = $0.answer { true } else { false } }.map(\.member.name))
    }

    var report: ClusterReport {
        let unmet = unmetQuorums
        let faults = unmet + unreachable + disagreements + troubles
        let first = answers.first
        let count = nodes.count
        return ClusterReport(
            title: "cluster \(first?.cluster ?? "?"): \(count) \(count == 1 ? "node" : "nodes"), epoch "
                + "\(first?.epoch ?? 0), founding digest \((first?.founding ?? "").orDash)",
            faults: faults, well: "all is well",
            code: !unmet.isEmpty ? ExitCode.quorumNotMet : faults.isEmpty ? ExitCode.ok : ExitCode.failed,
            [nodeRows, keyspaceRows, viewRows])
    }

    /// Keyspaces whose reads or writes too few owners are there for.
    private var unmetQuorums: [String] {
        guard let keyspaces = answers.first?.keyspaces else { return [] }
        var faults: [String] = []
        for (keyspace, ring) in zip(keyspaces, rings) {
            for (what, name) in [("reads", keyspace.read), ("writes", keyspace.write)] {
                guard let level = try? ConsistencyLevel(parsing: name) else { continue }
                for center in standpoints(level) {
                    let short = ring.ranges.filter { !isMet(level, askedFrom: center, by: $0.owners) }
                    let partitions = short.reduce(0) { $0 + $1.slots.count / ring.width }
                    guard partitions > 0 else { continue }
                    faults.append(
                        "keyspace \(keyspace.name): \(what) by \(name)\(center.isEmpty ? "" : " in \(center)") need more "
                            + "owners than are left of \(partitions) of \(ring.partitions) partitions")
                }
            }
        }
        return faults
    }

    private var centers: [String] { Set(nodes.map(\.member.dataCenter)).sorted() }

    /// The data centers that it matters to ask from: those with a node to ask.
    private func standpoints(_ level: ConsistencyLevel) -> [String] {
        guard level == .localQuorum, centers.count > 1 else { return [""] }
        let silent = silent
        return centers.filter { center in
            nodes.contains { $0.member.dataCenter == center && !silent.contains($0.member.name) }
        }
    }

    /// Whether those of some owners that answer are enough; so it is where none of them could ever be.
    private func isMet(_ level: ConsistencyLevel, askedFrom center: String, by owners: [String]) -> Bool {
        let (silent, centers) = (silent, centers)
        var places = [PositionSet](repeating: PositionSet(), count: centers.count)
        var answering = PositionSet()
        for (position, owner) in owners.prefix(PositionSet.capacity).enumerated() {
            if !silent.contains(owner) { answering.insert(position) }
            guard let member = nodes.first(where: { $0.member.name == owner })?.member,
                let place = centers.firstIndex(of: member.dataCenter)
            else { continue }
            places[place].insert(position)
        }
        guard !owners.isEmpty else { return true }
        let count = min(owners.count, PositionSet.capacity)
        let placement = ReplicaPlacement(
            owners: count, count: count, centers: centers.count > 1 ? places : [],
            localCenter: centers.count > 1 ? centers.firstIndex(of: center) : nil)
        return (try? Quorum(level, in: placement))?.isMet(by: answering) ?? true
    }

    private var unreachable: [String] {
        nodes.compactMap { member, answer in
            guard case .failure(let error) = answer else { return nil }
            return Self.silence(of: member, error)
        }
    }

    /// Why a node did not answer, its address once.
    static func silence(of member: MemberFacts, _ error: MartletError) -> String {
        let reason = error.message.replacing("cannot connect to \(member.clients): ", with: "")
            .replacing("\(member.clients): ", with: "")
        return "node \(member.name) cannot be reached at \(member.clients): \(reason)"
    }

    private var disagreements: [String] {
        guard let first = answers.first else { return [] }
        return answers.dropFirst().compactMap { other in
            guard other.epoch != first.epoch || other.founding != first.founding else { return nil }
            return "node \(other.name) is in epoch \(other.epoch), founded as \(other.founding), and \(first.name) in "
                + "epoch \(first.epoch), founded as \(first.founding)"
        }
    }

    /// What nodes say is wrong with themselves.
    private var troubles: [String] {
        var faults: [String] = []
        for node in answers {
            for keyspace in node.keyspaces {
                if keyspace.inNeed > 0 {
                    faults.append(
                        "node \(node.name): keyspace \(keyspace.name): \(keyspace.inNeed) of \(keyspace.partitions) "
                            + "partitions are not caught up and count for nothing yet")
                }
                if keyspace.lost > 0 {
                    faults.append(
                        "node \(node.name): keyspace \(keyspace.name): \(keyspace.lost) partitions came up from too "
                            + "few owners: acknowledged writes may be lost")
                }
            }
            if abs(node.clockAhead) > HybridLogicalClock.defaultBound {
                faults.append(
                    "node \(node.name): its clock is \(abs(node.clockAhead)) ms "
                        + "\(node.clockAhead > 0 ? "ahead of" : "behind") the others': it coordinates no writes until it "
                        + "is set right")
            }
            let lost = node.hints.dropped + node.hints.expired
            if lost > 0 {
                faults.append(
                    "node \(node.name): \(lost) hints were given up, for want of room or by age: their owners lack them "
                        + "until replicas are compared")
            }
            if node.tombstones.awaiting > 0, !node.tombstones.blockedBy.isEmpty {
                faults.append(
                    "node \(node.name): \(node.tombstones.awaiting) deleted or expired records cannot be erased yet: "
                        + "waiting for \(node.tombstones.blockedBy) \(node.tombstones.blockedUntil)")
            }
            for peer in node.peers where peer.link != "up" && !silent.contains(peer.name) {
                faults.append(
                    "node \(node.name): the link with \(peer.name) is \(peer.link) since \(Self.time(peer.since))")
            }
        }
        return faults
    }

    private var nodeRows: [[String]] {
        var rows = [
            [
                "node", "address", "backend", "durability", "state", "up for", "caught up", "links", "hints", "records",
                "version",
            ]
        ]
        for (member, answer) in nodes {
            guard case .success(let node) = answer else {
                rows.append([member.name, member.clients, "?", "?", "unreachable", "-", "-", "-", "-", "-", "-"])
                continue
            }
            let partitions = node.keyspaces.reduce(0) { $0 + $1.partitions }
            let inNeed = node.keyspaces.reduce(0) { $0 + $1.inNeed }
            let records = node.keyspaces.map(\.records)
            rows.append([
                node.name, member.clients, node.backend, node.durability, inNeed > 0 ? "catching up" : "up",
                Self.time(node.uptime), "\(partitions - inNeed)/\(partitions)",
                "\(node.peers.count { $0.link == "up" })/\(node.peers.count)",
                node.hints.held == 0 ? "-" : "\(node.hints.held), \(Self.time(node.hints.oldest))",
                records.contains(nil) ? "?" : "\(records.reduce(0) { $0 + ($1 ?? 0) })", node.version,
            ])
        }
        return rows
    }

    private var keyspaceRows: [[String]] {
        [["keyspace", "N", "R", "W", "conflicts", "partitions"]]
            + zip(answers.first?.keyspaces ?? [], rings).map { keyspace, ring in
                [
                    keyspace.name, "\(keyspace.replicas)", keyspace.read, keyspace.write, keyspace.conflicts,
                    "\(ring.partitions)",
                ]
            }
    }

    /// What each node's failure detector holds of the others, and how old that is; of many nodes only what is not well.
    private var viewRows: [[String]] {
        let names = nodes.map(\.member.name)
        guard names.count > 1 else { return [] }
        guard names.count <= 10 else {
            return [["node", "holds", "for", "since"]]
                + answers.flatMap { node in
                    node.peers.filter { $0.liveness != "alive" }.map {
                        [node.name, $0.name, $0.liveness, Self.time($0.livenessSince)]
                    }
                }
        }
        return [["seen from"] + names]
            + answers.map { node in
                [node.name]
                    + names.map { name in
                        guard let peer = node.peers.first(where: { $0.name == name }) else { return "-" }
                        let age = peer.liveness == "alive" ? peer.answered : peer.livenessSince
                        return "\(peer.liveness)\(age.map { ", \(Self.time($0))" } ?? "")"
                    }
            }
    }

    /// `45 s`, `3 min`, `7 h`, `12 d`.
    static func time(_ seconds: Int64) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86400) d"
        }
    }
}

/// What the owners of each partition hold, side by side.
struct ClusterDigests: Sendable {
    var ring: ClusterRing
    var nodes: [(member: MemberFacts, answer: Result<NodeDigests, MartletError>)]
    /// The one partition that is looked at; nil for all.
    var only: Int?
    /// Those that differed each time they were looked at; nil if that was once.
    var stayed: Set<Int>?

    /// Partitions whose owners, as far as they answered, do not hold the same.
    var differing: [Int] {
        if let stayed { return stayed.sorted() }
        return (0..<ring.partitions).filter { partition in
            guard only == nil || only == partition else { return false }
            let owners = ring.owners(ofPartition: partition)
            let held = nodes.filter { owners.contains($0.member.name) }.compactMap { node in
                (try? node.answer.get()).map { $0.partitions[partition] ?? "" }
            }
            return Set(held).count > 1
        }
    }

    /// Whether all owners answered and hold the same.
    var isEqual: Bool { differing.isEmpty && nodes.allSatisfy { (try? $0.answer.get()) != nil } }

    var report: ClusterReport {
        var rows = [["node", "records", "digest"]]
        var faults: [String] = []
        for (member, answer) in nodes {
            switch answer {
            case .success(let digests): rows.append([member.name, "\(digests.records)", digests.digest])
            case .failure(let error):
                rows.append([member.name, "?", "?"])
                faults.append(ClusterStatus.silence(of: member, error))
            }
        }
        let differing = differing
        if !differing.isEmpty {
            let some = differing.prefix(16).map(String.init).joined(separator: " ")
            faults.append(
                "\(differing.count) of \(ring.partitions) partitions are not the same on all their owners: \(some)"
                    + (differing.count > 16 ? " ..." : ""))
        }
        return ClusterReport(
            title: "keyspace \(ring.keyspace)" + (only.map { ", partition \($0)" } ?? ""), faults: faults,
            well: only == nil ? "all owners of each partition hold the same" : "all its owners hold the same",
            code: faults.isEmpty ? ExitCode.ok : ExitCode.failed, [rows])
    }
}
