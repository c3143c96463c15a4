public import MartletRuntime

/// Carries a plan out: at its time each fault is handed to who registered for its kind, and undone when it ends.
///
/// A network that can be partitioned, a disk, a clock register themselves; the injector knows none of them.
public final class FaultInjector {
    /// Does harm, and answers how it is undone; nil if it could not do it: then it did not fire.
    public typealias Actuator = (PlannedFault) -> (() -> Void)?

    private let executor: SimulationExecutor
    private let lane: Int
    private var actuators: [FaultKind: Actuator] = [:]
    private var active: [(number: Int, fault: PlannedFault, undo: () -> Void)] = []
    private var timers: [any LoopTimer] = []
    private var next = 0
    /// Faults by kind that did fire.
    public private(set) var fired: [FaultKind: Int] = [:]
    /// What happened, for a failure's report.
    public private(set) var log: [(time: MonotonicTime, text: String)] = []

    public init(_ executor: SimulationExecutor) {
        self.executor = executor
        lane = executor.nextLane()
    }

    public func register(_ kind: FaultKind, _ actuator: @escaping Actuator) { actuators[kind] = actuator }

    /// Kinds that somebody registered for.
    public var kinds: Set<FaultKind> { Set(actuators.keys) }

    /// Has the plan begin now.
    public func begin(_ plan: FaultPlan) {
        for fault in plan.faults {
            timers.append(executor.schedule(after: fault.at) { [self] in inject(fault) })
        }
    }

    private func inject(_ fault: PlannedFault) {
        guard let actuator = actuators[fault.kind] else { return note("nothing to do: \(fault)") }
        guard let undo = actuator(fault) else { return note("could not: \(fault)") }
        executor.note(.note, lane: lane, detail: UInt64(fault.severity * 1000))
        fired[fault.kind, default: 0] += 1
        note("begins: \(fault)")
        let number = next
        next += 1
        active.append((number, fault, undo))
        timers.append(executor.schedule(after: fault.duration) { [self] in end(number) })
    }

    private func end(_ number: Int) {
        guard let index = active.firstIndex(where: { $0.number == number }) else { return }
        let (_, fault, undo) = active.remove(at: index)
        note("ends: \(fault)")
        undo()
    }

    /// Ends all faults and has none begin any more.
    public func heal() {
        for timer in timers { timer.cancel() }
        timers = []
        note("all faults off")
        while let first = active.first { end(first.number) }
    }

    private func note(_ text: String) { log.append((executor.now, text)) }
}
