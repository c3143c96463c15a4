#if LMDB
    internal import Glibc
    internal import MartletRuntime
    internal import Synchronization

    /// What a backend counts since open.
    final class LMDBCounters: Sendable {
        let written = ThreadWrites()
        private let readers = Lock<[ReadCounter]>([])
        private let batches = Atomic<UInt64>(0)
        private let syncs = Atomic<UInt64>(0)
        private let bytes = Atomic<UInt64>(0)

        /// A counter for a new reader. Readers live as long as their worker, so counters are kept, not folded.
        func makeReadCounter() -> ReadCounter {
            let counter = ReadCounter()
            readers.withLock { $0.append(counter) }
            return counter
        }

        /// Counts one commit of `byteCount` bytes of keys and values; 0 stands for a sync alone.
        func applied(_ byteCount: Int, synced: Bool) {
            if byteCount > 0 {
                batches.add(1, ordering: .relaxed)
                bytes.add(UInt64(byteCount), ordering: .relaxed)
            }
            if synced { syncs.add(1, ordering: .relaxed) }
        }

        func statistics() -> StorageStatistics {
            var result = StorageStatistics()
            result.bytesApplied = bytes.load(ordering: .relaxed)
            result.syncs = syncs.load(ordering: .relaxed)
            result.bytesWritten = written.total
            // The map's pages are the kernel's page cache: LMDB cannot tell whether a read met the disk.
            result.reads[.engine] = readers.withLock { $0.reduce(0) { $0 + $1.value } }
            result.counters.append(("commits", batches.load(ordering: .relaxed)))
            return result
        }
    }

    /// Bytes that the writing thread handed to write calls, as the kernel counts them.
    ///
    /// LMDB does not count the pages it writes. The kernel does so per thread, and the thread that applies batches
    /// writes little else (a wake-up of a worker takes 8 bytes). Costs nothing per batch while the thread stays the
    /// same.
    final class ThreadWrites: Sendable {
        private struct State {
            var thread: pthread_t?
            var file: CInt = -1
            var start: UInt64 = 0
            /// Bytes of threads that applied before.
            var earlier: UInt64 = 0
        }
        private let state = Lock(State())

        deinit { state.withLock { if $0.file >= 0 { close($0.file) } } }

        /// Counts what this thread writes from here on.
        func willWrite() {
            state.withLock { state in
                let current = pthread_self()
                if let thread = state.thread, pthread_equal(thread, current) != 0 { return }
                if state.file >= 0 {
                    if let now = Self.read(state.file) { state.earlier += now - state.start }
                    close(state.file)
                }
                state.thread = current
                state.file = unsafe open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC)
                state.start = Self.read(state.file) ?? 0
            }
        }

        var total: UInt64 {
            state.withLock { state in
                guard let now = Self.read(state.file) else { return state.earlier }
                return state.earlier + now - state.start
            }
        }

        /// The number in the line `wchar: N`.
        private static func read(_ file: CInt) -> UInt64? {
            guard file >= 0 else { return nil }
            var buffer = [UInt8](repeating: 0, count: 512)
            let count = unsafe pread(file, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            for line in buffer[..<count].split(separator: UInt8(ascii: "\n")) {
                let text = String(decoding: line, as: UTF8.self)
                if text.hasPrefix("wchar: ") { return UInt64(text.dropFirst(7)) }
            }
            return nil
        }
    }
#endif
