import MartletCore
import MartletRuntime

/// Sends each call to a node that owns its key, as CLUSTER SLOTS tells, and to others where that one fails.
///
/// It begins with the addresses that were given (``seeds``) and asks them who owns what; until it knows, and for what
/// has no key, it uses these. Each node gets a pool of its own when it is first needed, which goes on to the seeds by
/// itself while the node is down: any node serves any key. Runs on the client's loop.
actor Router {
    /// Nodes that own a run of slots, the first owner first.
    struct Run: Sendable {
        var slots: ClosedRange<UInt16>
        var owners: [SocketAddress]
    }

    nonisolated let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Over the addresses that were given.
    nonisolated let seeds: ConnectionPool
    private let settings: ClientSettings
    private let random: any RandomSource
    private let addresses: [SocketAddress]
    /// Whether servers tell who owns what, and know repeated writes by their token.
    private let speaksMartlet: Bool

    private(set) var runs: [Run] = []
    private var pools: [SocketAddress: (pool: ConnectionPool, since: MonotonicTime)] = [:]
    private var isAsking = false
    private var askedAt: MonotonicTime?
    private var isStale = false
    private var isClosed = false

    /// How long what is known of the owners is taken for true, and the least time between two questions.
    private static let refreshInterval = Duration.seconds(30)
    private static let leastInterval = Duration.seconds(1)
    /// How long a pool stays with a seed before its node is tried again.
    private static let awayInterval = Duration.seconds(5)
    private static let questionDeadline = Duration.seconds(2)

    init(
        addresses: [SocketAddress], settings: ClientSettings, loop: any EventLoop, random: any RandomSource,
        speaksMartlet: Bool
    ) {
        self.addresses = addresses
        self.settings = settings
        self.loop = loop
        self.random = random
        self.speaksMartlet = speaksMartlet
        seeds = ConnectionPool(addresses: addresses, settings: settings, loop: loop, random: random)
    }

    /// Sends a request about a key, and again through other nodes while what became of it is not known and there is
    /// time: a write is known by its token, so that it is done once.
    ///
    /// - Throws: the last failure, of unknown outcome if that of any attempt was.
    func perform(_ request: Request, key: MartletKey) async throws(MartletError) -> Reply {
        guard speaksMartlet else { return try await seeds.perform(request) }
        let slot = withBytes(of: key.bytes) { Slot.of($0) }
        let whole = request.deadline ?? settings.deadline
        let end = loop.now.advanced(by: whole)
        var delay = Backoff(base: .milliseconds(20), limit: .milliseconds(500))
        var isUnknown = false
        var attempt = 0
        while true {
            var part = request
            part.deadline = min(end.since(loop.now), whole / 3)
            let used = pool(for: slot, attempt)
            do throws(MartletError) {
                return try await used.perform(part)
            } catch {
                var error = error
                let isRepeated = isUnknown
                isUnknown = isUnknown || error.outcome == .unknown
                if isUnknown { error.outcome = .unknown }
                if error.isOfTheWay { isStale = true }
                let isWorthIt = error.isOfTheWay || error.code == .outcomeUnknown || isRepeated && error.mayPass
                guard isWorthIt, loop.now.advanced(by: .milliseconds(1)) < end, !isClosed else { throw error }
            }
            attempt += 1
            await pause(min(delay.next(random: random), end.since(loop.now)))
            if Task.isCancelled {
                throw MartletError(.cancelled, isUnknown ? .unknown : .notApplied, "the task was cancelled")
            }
        }
    }

    private func pause(_ duration: Duration) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.schedule(after: duration) { continuation.resume() }
        }
    }

    /// The pool for a slot's owner; that of another one for a later attempt.
    private func pool(for slot: UInt16, _ attempt: Int) -> ConnectionPool {
        learn()
        let index = runs.partitionIndex { $0.slots.upperBound < slot }
        guard index < runs.count, runs[index].slots.contains(slot), !runs[index].owners.isEmpty else { return seeds }
        let owners = runs[index].owners
        // After each owner has been tried, whoever answers.
        let choice = attempt % (owners.count + 1)
        return choice == owners.count ? seeds : pool(of: owners[choice])
    }

    private func pool(of address: SocketAddress) -> ConnectionPool {
        if let known = pools[address] {
            let isAway = known.pool.assumeIsolated { $0.isAway }
            guard isAway, known.since.advanced(by: Self.awayInterval) <= loop.now else { return known.pool }
            known.pool.assumeIsolated { $0.retire() }
        }
        let others = addresses.filter { $0 != address }
        let pool = ConnectionPool(addresses: [address] + others, settings: settings, loop: loop, random: random)
        pools[address] = (pool, loop.now)
        pool.assumeIsolated { $0.open() }
        return pool
    }

    // MARK: Who owns what

    /// Asks who owns what, if that is due; calls do not wait for it.
    private func learn() {
        guard settings.routesToOwners, !isAsking, !isClosed else { return }
        if let askedAt {
            let wait = isStale ? Self.leastInterval : Self.refreshInterval
            guard askedAt.advanced(by: wait) <= loop.now else { return }
        }
        isAsking = true
        isStale = false
        askedAt = loop.now
        var command = CommandEncoder("CLUSTER")
        command.append("SLOTS")
        let request = Request(
            command: command.bytes, shape: .any, isWrite: false, deadline: min(settings.deadline, Self.questionDeadline)
        )
        seeds.assumeIsolated { pool in
            pool.ask(request) { [weak self] result in self?.assumeIsolated { $0.learned(result) } }
        }
    }

    private func learned(_ result: Result<Reply, MartletError>) {
        isAsking = false
        guard case .success(let reply) = result, let runs = Self.runs(reply) else { return }
        self.runs = runs
        let named = Set(runs.flatMap(\.owners))
        for (address, entry) in pools where !named.contains(address) {
            entry.pool.assumeIsolated { $0.retire() }
            pools[address] = nil
        }
    }

    /// What a reply to CLUSTER SLOTS says, by slot; nil if it says nothing that can be used. Empty for a node alone.
    static func runs(_ reply: Reply) -> [Run]? {
        guard let rows = reply.elements else { return nil }
        var runs: [Run] = []
        for row in rows {
            guard let parts = row.elements, parts.count > 2, let first = parts[0].number, let last = parts[1].number,
                let lower = UInt16(exactly: first), let upper = UInt16(exactly: last), lower <= upper
            else { return nil }
            let owners = parts.dropFirst(2).compactMap { node -> SocketAddress? in
                guard let fields = node.elements, fields.count > 1, let host = fields[0].text, !host.isEmpty,
                    let port = fields[1].number, let number = UInt16(exactly: port), number > 0
                else { return nil }
                return SocketAddress(host: host, port: number)
            }
            runs.append(Run(slots: lower...upper, owners: owners))
        }
        runs.sort { $0.slots.lowerBound < $1.slots.lowerBound }
        for index in runs.indices.dropFirst() where runs[index - 1].slots.upperBound >= runs[index].slots.lowerBound {
            return nil
        }
        return Set(runs.flatMap(\.owners)).count > 1 ? runs : []
    }

    /// The addresses that pools are connected to, or try: those of owners, then that of the seeds.
    var addressesInUse: [String] {
        let owners = pools.keys.map(\.description).sorted()
        return owners + [seeds.assumeIsolated { $0.addresses[$0.slots[0].address].description }]
    }

    // MARK: The end

    /// Takes no more calls, waits for those under way, then closes all connections.
    func close() async {
        isClosed = true
        let all = pools.keys.sorted { $0.description < $1.description }.compactMap { pools[$0]?.pool }
        await seeds.close()
        for pool in all { await pool.close() }
    }

    /// Closes all connections at once.
    func abandon() {
        isClosed = true
        seeds.assumeIsolated { $0.abandon() }
        for address in pools.keys.sorted(by: { $0.description < $1.description }) {
            pools[address]?.pool.assumeIsolated { $0.abandon() }
        }
    }
}

extension MartletError {
    /// It says more of the way to the node than of the request.
    fileprivate var isOfTheWay: Bool { [.connectionLost, .deadlineExceeded, .cannotConnect].contains(code) }

    /// What refused the request may be over soon.
    fileprivate var mayPass: Bool { [.busy, .quorumNotMet].contains(code) }
}
