internal import MartletClient
internal import MartletRuntime

/// What all nodes of a cluster had counted at one moment.
struct LiveObservation: Sendable {
    struct Node: Sendable {
        /// INFO's lines with numbers.
        var figures: [(name: String, value: Double)] = []
        /// Of each other node, by name, how long its replicas took to answer this one.
        var reads: [String: Buckets] = [:]
        var writes: [String: Buckets] = [:]

        func figure(_ name: String) -> Double { figures.first { $0.name == name }?.value ?? 0 }
    }

    /// Durations in nanoseconds and how many of each.
    typealias Buckets = [UInt64: UInt64]

    /// By name; those that answered.
    var nodes: [String: Node] = [:]
    /// Why others did not.
    var silent: [String: MartletError] = [:]

    /// Asks every member.
    static func take(of members: [MemberFacts], by inquiry: ClusterInquiry) async -> LiveObservation {
        var observation = LiveObservation()
        for member in members {
            do throws(MartletError) {
                let (information, latency) = try await inquiry.ask(member.clients) {
                    client throws(MartletError) -> (Reply, Reply) in
                    (try await client.call(["INFO"]), try await client.call(["MARTLET.CLUSTER", "LATENCY"]))
                }
                observation.nodes[member.name] = Node(information.text ?? "", latency)
            } catch {
                observation.silent[member.name] = error
            }
        }
        return observation
    }

    /// How long one node's replicas took to answer all others between two observations.
    static func latency(
        of node: String, _ kind: KeyPath<Node, [String: Buckets]>, from: LiveObservation, to: LiveObservation
    ) -> LatencyHistogram {
        var histogram = LatencyHistogram()
        for (name, after) in to.nodes {
            // A node that was started meanwhile counts from 0.
            let before = from.nodes[name]?[keyPath: kind][node] ?? [:]
            let now = after[keyPath: kind][node] ?? [:]
            let isRestarted = before.contains { now[$0.key] ?? 0 < $0.value }
            for (duration, count) in now {
                let former = isRestarted ? 0 : before[duration] ?? 0
                histogram.record(duration, times: count - min(count, former))
            }
        }
        return histogram
    }
}

extension LiveObservation.Node {
    init(_ information: String, _ latency: Reply) {
        for line in information.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let value = Double(parts[1]) else { continue }
            let name = String(parts[0])
            if !figures.contains(where: { $0.name == name }) { figures.append((name, value)) }
        }
        for peer in latency.elements ?? [] {
            reads[peer.text("name")] = Self.buckets(peer["reads"])
            writes[peer.text("name")] = Self.buckets(peer["writes"])
        }
    }

    private static func buckets(_ reply: Reply?) -> LiveObservation.Buckets {
        let numbers = (reply?["buckets"]?.elements ?? []).map { UInt64(clamping: $0.number ?? 0) }
        var buckets: LiveObservation.Buckets = [:]
        for index in stride(from: 0, to: numbers.count - numbers.count % 2, by: 2) {
            buckets[numbers[index], default: 0] += numbers[index + 1]
        }
        return buckets
    }
}
