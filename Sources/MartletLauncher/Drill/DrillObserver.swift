internal import MartletClient
internal import MartletIO
internal import MartletRuntime

/// What one node said of itself at one moment.
struct DrillSample: Sendable {
    /// Monotonic nanoseconds.
    var at: UInt64
    var node: Int
    /// Nil if it did not answer.
    var view: View?

    struct View: Sendable, Equatable {
        /// Replicas of partitions that are not caught up.
        var inNeed = 0
        /// The names of those whom it cannot reach, or takes for suspect or dead.
        var doubted: Set<String> = []
        /// Whole numbers by their names.
        var figures: [String: Int] = [:]
        /// Hints that wait for others here; nil where the node does not tell.
        var hints: Int?
    }
}

/// Asks all nodes again and again how they are.
struct DrillObserver: Sendable {
    var members: [DrillCluster.Member]
    let hasEnded: @Sendable () -> Bool
    static let interval = Duration.milliseconds(100)

    /// Until it has ended.
    func run() async -> [DrillSample] {
        await withTaskGroup(of: [DrillSample].self) { group in
            for node in members.indices { group.addTask { await watch(node) } }
            var samples: [DrillSample] = []
            for await part in group { samples += part }
            return samples.sorted { ($0.at, $0.node) < ($1.at, $1.node) }
        }
    }

    private func watch(_ node: Int) async -> [DrillSample] {
        let clock = SystemClock()
        var samples: [DrillSample] = []
        var client: MartletClient?
        var settings = ClientSettings()
        settings.connectTimeout = .milliseconds(500)
        while !hasEnded() {
            if client == nil {
                client = try? await MartletClient.connect(to: [members[node].address.description], settings: settings)
            }
            var view: DrillSample.View?
            if let asked = client {
                view = (try? await asked.call(["MARTLET.CLUSTER", "STATUS"], deadline: .milliseconds(500)))
                    .map { DrillSample.View($0) }
                if view == nil {
                    await asked.close()
                    client = nil
                }
            }
            samples.append(DrillSample(at: clock.monotonic.nanoseconds, node: node, view: view))
            try? await Task.sleep(for: Self.interval)
        }
        await client?.close()
        return samples
    }
}

extension DrillSample.View {
    init(_ reply: Reply) {
        for keyspace in reply["keyspaces"]?.elements ?? [] { inNeed += Int(clamping: keyspace.number("in_need")) }
        for peer in reply["peers"]?.elements ?? [] {
            let liveness = peer.text("liveness")
            if peer.text("link") == "down" || !["", "alive"].contains(liveness) { doubted.insert(peer.text("name")) }
        }
        gather(reply, "")
        hints = figures["hints.held"]
    }

    /// Numbers at the top and one level below.
    private mutating func gather(_ reply: Reply, _ prefix: String) {
        guard case .map(let entries) = reply else { return }
        for entry in entries {
            let name = prefix + (entry.key.text ?? "")
            if case .integer(let number) = entry.value { figures[name] = Int(clamping: number) }
            if prefix.isEmpty { gather(entry.value, name + ".") }
        }
    }
}
