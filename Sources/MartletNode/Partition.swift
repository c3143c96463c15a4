internal import MartletCore

/// The division of a keyspace's slots into equal arcs, and of these among a node's workers.
enum Partition {
    /// Q: a power of two.
    static let count = 256

    /// The worker of a node that a key belongs to: its partition modulo the workers.
    static func worker(of key: RawSpan, workers: Int) -> Int {
        workers == 1 ? 0 : Int(Slot.of(key)) * count / Slot.count % workers
    }
}
