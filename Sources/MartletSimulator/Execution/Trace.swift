internal import MartletCore
public import MartletRuntime

/// What happened in a simulation, as one number: two runs that did the same in the same order have the same hash.
public struct Trace: Sendable {
    /// What kind of thing happened. The numbers are part of the hash.
    public enum Kind: UInt64, Sendable {
        case job = 1
        case turn, post, timer, blockingWork
        case listen, connect, refuse, accept, open, send, receive, end, close, reset, drain
        /// Noted by a workload or a checker.
        case note
        /// A fault of the simulated network struck; the detail says which.
        case fault
    }

    /// A hash of all events so far.
    public private(set) var hash: UInt64 = 0x736f_6d65_7073_6575
    /// Events so far.
    public private(set) var count: UInt64 = 0

    public init() {}

    /// Adds an event of a lane at a moment, with a number that tells it from others of its kind.
    public mutating func add(_ kind: Kind, at time: MonotonicTime, lane: Int, detail: UInt64 = 0) {
        count += 1
        mix(time.nanoseconds)
        mix(UInt64(truncatingIfNeeded: lane) << 8 | kind.rawValue)
        mix(detail)
    }

    /// Adds an event with the bytes it moved. O(bytes).
    public mutating func add(_ kind: Kind, at time: MonotonicTime, lane: Int, bytes: RawSpan) {
        add(kind, at: time, lane: lane, detail: XXH3.hash(bytes, seed: UInt64(bytes.byteCount)))
    }

    private mutating func mix(_ word: UInt64) {
        let product = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        hash = (product.high ^ product.low) &+ count
    }
}
