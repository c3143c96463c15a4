internal import MartletCore
internal import MartletRuntime

/// The one writer of a backend handle: takes what all workers have queued, makes one batch and one sync of it, and
/// tells each worker. While one batch is being synced the next gathers (group commit).
final class Committer: Sendable {
    /// What a worker hears once its commit, and all before it, are done or failed.
    enum Outcome: Sendable {
        case committed(UInt64)
        /// Nothing of the commits above the last committed one was applied, up to and with this one.
        case failed(upTo: UInt64, StorageError)
    }
    typealias Listener = @Sendable (Outcome) -> Void

    private struct Queue: ~Copyable {
        var batch = WriteBatch()
        var durability = Durability.none
        /// Per worker the newest commit in `batch`; 0 if it has none.
        var newest: [UInt64]
        /// Per worker how many failures it was told of and how many it has taken note of.
        var failures: [Int]
        var isRunning = false
        var isDirty = false
    }

    private let backend: any StorageBackend
    private let executor: any BlockingExecutor
    private let listeners: [Listener]
    private let queue: Lock<Queue>
    /// What was committed so far, for INFO.
    struct Counters {
        var batches: UInt64 = 0
        var operations: UInt64 = 0
        var syncs: UInt64 = 0
        /// How long the backend took for a batch, its sync included.
        var durations = LatencyHistogram()
    }
    let counters = Lock(Counters())
    private let clock: any NodeClock
    private let load: NodeLoad

    init(
        backend: any StorageBackend, executor: any BlockingExecutor, clock: any NodeClock, load: NodeLoad,
        listeners: [Listener]
    ) {
        self.backend = backend
        self.load = load
        self.clock = clock
        self.executor = executor
        self.listeners = listeners
        queue = Lock(
            Queue(
                newest: Array(repeating: 0, count: listeners.count),
                failures: Array(repeating: 0, count: listeners.count)))
    }

    /// Queues a worker's batch as its commit number `commit`; `failuresSeen` is how many failures it was told of.
    ///
    /// A batch that was built before the worker heard of a failure may build on what failed: it fails as well.
    /// What `batch` holds afterwards is of no use but for its memory.
    func submit(
        _ batch: inout WriteBatch, durability: Durability, worker: Int, commit: UInt64, failuresSeen: Int
    ) -> Bool {
        let start = queue.withLock { queue -> Bool? in
            guard queue.failures[worker] == failuresSeen else { return nil }
            load.addBacklog(batch.byteCount)
            if queue.batch.isEmpty { swap(&queue.batch, &batch) } else { queue.batch.append(batch) }
            queue.durability = max(queue.durability, durability)
            queue.newest[worker] = commit
            defer { queue.isRunning = true }
            return !queue.isRunning
        }
        guard let start else { return false }
        if start { executor.submit { self.run() } }
        return true
    }

    /// Syncs what was applied without a sync, in the order of commits. For `interval`.
    func syncInterval() {
        let isDirty = queue.withLock { $0.isDirty }
        guard isDirty else { return }
        executor.submit { [self] in
            queue.withLock { $0.isDirty = false }
            do throws(StorageError) { try backend.sync() } catch { fail(error) }
        }
    }

    /// Runs `work` after all commits queued so far.
    func afterCommits(_ work: @escaping @Sendable () -> Void) { executor.submit(work) }

    private func run() {
        var batch = WriteBatch()
        while true {
            let taken = queue.withLock { queue -> (Durability, [UInt64])? in
                guard !queue.batch.isEmpty else {
                    queue.isRunning = false
                    return nil
                }
                swap(&batch, &queue.batch)
                defer {
                    queue.durability = .none
                    for index in queue.newest.indices { queue.newest[index] = 0 }
                }
                if queue.durability != .always { queue.isDirty = true }
                return (queue.durability, queue.newest)
            }
            guard let (durability, newest) = taken else { return }
            do throws(StorageError) {
                let start = clock.monotonic
                try backend.apply(batch, durability: durability)
                let duration = clock.monotonic.nanoseconds &- start.nanoseconds
                counters.withLock { counters in
                    counters.durations.record(duration)
                    counters.batches += 1
                    counters.operations += UInt64(batch.count)
                    counters.syncs += durability == .always ? 1 : 0
                }
                for (worker, commit) in newest.enumerated() where commit > 0 { listeners[worker](.committed(commit)) }
            } catch {
                queue.withLock { queue in
                    for (worker, commit) in newest.enumerated() {
                        queue.newest[worker] = max(queue.newest[worker], commit)
                    }
                }
                fail(error)
            }
            load.addBacklog(-batch.byteCount)
            batch.removeAll()
        }
    }

    /// Fails what is queued, since it may build on what failed, and tells every worker.
    private func fail(_ error: StorageError) {
        let newest = queue.withLock { queue in
            load.addBacklog(-queue.batch.byteCount)
            queue.batch.removeAll()
            queue.durability = .none
            let newest = queue.newest
            for index in newest.indices {
                queue.newest[index] = 0
                queue.failures[index] += 1
            }
            return newest
        }
        for (worker, commit) in newest.enumerated() { listeners[worker](.failed(upTo: commit, error)) }
    }
}
