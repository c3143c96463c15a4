internal import MartletCore

/// The division of a keyspace's slots into equal arcs, and of these among a node's workers.
enum Partition {
    /// The worker of a node that a key belongs to: its partition modulo the workers.
    ///
    /// - Parameter partitions: Q, a power of two.
    static func worker(of key: RawSpan, workers: Int, partitions: Int) -> Int {
        workers == 1 ? 0 : Int(Slot.of(key)) * partitions / Slot.count % workers
    }
}
