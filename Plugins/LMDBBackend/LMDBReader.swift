#if LMDB
    internal import CLMDB
    internal import MartletCore
    internal import MartletRuntime
    internal import Synchronization

    /// Point reads served so far; written by one thread, read by any.
    final class ReadCounter: Sendable {
        private let count = Atomic<UInt64>(0)
        var value: UInt64 { count.load(ordering: .relaxed) }

        /// Adds one. A load and a store, not an atomic addition: there is one writer.
        @inline(__always)
        func add() { count.store(count.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }
    }

    /// One read transaction, begun at the first read of a turn and reset at its end, so that pages can be reclaimed.
    ///
    /// Resetting keeps the slot of the reader table: beginning anew takes no lock and no allocation.
    @safe
    final class LMDBReader: StorageReader {
        private let environment: LMDBEnvironment
        private let transaction: OpaquePointer
        private let counter: ReadCounter
        private var isActive = false

        init(_ environment: LMDBEnvironment, counter: ReadCounter) throws(StorageError) {
            self.environment = environment
            self.counter = counter
            unsafe transaction = try environment.beginRead()
            unsafe mdb_txn_reset(transaction)
        }

        deinit { unsafe mdb_txn_abort(transaction) }

        func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
            if !isActive {
                try unsafe check(mdb_txn_renew(transaction), "begin a read")
                isActive = true
            }
            counter.add()
            return try unsafe environment.get(key, in: transaction, body)
        }

        func refresh() {
            guard isActive else { return }
            unsafe mdb_txn_reset(transaction)
            isActive = false
        }
    }
#endif
