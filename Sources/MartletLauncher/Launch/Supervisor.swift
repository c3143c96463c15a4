internal import Glibc
internal import MartletIO
internal import MartletRuntime

/// Runs child processes until SIGTERM or SIGINT: starts again what died, passes the signal on, waits for all.
final class Supervisor {
    struct Child: Sendable {
        var name: String
        /// The program, then its arguments. It writes a line that begins with `ready ` once it serves.
        var arguments: [String]
    }

    private let children: [Child]
    private let loop: UVEventLoop
    private let log: Log
    private let print: @Sendable (String) -> Void
    private let done: @Sendable (Int32) -> Void
    private var supervision: Supervision
    private var processes: [SupervisedProcess?]
    private var signals: SignalWaiter?

    private init(
        _ children: [Child], on loop: UVEventLoop, log: Log, print: @escaping @Sendable (String) -> Void,
        done: @escaping @Sendable (Int32) -> Void
    ) {
        self.children = children
        self.loop = loop
        self.log = log
        self.print = print
        self.done = done
        supervision = Supervision(names: children.map(\.name))
        processes = children.map { _ in nil }
    }

    /// Starts the children and returns once none runs any more.
    ///
    /// - Parameters:
    ///   - control: is given a function that has the effect of a signal, before anything starts; for tests.
    ///   - print: takes each line that a child writes to its standard output, as it comes.
    /// - Returns: 0 if all ended in order, the code of one that could not start at all, or 1.
    static func run(
        _ children: [Child], log: Log, control: @Sendable (@escaping @Sendable () -> Void) -> Void = { _ in },
        print: @escaping @Sendable (String) -> Void
    ) async -> Int32 {
        let loop = UVEventLoop.start(name: "supervisor")
        let held = Lock<Confined<Supervisor>?>(nil)
        control { loop.post { held.withLock { $0 }?.value.receive(.signalled) } }
        let code = await withCheckedContinuation { continuation in
            loop.post {
                let supervisor = Supervisor(children, on: loop, log: log, print: print) {
                    continuation.resume(returning: $0)
                }
                held.withLock { $0 = Confined(supervisor) }
                supervisor.begin()
            }
        }
        loop.stop()
        return code
    }

    private func begin() {
        signals = SignalWaiter([.terminate, .interrupt, .childEnded], on: loop) { [unowned self] signal in
            if signal == .childEnded { reap() } else { receive(.signalled) }
        }
        receive(.begin)
    }

    /// Signals of several children come as one.
    private func reap() {
        for index in processes.indices {
            guard let end = processes[index]?.end() else { continue }
            processes[index] = nil
            receive(.ended(index, end, now: loop.now))
        }
    }

    private func receive(_ event: Supervision.Event) {
        for action in supervision.receive(event) {
            switch action {
            case .start(let index): start(index)
            case .startLater(let index, let delay):
                loop.schedule(after: delay) { [weak self] in self?.receive(.isDue(index)) }
            case .terminate(let index):
                processes[index]?.send(SIGTERM)
                processes[index]?.send(SIGCONT)  // one that is stopped cannot end
            case .kill(let index): processes[index]?.send(SIGKILL)
            case .log(let level, let text): log(level, text)
            case .finish(let code):
                signals?.cancel()
                signals = nil
                done(code)
            }
        }
    }

    private func start(_ index: Int) {
        let child = children[index]
        processes[index] = SupervisedProcess(child.arguments, on: loop) { [weak self] line in
            self?.print(line)
            if line.hasPrefix("ready "), let self { receive(.isReady(index, now: loop.now)) }
        }
        guard processes[index] == nil else { return }
        log(.error, "cannot start \(child.arguments[0]): \(unsafe String(cString: strerror(errno)))")
        loop.atTurnEnd { [weak self] in
            if let self { receive(.ended(index, .exited(ExitCode.failed), now: loop.now)) }
        }
    }
}
