/// How many bytes background work may move: what repairs the past must not slow the present.
///
/// Work is done first and paid afterwards: a step of any size may be taken once what was spent before is paid off at
/// the rate. The rate follows the latency that foreground requests see (``adapt(latency:target:)``): halved when it is
/// too high, raised by a sixteenth of the ceiling while it is not.
public struct WorkBudget: Hashable, Sendable {
    /// Bytes per second at the least, so that the work never stands still, and at the most.
    public var floor: UInt64
    public var ceiling: UInt64
    /// Bytes per second, now.
    public private(set) var rate: UInt64
    /// Bytes spent and not paid off as of a time.
    private var debt: UInt64 = 0
    private var asOf: UInt64 = 0

    /// - Parameter rate: what to begin with; by default the ceiling.
    public init(floor: UInt64 = 256 << 10, ceiling: UInt64 = 64 << 20, rate: UInt64 = .max) {
        self.floor = max(1, floor)
        self.ceiling = max(self.floor, ceiling)
        self.rate = min(self.ceiling, max(self.floor, rate))
    }

    /// Sets the rate, within the floor and the ceiling. What is owed is paid off at the new rate from `now` on.
    public mutating func setRate(_ bytesPerSecond: UInt64, now: UInt64) {
        settle(now)
        rate = min(ceiling, max(floor, bytesPerSecond))
    }

    /// Follows the latency of foreground requests, in any unit: call it at equal intervals, a second for instance.
    public mutating func adapt(latency: UInt64, target: UInt64, now: UInt64) {
        setRate(latency > target ? rate / 2 : rate + max(1, ceiling / 16), now: now)
    }

    public mutating func spend(_ bytes: Int, now: UInt64) {
        settle(now)
        debt += UInt64(max(0, bytes))
    }

    /// When the next step may be taken: in the past, or at `now`, if that is at once.
    public func ready(_ now: UInt64) -> UInt64 {
        guard debt > 0 else { return now }
        let (product, overflow) = debt.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : asOf + (product + rate - 1) / rate
    }

    private mutating func settle(_ now: UInt64) {
        let elapsed = now > asOf ? now - asOf : 0
        asOf = max(asOf, now)
        let (product, overflow) = elapsed.multipliedReportingOverflow(by: rate)
        let paid = overflow ? UInt64.max : product / 1_000_000_000
        debt -= min(debt, paid)
    }
}
