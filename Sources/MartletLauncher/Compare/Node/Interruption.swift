internal import Glibc
internal import Synchronization

/// Ctrl-C during a comparison: noted, so that children and files are cleaned up in order.
enum Interruption {
    private static let requested = Atomic<Bool>(false)

    /// Whether SIGINT or SIGTERM came.
    static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// Begins to note them instead of ending the process.
    static func observe() {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in Interruption.requested.store(true, ordering: .relaxed) }
        }
    }
}
