internal import MartletRuntime

/// The one timer of a protocol machine, which says after each event when it wants to hear that time has passed. Used on
/// its loop only.
final class WakeTimer {
    private let loop: any EventLoop
    private var timer: (any LoopTimer)?
    private var dueAt: UInt64?

    init(_ loop: any EventLoop) { self.loop = loop }

    /// Whether the machine waits for anything.
    var isSet: Bool { dueAt != nil }

    /// Has `body` run at `wake`, in nanoseconds of the loop's clock, in the place of what was set before; nil: not at
    /// all. Nothing is done where that moment is set already.
    func set(_ wake: UInt64?, _ body: @escaping () -> Void) {
        guard wake != dueAt || wake == nil else { return }
        timer?.cancel()
        dueAt = wake
        guard let wake else { return }
        let now = loop.now.nanoseconds
        timer = loop.schedule(after: .nanoseconds(wake > now ? Int64(clamping: wake - now) : 0)) { [self] in
            dueAt = nil
            body()
        }
    }

    func cancel() { timer?.cancel() }
}
