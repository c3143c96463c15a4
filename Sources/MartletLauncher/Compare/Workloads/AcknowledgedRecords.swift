/// The records that exist while inserts are out: all numbers below ``count`` were acknowledged.
///
/// Inserts end in any order, as many as are in flight apart; reads pick only what is surely there (YCSB's acknowledged
/// counter).
struct AcknowledgedRecords: Sendable {
    /// More than requests ever are in flight; a power of two.
    private static let width = 1 << 16
    private(set) var count: Int
    private var begun: Int
    private var isDone = [Bool](repeating: false, count: Self.width)

    init(existing: Int) {
        count = existing
        begun = existing
    }

    /// The number of a new record.
    mutating func begin() -> Int {
        precondition(begun - count < Self.width)
        defer { begun += 1 }
        return begun
    }

    /// Its insert was answered. O(1) amortised.
    mutating func finish(_ record: Int) {
        isDone[record & (Self.width - 1)] = true
        while count < begun, isDone[count & (Self.width - 1)] {
            isDone[count & (Self.width - 1)] = false
            count += 1
        }
    }
}
