internal import MartletRuntime

/// Which child process is started, ended or started again, and when all is over: decisions alone, without processes.
struct Supervision {
    enum Event {
        case begin
        /// The child serves.
        case isReady(Int, now: MonotonicTime)
        case ended(Int, ProcessEnd, now: MonotonicTime)
        /// The time to start a child again has come.
        case isDue(Int)
        /// Somebody wants the end.
        case signalled
    }

    enum Action: Equatable {
        case start(Int)
        case startLater(Int, after: Duration)
        /// Ask it to end in order.
        case terminate(Int)
        case kill(Int)
        case log(Log.Level, String)
        /// No child runs any more: end with this code. The last action.
        case finish(Int32)
    }

    private enum State: Equatable {
        case waiting
        case running(readySince: MonotonicTime?)
        case stopped
    }

    private struct Child {
        var name: String
        var state = State.waiting
        /// Times that it was started again without having served for long in between.
        var restarts = 0
        var hasServed = false
    }

    private var children: [Child]
    /// Of the whole, once it is to end.
    private var ending: Int32?

    static let firstDelay = Duration.milliseconds(100)
    static let longestDelay = Duration.seconds(5)
    /// A child that served for so long starts anew at the first delay.
    static let steadyTime = Duration.seconds(10)

    init(names: [String]) { children = names.map { Child(name: $0) } }

    mutating func receive(_ event: Event) -> [Action] {
        switch event {
        case .begin:
            return children.indices.map { start($0) }
        case .isReady(let index, let now):
            children[index].hasServed = true
            if case .running = children[index].state { children[index].state = .running(readySince: now) }
            return []
        case .ended(let index, let end, let now):
            return ended(index, end, now)
        case .isDue(let index):
            return children[index].state == .waiting && ending == nil ? [start(index)] : []
        case .signalled:
            guard ending != nil else { return endAll(0) + finishIfOver() }
            ending = 1
            return runningOnes.map { .kill($0) }
        }
    }

    private var runningOnes: [Int] {
        children.indices.filter { if case .running = children[$0].state { true } else { false } }
    }

    private mutating func start(_ index: Int) -> Action {
        children[index].state = .running(readySince: nil)
        return .start(index)
    }

    private mutating func endAll(_ code: Int32) -> [Action] {
        ending = code
        for index in children.indices where children[index].state == .waiting { children[index].state = .stopped }
        return runningOnes.map { .terminate($0) }
    }

    private func finishIfOver() -> [Action] {
        children.allSatisfy { $0.state == .stopped } ? [.finish(ending ?? 0)] : []
    }

    private mutating func ended(_ index: Int, _ end: ProcessEnd, _ now: MonotonicTime) -> [Action] {
        let child = children[index]
        children[index].state = .stopped
        if let code = ending {
            guard end != .exited(0) else { return finishIfOver() }
            ending = max(code, 1)
            return [.log(.error, "\(child.name) did not end in order: it \(end)")] + finishIfOver()
        }
        if end == .exited(0) {
            return [.log(.notice, "\(child.name) ended in order; it is not started again")] + finishIfOver()
        }
        // What it was told is wrong: it would end so again. Nothing is left half started.
        if case .exited(let code) = end, !child.hasServed, code == ExitCode.configuration || code == ExitCode.usage {
            return [.log(.error, "\(child.name) cannot start: ending the others")] + endAll(code) + finishIfOver()
        }
        return restart(index, child.state, end, now)
    }

    private mutating func restart(
        _ index: Int, _ before: State, _ end: ProcessEnd, _ now: MonotonicTime
    ) -> [Action] {
        if case .running(let ready?) = before, now.since(ready) >= Self.steadyTime { children[index].restarts = 0 }
        children[index].restarts += 1
        children[index].state = .waiting
        let restarts = children[index].restarts
        var delay = Self.firstDelay
        for _ in 1..<restarts where delay < Self.longestDelay { delay = delay * 2 }
        delay = min(delay, Self.longestDelay)
        let milliseconds = delay.components.seconds * 1000 + delay.components.attoseconds / 1_000_000_000_000_000
        return [
            .log(
                .warning,
                "\(children[index].name) \(end): restart \(restarts) in \(milliseconds) ms"),
            .startLater(index, after: delay),
        ]
    }
}

/// How a process ended.
enum ProcessEnd: Equatable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Int32)

    /// As `waitpid` says it.
    init(status: Int32) {
        self = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
    }

    /// What follows its name.
    var description: String {
        switch self {
        case .exited(let code): "ended with code \(code)"
        case .signalled(let signal): "died of signal \(signal)"
        }
    }
}
