internal import MartletCore
internal import MartletRuntime

/// One seed, from the world it draws to the verdict: a workload under a plan of faults, then all faults off and a
/// liveness phase, then the checkers.
///
/// ```swift
/// let result = Simulation.run(.oneNode, seed: 42)
/// print(result.violations, result.traceHash)
/// ```
public final class Simulation {
    private let settings: SimulationSettings
    private let executor: SimulationExecutor
    private let network: SimulatedNetwork
    private let cluster: any SimulatedCluster
    private let injector: FaultInjector
    private let workload: Workload
    private let clients: SimulatedEnvironment
    private let plan: FaultPlan
    private var history = History()
    private var finals: [History.Key: Evidence.Final] = [:]
    private var finalSiblings: [History.Key: Set<UInt64>] = [:]
    private var complaints: [String] = []
    /// The clients of the workload.
    private var workers: [SimulatedClient] = []
    private var isOver = false
    private var result: SimulationResult

    /// Runs a seed on the calling thread, in about a hundredth of its virtual time.
    ///
    /// - Parameter faults: instead of those the seed draws, to find out which of them matter.
    public static func run(
        _ settings: SimulationSettings, seed: UInt64, faults: [PlannedFault]? = nil
    ) -> SimulationResult {
        Simulation(settings, seed: seed, faults: faults).run()
    }

    private init(_ settings: SimulationSettings, seed: UInt64, faults: [PlannedFault]?) {
        self.settings = settings
        executor = SimulationExecutor(seed: seed)
        let random = executor.random
        network = SimulatedNetwork(executor)
        let drawn = Self.drawCluster(settings, executor, network, random.split())
        cluster = drawn.cluster
        injector = FaultInjector(executor)
        var load = settings.workload
        load.skew = drawn.skew
        load.thinkTime = drawn.thinkTime
        load.hasSiblings = drawn.hasSiblings
        if drawn.isHot { (load.keys, load.mix) = (3, [70, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }
        workload = Workload(load, random: random.split())
        clients = SimulatedEnvironment.make(on: executor, network: network, workers: 1)
        var possible = settings.faults
        possible.rates.removeAll { !drawn.cluster.canMeet($0.kind) }
        if drawn.isHot { possible = possible.withMany(.linkBreaks) }
        let ownPlan = FaultPlan.draw(
            possible, nodes: drawn.cluster.nodeCount, span: settings.faultTime, random: random.split())
        plan = faults.map { FaultPlan($0) } ?? ownPlan
        result = SimulationResult(seed: seed, world: drawn.shown, plan: plan.faults)
    }

    private typealias Drawn = (
        cluster: any SimulatedCluster, skew: Double, thinkTime: Duration, hasSiblings: Bool, isHot: Bool, shown: String
    )

    /// The cluster that the file asks for, and what else its seed draws.
    private static func drawCluster(
        _ settings: SimulationSettings, _ executor: SimulationExecutor, _ network: SimulatedNetwork,
        _ random: SeededRandomSource
    ) -> Drawn {
        guard settings.isReplicated else {
            let choices = WorldChoices(settings, random: random)
            let node = OneNodeCluster(executor: executor, network: network, choices: choices)
            node.disk.plantedBug = settings.plantedBug
            return (node, choices.skew, choices.thinkTime, false, false, choices.shown)
        }
        let choices = ReplicatedChoices(settings, random: random)
        let cluster = ReplicatedCluster(
            executor: executor, network: network, choices: choices, plantedBug: settings.plantedBug)
        return (
            cluster, choices.skew, choices.thinkTime, choices.policy == .siblings, choices.isHot, choices.shown
        )
    }

    private func run() -> SimulationResult {
        cluster.register(with: injector)
        cluster.start()
        // Counters are exact while all agree on who coordinates, which takes a cluster that has found together.
        if plan.faults.isEmpty { settle() }
        injector.begin(plan)
        let random = executor.random.split()
        for number in 0..<workload.settings.clients { startClient(number, random.split()) }
        let begin = executor.now
        executor.run(for: settings.faultTime)
        result.faultSeconds = Double(executor.now.since(begin).inNanoseconds) / 1e9
        injector.heal()
        isOver = true
        recover(random.split())
        judge()
        result.simulatedSeconds = Double(executor.now.since(begin).inNanoseconds) / 1e9
        return result
    }

    private func startClient(_ number: Int, _ random: SeededRandomSource) {
        let client = SimulatedClient(
            number, on: clients.loops[0], to: cluster.clientAddresses, random: random,
            patience: workload.settings.patience,
            next: { [unowned self] in isOver ? nil : (workload.next(), workload.pause()) },
            record: { [unowned self] in history.operations.append($0) },
            complain: { [unowned self] in complaints.append($0) })
        client.learn = { [unowned self] in workload.learn($0, of: $1, covering: $2) }
        // Tokens are remembered for a minute, by the stamps of later writes: a calendar that jumps cuts it short.
        if !plan.faults.contains(where: { $0.kind == .clockJump }) {
            client.writesWithToken = { [unowned self] in workload.writesWithToken(of: $0) }
        }
        workers.append(client)
        let start = Duration.milliseconds(1 + number * 3)
        clients.loops[0].schedule(after: start) { client.start() }
    }

    // MARK: The liveness phase

    /// Lets the cluster come to rest; what it has not reached by then its evidence says.
    private func settle() {
        var isSettled: Bool?
        cluster.settle(within: settings.livenessTime) { isSettled = $0 }
        let deadline = executor.now.advanced(by: settings.livenessTime + .seconds(10))
        _ = executor.run { isSettled != nil || executor.now > deadline }
        guard isSettled != true else { return }
        complaints.append("the cluster has not come to rest in \(settings.livenessTime.shown)")
    }

    /// All is off: a write must be taken and every key be read, again and again until it is answered.
    private func recover(_ random: SeededRandomSource) {
        let script = workload.readsOfAll()
        var place = 0
        let client = SimulatedClient(
            workload.settings.clients, on: clients.loops[0], to: cluster.clientAddresses, random: random,
            patience: workload.settings.patience,
            next: { [unowned self] in
                guard place > 0 else { return (workload.lastWrite(), .milliseconds(100)) }
                return place < script.count ? (script[place], .zero) : nil
            },
            record: { [unowned self] operation in
                history.operations.append(operation)
                if note(operation) { place += 1 }
            },
            complain: { [unowned self] in complaints.append($0) })
        var deadline = executor.now.advanced(by: settings.livenessTime)
        // What is read at last must not race with a request that was drawn while the faults were on.
        _ = executor.run { workers.allSatisfy(\.hasEnded) || executor.now > deadline }
        settle()
        deadline = executor.now.advanced(by: settings.livenessTime)
        clients.loops[0].schedule(after: .milliseconds(1)) { client.start() }
        _ = executor.run { client.hasEnded || executor.now > deadline }
        if place < script.count {
            result.violations.append(
                "liveness: with all faults off for \(settings.livenessTime.shown), \(script[place].keys) is not served: "
                    + (history.operations.last.map { "\($0)" } ?? "nothing was ever answered"))
            result.violations += cluster.standings(of: Array(script[place].keys[0].description.utf8))
            return
        }
        var failures: [String]?
        cluster.stop { failures = $0 }
        let end = executor.now.advanced(by: .seconds(30))
        _ = executor.run { failures != nil || executor.now > end }
        result.violations += (failures ?? ["the node did not stop within 30 s"]).map { "liveness: \($0)" }
    }

    /// Notes what a key holds at last; false if that has to be asked again.
    private func note(_ operation: History.Operation) -> Bool {
        switch operation.outcome {
        case .notApplied: return false
        case .unknown(let text):
            // Damage does not heal by waiting, where no other replica holds the record.
            guard text.contains("damaged") else { return false }
            for key in operation.keys { finals[key] = .unreadable(text) }
        case .number(let number): finals[operation.keys[0]] = .number(number)
        case .ok(let contents) where operation.action == .getSiblings:
            finalSiblings[operation.keys[0]] = Set(
                contents.compactMap { if case .value(let value) = $0 { value } else { nil } })
        case .ok(let contents):
            for (key, content) in zip(operation.keys, contents) { finals[key] = .content(content) }
        }
        return true
    }

    // MARK: The verdict

    private func judge() {
        var evidence = Evidence(history)
        evidence.finals = finals
        evidence.finalSiblings = finalSiblings
        evidence.complaints = complaints
        evidence.isFaultFree = plan.faults.isEmpty
        cluster.testify(&evidence)
        // Beside other faults an absence may be more than can be spared.
        if plan.faults.contains(where: { $0.kind != .outage }) { evidence.absences = [] }
        if plan.faults.contains(where: { FaultKind.takingCopies.contains($0.kind) }) {
            // The copy that was taken may have been the one that was written.
            evidence.losses += evidence.phantomKeys.sorted().map { key in
                Evidence.Loss(at: executor.now, slots: [key.slot..<key.slot + 1])
            }
        }
        forgetTokens(&evidence)
        evidence.siblings = evidence.history.operations.compactMap { operation in
            guard case .putSibling(let value, _, let replaces) = operation.action else { return nil }
            if case .notApplied = operation.outcome { return nil }
            return Evidence.SiblingWrite(
                key: operation.keys[0], value: value, replaces: replaces, isAcknowledged: operation.isAcknowledged,
                invoked: operation.invoked)
        }
        // One sick key of a group makes them all unreadable: those that are well are not to blame.
        for key in evidence.damagedKeys where key.family == .group {
            evidence.damagedKeys.formUnion(Workload.group(key.index / Workload.groupSize))
        }
        result.violations += Checkers.violations(in: evidence)
        result.operations = history.operations.count
        result.acknowledged = history.operations.count(where: \.isAcknowledged)
        result.fired = Dictionary(uniqueKeysWithValues: injector.fired.map { ($0.key.name, $0.value) })
        result.rarePaths = cluster.rarePaths.filter { $0.value > 0 }
        result.events = executor.trace.count
        result.traceHash = executor.trace.hash
        if !result.violations.isEmpty { result.lastEvents = lastEvents(200) }
    }

    /// Where data were lost, or reads need not find what is there, tokens may be missed, too: a write that was sent
    /// again may be done again at any later time.
    private func forgetTokens(_ evidence: inout Evidence) {
        for index in evidence.history.operations.indices {
            let operation = evidence.history.operations[index]
            guard operation.sent > 1, operation.isAcknowledged,
                !evidence.readsAreRegular || !evidence.losses(of: operation.keys[0]).isEmpty
                    || evidence.phantomKeys.contains(operation.keys[0])
            else { continue }
            evidence.history.operations[index].outcome = .unknown("sent again after a loss")
            evidence.history.operations[index].repeated = []
        }
    }

    /// What to read first of a seed that failed, in the order of time: the last operations on the keys that the first
    /// violation names, and the faults; then the last of all operations.
    private func lastEvents(_ count: Int) -> [String] {
        let texts = (result.violations.first ?? "").split { " :,[]".contains($0) }.map(String.init)
        let words = Set(texts)
        // The first time that it tells of; what came long after it explains nothing.
        let moment = texts.compactMap { $0.hasSuffix("s") ? Double($0.dropLast()) : nil }.first ?? .infinity
        let end = moment < 1e6 ? Int64((moment + 1.5) * 1e9) : .max
        let last = MonotonicTime(nanoseconds: UInt64(end))
        let named = history.operations.filter { operation in
            operation.returned <= last && operation.keys.contains { words.contains($0.description) }
        }
        let faults = injector.log.map { (time: $0.time, text: "\($0.time.shown) fault \($0.text)") }
        func lines(_ operations: ArraySlice<History.Operation>) -> [String] {
            let events = operations.map { (time: $0.returned, text: "\($0)") }
            let begin = events.map(\.time).min() ?? executor.now
            return (events + faults.filter { $0.time >= begin }).sorted { $0.time < $1.time }.map(\.text)
        }
        let all = lines(history.operations.suffix(count))
        return named.isEmpty ? all : lines(named.suffix(count / 2)) + ["and of all keys:"] + all.suffix(count / 2)
    }
}
