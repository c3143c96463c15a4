internal import MartletCore

extension Replication {
    /// The number of the oldest operation under way here that may still bring an owner an older record than it holds,
    /// or have one kept as a hint; `UInt64.max` if there is none. What begins later has a greater number.
    ///
    /// Reads that others only confirm carry no records, nor do commands that others run, which count there. What others
    /// ask of this replica counts while it waits for a disk; what is on its way to an owner is in the link's order.
    /// O(operations).
    var oldestWork: UInt64 {
        guard openHints.isEmpty else { return 0 }
        let ignoresHints = store.settings.plantedBugs.contains(.collectsDespiteHints)
        let numbers = [
            openWrites?.id, writes.oldest, reads.oldest, hintMessages.oldest, lateHints.keys.min(), loads.oldest,
            busyKeys.values.map(\.since).min(), catchUp?.oldestPage, ignoresHints ? nil : hints?.oldestPage,
        ]
        return numbers.compactMap { $0 }.min() ?? .max
    }
}
