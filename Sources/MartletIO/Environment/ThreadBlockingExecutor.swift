public import MartletRuntime

/// One thread for work that may block, in the order it was submitted.
public final class ThreadBlockingExecutor: BlockingExecutor {
    private struct Queue {
        var works: [@Sendable () -> Void] = []
        var isEnding = false
    }

    private let queue: Lock<Queue>
    private let arrived: Semaphore
    private let thread: SystemThread

    /// - Parameter name: what debuggers show for the thread; its first 15 bytes.
    public init(name: String) {
        let queue = Lock(Queue())
        let arrived = Semaphore()
        self.queue = queue
        self.arrived = arrived
        thread = SystemThread.start(name: name) { Self.run(queue, arrived) }
    }

    public func submit(_ work: @escaping @Sendable () -> Void) {
        let wasEmpty = queue.withLock { queue in
            precondition(!queue.isEnding, "work for an executor that was shut down")
            queue.works.append(work)
            return queue.works.count == 1
        }
        if wasEmpty { arrived.signal() }
    }

    public func shutdown() {
        precondition(!thread.isCurrent, "a thread cannot wait for its own end")
        let isFirst = queue.withLock { queue in
            defer { queue.isEnding = true }
            return !queue.isEnding
        }
        guard isFirst else { return }
        arrived.signal()
        thread.join()
    }

    private static func run(_ queue: Lock<Queue>, _ arrived: Semaphore) {
        var works: [@Sendable () -> Void] = []
        while true {
            arrived.wait()
            let isEnding = queue.withLock { queue in
                swap(&works, &queue.works)
                return queue.isEnding
            }
            for work in works { work() }
            works.removeAll(keepingCapacity: true)
            if isEnding { return }
        }
    }
}
