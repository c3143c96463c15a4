internal import Glibc
internal import MartletIO
internal import MartletRuntime

/// Waits for what ends the process: a signal, of which a second one ends it at once, or a failure.
final class SignalLine: Sendable {
    private struct State {
        /// Of the process, once it is to end.
        var code: Int32?
        var waiter: CheckedContinuation<Int32, Never>?
    }
    private let state = Lock(State())
    private let loop = UVEventLoop.start(name: "signals")
    private let waiter = Lock<Confined<SignalWaiter>?>(nil)

    /// - Parameter parent: the process that has to outlive this one: its end counts as a signal.
    init(parent: Int32? = nil) {
        loop.post { [self] in
            // Of this thread, which lives as long as the process.
            if let parent, !ParentProcess.endWithIt(parent) { _exit(1) }
            let made = SignalWaiter([.terminate, .interrupt], on: loop) { [self] _ in received() }
            waiter.withLock { $0 = Confined(made) }
        }
    }

    private func received() {
        if end(ExitCode.ok) { _exit(1) }
    }

    /// Has the process end; whether it was to end already.
    @discardableResult
    func end(_ code: Int32) -> Bool {
        let (isSecond, waiting) = state.withLock { state in
            defer {
                state.code = state.code ?? code
                state.waiter = nil
            }
            return (state.code != nil, state.waiter)
        }
        waiting?.resume(returning: code)
        return isSecond
    }

    /// Returns once the process is to end: with what code.
    func wait() async -> Int32 {
        await withCheckedContinuation { continuation in
            let code = state.withLock { state in
                if state.code == nil { state.waiter = continuation }
                return state.code
            }
            if let code { continuation.resume(returning: code) }
        }
    }
}
