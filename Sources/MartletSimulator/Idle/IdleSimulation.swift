internal import MartletCore
internal import MartletNode
internal import MartletRuntime

/// A cluster of any size that no client asks anything of: the very actors find together, are left alone, and lose one
/// of them that falls silent without a word.
///
/// ```swift
/// let result = IdleSimulation.run(IdleSettings(sizes: [1000]), nodes: 1000, seed: 1)
/// print(result.messagesPerSecond, result.allKnew)
/// ```
public final class IdleSimulation {
    private let settings: IdleSettings
    private let executor: SimulationExecutor
    private let cluster: ReplicatedCluster
    private var result = IdleResult()
    /// By node, the others that hold it for dead.
    private var accusers: [UInt32: Set<UInt32>] = [:]
    /// The one that is silent.
    private var silent: UInt32?
    private var firstWord: MonotonicTime?

    /// How long a cluster may take to find together.
    private static let patience = Duration.seconds(60)

    /// Runs one cluster on the calling thread.
    public static func run(_ settings: IdleSettings, nodes: Int, seed: UInt64) -> IdleResult {
        IdleSimulation(settings, nodes: nodes, seed: seed).run()
    }

    private init(_ settings: IdleSettings, nodes: Int, seed: UInt64) {
        self.settings = settings
        executor = SimulationExecutor(seed: seed)
        cluster = ReplicatedCluster(
            executor: executor, network: SimulatedNetwork(executor), choices: ReplicatedChoices(idleNodes: nodes),
            plantedBug: nil)
        result.nodes = nodes
        cluster.noteLiveness = { [unowned self] in note($0, of: $1, by: $2) }
    }

    private func note(_ liveness: Liveness, of node: UInt32, by observer: UInt32) {
        guard liveness == .dead else {
            accusers[node]?.remove(observer)
            return
        }
        accusers[node, default: []].insert(observer)
        guard node != silent else { return firstWord = firstWord ?? executor.now }
        result.falseDeaths += 1
        if result.falseDeaths <= 3 {
            result.violations.append(
                "node \(node) lives and is held for dead by node \(observer) at \(executor.now.shown)")
        }
    }

    private func run() -> IdleResult {
        cluster.start()
        let begin = executor.now
        guard wait(Self.patience, until: { cluster.isFormed }) else {
            result.violations.append("the nodes have not found together in \(Self.patience.shown)")
            return result
        }
        result.formed = executor.now.since(begin)
        leaveAlone()
        silenceOne()
        result.traceHash = executor.trace.hash
        result.events = executor.trace.count
        return result
    }

    /// Runs until a condition holds, which is looked at ten times a second.
    ///
    /// - Returns: whether it holds.
    private func wait(_ limit: Duration, until isDone: () -> Bool) -> Bool {
        let end = executor.now.advanced(by: limit)
        while !isDone() {
            guard executor.now < end else { return false }
            executor.run(for: .milliseconds(100))
        }
        return true
    }

    private func leaveAlone() {
        cluster.messages.faults.loss = Double(settings.loss) / 100
        let before = cluster.messages.sentByNode
        executor.run(for: settings.span)
        result.span = settings.span
        let seconds = Double(settings.span.inNanoseconds) / 1e9
        let sent = cluster.messages.sentByNode.map { $0.value - (before[$0.key] ?? 0) }
        result.messagesPerSecond = Double(sent.reduce(0, +)) / Double(max(1, sent.count)) / seconds
        result.mostPerSecond = Double(sent.max() ?? 0) / seconds
    }

    /// Has one node stand still, with all its links open, until all know; then has it go on.
    private func silenceOne() {
        let count = result.nodes
        guard count > 2, let victim = cluster.nodes.last, let resume = victim.pause() else { return }
        let others = count - 1
        silent = victim.id
        let begin = executor.now
        let bound = settings.bound(nodes: count)
        let isKnown = wait(bound) { accusers[victim.id]?.count == others }
        result.firstKnew = firstWord?.since(begin)
        if isKnown { result.allKnew = executor.now.since(begin) }
        let known = accusers[victim.id]?.count ?? 0
        if !isKnown {
            result.violations.append("\(known) of \(others) nodes hold a silent one for dead after \(bound.shown)")
        }
        resume()
        let back = executor.now
        let isForgiven = wait(bound) { accusers[victim.id]?.isEmpty ?? true }
        if isForgiven { result.allForgave = executor.now.since(back) }
        if !isForgiven {
            result.violations.append(
                "\(accusers[victim.id]?.count ?? 0) nodes hold one for dead that has been back for \(bound.shown)")
        }
    }
}
