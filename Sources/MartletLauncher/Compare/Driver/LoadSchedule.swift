/// When requests are due: at even distances at a target rate, or as soon as a place in a window is free.
///
/// Under a rate every request's latency counts from when it was due, not from when a busy node let it be sent: a stall
/// of the node is seen by all the requests that should have begun meanwhile (no coordinated omission).
struct LoadSchedule: Sendable {
    /// Requests a second; nil for as many as go.
    let rate: Double?
    let start: UInt64
    /// No request is due at or after it.
    let end: UInt64
    private(set) var issued = 0

    init(rate: Double?, start: UInt64, end: UInt64) {
        self.rate = rate
        self.start = start
        self.end = end
    }

    /// When the next request is due; nil when none is due any more.
    func nextDue(now: UInt64) -> UInt64? {
        guard let rate else { return now < end ? now : nil }
        let due = start + UInt64(Double(issued) / rate * 1e9)
        return due < end ? due : nil
    }

    /// Takes the next request if it is due by `now`, and says when it was.
    mutating func take(now: UInt64) -> UInt64? {
        guard let due = nextDue(now: now), due <= now else { return nil }
        issued += 1
        return due
    }
}
