internal import MartletClient
internal import MartletRuntime

/// Questions to the nodes of a cluster, by way of one of them.
struct ClusterInquiry: Sendable {
    /// The node that is asked first.
    let address: String
    /// The keyspace's number.
    let keyspace: Int

    init(at address: String, keyspace: Int = 0) {
        self.address = address
        self.keyspace = keyspace
    }

    /// How every node is, as it sees itself.
    func status() async throws(MartletError) -> ClusterStatus {
        let (first, members, rings) = try await ask(address) {
            client throws(MartletError) -> (NodeStatus, [MemberFacts], [ClusterRing]) in
            let first = NodeStatus(try await client.call(["MARTLET.CLUSTER", "STATUS"]))
            var rings: [ClusterRing] = []
            for keyspace in first.keyspaces {
                rings.append(ClusterRing(try await client.call(["MARTLET.CLUSTER", "RING", keyspace.name])))
            }
            return (first, try await self.members(client), rings)
        }
        let others = members.filter { $0.name != first.name }
        let answers = await answers(of: others, to: ["MARTLET.CLUSTER", "STATUS"]) { NodeStatus($0) }
        let nodes = members.map { member in (member, answers[member.name] ?? .success(first)) }
        return ClusterStatus(nodes: nodes, rings: rings)
    }

    /// What the owners of each partition hold, compared.
    func digests() async throws(MartletError) -> ClusterDigests {
        let name = String(keyspace)
        let (members, ring) = try await ask(address) {
            client throws(MartletError) -> ([MemberFacts], ClusterRing) in
            (try await self.members(client), ClusterRing(try await client.call(["MARTLET.CLUSTER", "RING", name])))
        }
        let answers = await answers(of: members, to: ["MARTLET.CLUSTER", "DIGEST", name]) { NodeDigests($0) }
        let nodes = members.compactMap { member in answers[member.name].map { (member, $0) } }
        return ClusterDigests(ring: ring, nodes: nodes)
    }

    func nodes() async throws(MartletError) -> ClusterReport {
        let members = try await ask(address) { client throws(MartletError) -> [MemberFacts] in
            try await self.members(client)
        }
        var rows = [["node", "id", "data center", "rack", "weight", "clients", "cluster ports", "nodes", "link"]]
        for member in members {
            rows.append([
                member.name, "\(member.id)", member.dataCenter.orDash, member.rack.orDash, "\(member.weight)",
                member.clients, member.clusterClients.joined(separator: " ").orDash, member.nodes, member.link,
            ])
        }
        let down = members.filter { $0.link == "down" }.map { "node \($0.name) has no link with the node asked" }
        return ClusterReport(
            title: "\(members.count) \(members.count == 1 ? "node" : "nodes"), as \(address) sees them", faults: down,
            well: nil, code: down.isEmpty ? ExitCode.ok : ExitCode.failed, [rows])
    }

    func ring() async throws(MartletError) -> ClusterReport {
        let name = String(keyspace)
        let ring = try await ask(address) { client throws(MartletError) -> ClusterRing in
            ClusterRing(try await client.call(["MARTLET.CLUSTER", "RING", name]))
        }
        var rows = [["slots", "partitions", "owners"]]
        for range in ring.ranges {
            let first = range.slots.lowerBound / ring.width
            let last = range.slots.upperBound / ring.width
            rows.append([
                "\(range.slots.lowerBound)-\(range.slots.upperBound)", first == last ? "\(first)" : "\(first)-\(last)",
                range.owners.joined(separator: " "),
            ])
        }
        return ClusterReport(
            title: "keyspace \(ring.keyspace): \(ring.partitions) partitions, N=\(ring.replicas), epoch \(ring.epoch)",
            faults: [], well: nil, code: ExitCode.ok, [rows])
    }

    func explain(_ key: String) async throws(MartletError) -> ClusterReport {
        let (reply, status) = try await ask(address) { client throws(MartletError) -> (Reply, NodeStatus) in
            let reply = try await client.call(["MARTLET.CLUSTER", "EXPLAIN", key])
            return (reply, NodeStatus(try await client.call(["MARTLET.CLUSTER", "STATUS"])))
        }
        return KeyExplanation(reply, key: key, in: status).report
    }

    // MARK: Asking

    func members(_ client: MartletClient) async throws(MartletError) -> [MemberFacts] {
        let reply = try await client.call(["MARTLET.CLUSTER", "NODES"])
        return (reply.elements ?? []).map { MemberFacts($0) }
    }

    /// What members answer, by name. A few are asked at a time, so that one that is silent holds up no other.
    func answers<R: Sendable>(
        of members: [MemberFacts], to words: [String], _ read: @escaping @Sendable (Reply) -> R
    ) async -> [String: Result<R, MartletError>] {
        await withTaskGroup(of: (String, Result<R, MartletError>).self) { group in
            var answers: [String: Result<R, MartletError>] = [:]
            for (index, member) in members.enumerated() {
                if index >= 16, let (name, answer) = await group.next() { answers[name] = answer }
                group.addTask { (member.name, await answer(of: member, to: words, read)) }
            }
            for await (name, answer) in group { answers[name] = answer }
            return answers
        }
    }

    private func answer<R: Sendable>(
        of member: MemberFacts, to words: [String], _ read: (Reply) -> R
    ) async -> Result<R, MartletError> {
        do throws(MartletError) {
            let reply = try await ask(member.clients) { client throws(MartletError) -> Reply in
                try await client.call(words, deadline: .seconds(60))
            }
            return .success(read(reply))
        } catch {
            return .failure(error)
        }
    }

    /// Connects to one node, which is given up after a second.
    func ask<R>(
        _ address: String, _ body: (MartletClient) async throws(MartletError) -> R
    ) async throws(MartletError) -> R {
        var settings = ClientSettings()
        settings.connectTimeout = .seconds(1)
        settings.keyspace = keyspace
        let client = try await MartletClient.connect(to: [address], settings: settings)
        do throws(MartletError) {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }
}

extension String {
    /// `-` for nothing.
    var orDash: String { isEmpty ? "-" : self }
}
