internal import Glibc
internal import MartletIO
internal import MartletRuntime

/// Waits for the signal that ends the process; a second one ends it at once.
final class SignalLine: Sendable {
    private struct State {
        var isSignalled = false
        var waiter: CheckedContinuation<Void, Never>?
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
        let (isSecond, waiting) = state.withLock { state in
            defer {
                state.isSignalled = true
                state.waiter = nil
            }
            return (state.isSignalled, state.waiter)
        }
        if isSecond { _exit(1) }
        waiting?.resume()
    }

    /// Returns once a signal came.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isSignalled = state.withLock { state in
                if !state.isSignalled { state.waiter = continuation }
                return state.isSignalled
            }
            if isSignalled { continuation.resume() }
        }
    }
}
