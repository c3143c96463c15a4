/// Finds few faults that are enough to fail, by running the seed again with parts of the plan (delta debugging: Zeller
/// and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
public enum FaultMinimiser {
    /// A sublist that still fails, from which no part that was tried could be left out.
    ///
    /// - Parameters:
    ///   - faults: a list that fails.
    ///   - budget: runs at most.
    ///   - fails: whether the seed fails with these faults.
    public static func minimise(
        _ faults: [PlannedFault], budget: Int = 200, fails: ([PlannedFault]) -> Bool
    ) -> [PlannedFault] {
        var left = budget
        func stillFails(_ faults: [PlannedFault]) -> Bool {
            left -= 1
            return fails(faults)
        }
        if left > 0, stillFails([]) { return [] }
        var current = faults
        var parts = 2
        while current.count > 1, left > 0 {
            let size = (current.count + parts - 1) / parts
            let starts = Array(stride(from: 0, to: current.count, by: size))
            // Without one part: a half alone is what is left without the other.
            let smaller = starts.lazy.map { start in
                Array(current[..<start] + current[min(start + size, current.count)...])
            }.first { left > 0 && stillFails($0) }
            if let smaller {
                current = smaller
                parts = max(2, parts - 1)
            } else if size == 1 {
                break
            } else {
                parts = min(parts * 2, current.count)
            }
        }
        return current
    }
}
