internal import MartletRuntime

/// Notices that a worker's thread stood still: a stopped process, a paused machine, a disk that it had to wait for.
///
/// What clients sent meanwhile lay in the sockets, and nobody knows for how long: who sent it may have given up, asked
/// another node and seen newer writes answered. So for a moment after a standstill writes are refused (`-BUSY`); else
/// one that was sent again elsewhere would be done a second time, after so many others that its retry token is
/// forgotten. (Cassandra sheds requests that are older than their time-out for the same reason.) Used on the worker's
/// loop only.
public final class StandstillWatch {
    /// How often the clock is looked at though nobody asks for anything.
    static let pulse = Duration.milliseconds(500)
    /// How long is too long between two looks: standstills of that length may be noticed, longer ones by a pulse are.
    static let limit = Duration.seconds(2)
    /// How long what was sent meanwhile takes to be read: connections are accepted in one turn and read in a later one.
    static let grace = Duration.milliseconds(200)

    /// Whether the worker stood still until a moment ago, as of the turn of the last look.
    public private(set) var isRecent = false
    private let load: NodeLoad
    private var last: MonotonicTime?
    private var until = MonotonicTime(nanoseconds: 0)
    private var timer: (any LoopTimer)?

    init(_ load: NodeLoad) { self.load = load }

    /// Begins to watch; before, the worker opens what it has to.
    func start(on loop: any EventLoop) {
        look(at: loop.now)
        last = loop.now
        timer = loop.schedule(after: Self.pulse) { [weak self, unowned loop] in self?.start(on: loop) }
    }

    func stop() {
        timer?.cancel()
        last = nil
    }

    /// Takes note of the time; once a turn, before a client's commands are run.
    func look(at now: MonotonicTime) {
        guard let last else { return }
        self.last = now
        let still = now.since(last)
        if still > Self.limit {
            until = now.advanced(by: Self.grace)
            load.noteStandstill()
        }
        isRecent = now < until
    }
}
