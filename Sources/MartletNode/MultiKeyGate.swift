internal import MartletRuntime

/// Lets one command over the keys of several workers run at a time; the others wait in the order they came.
public actor MultiKeyGate {
    private nonisolated let loop: any EventLoop
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
    private var isTaken = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    init(loop: any EventLoop) { self.loop = loop }

    public func enter() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiters.append($0) }
    }

    public func leave() {
        if waiters.isEmpty { isTaken = false } else { waiters.removeFirst().resume() }
    }
}
