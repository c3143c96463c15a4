internal import CLibuv
internal import Glibc
internal import MartletCore
public import MartletRuntime
internal import Synchronization

/// The real event loop: libuv on a thread of its own.
///
/// A turn: libuv's callbacks for sockets, timers and wake-ups; then jobs in order until none is left; then what was
/// registered for the turn's end; then one send for each stream with output. Jobs and work from other threads pass
/// through an inbox under a lock; the loop is woken only if the inbox was empty.
@safe
public final class UVEventLoop: EventLoop, @unchecked Sendable {  // its state is confined to its thread, but the inbox
    private struct Inbox {
        var jobs: [UnownedJob] = []
        var work: [@Sendable () -> Void] = []
        var isStopping = false
        var isWoken = false
    }

    public let name: String
    let loop: UnsafeMutablePointer<uv_loop_t>
    private let wakeup: UnsafeMutablePointer<uv_async_t>
    private let prepare: UnsafeMutablePointer<uv_prepare_t>
    private let check: UnsafeMutablePointer<uv_check_t>
    private let inbox = Lock(Inbox())
    private let threadIdentifier = Atomic<UInt>(0)
    private var thread = pthread_t()

    private var jobs: [UnownedJob] = []
    private var running: [UnownedJob] = []
    private var turnEnds: [() -> Void] = []
    private var dirty: [UVStream] = []
    /// Input of every stream is read into this, one after the other.
    let readBuffer: UnsafeMutableRawBufferPointer
    /// Handles that are open; what their callbacks reach by identity alone is kept alive here.
    var handles: [ObjectIdentifier: AnyObject] = [:]

    /// Bytes that one read takes at most.
    static let readLimit = 64 << 10

    private init(name: String) {
        self.name = name
        unsafe loop = .allocate(capacity: 1)
        unsafe wakeup = .allocate(capacity: 1)
        unsafe prepare = .allocate(capacity: 1)
        unsafe check = .allocate(capacity: 1)
        unsafe readBuffer = .allocate(byteCount: Self.readLimit, alignment: 64)
        let status = unsafe uv_loop_init(loop)
        precondition(status == 0, "libuv cannot make a loop")
    }

    deinit {
        unsafe loop.deallocate()
        unsafe wakeup.deallocate()
        unsafe prepare.deallocate()
        unsafe check.deallocate()
        unsafe readBuffer.deallocate()
    }

    /// Makes a loop and starts its thread; returns once it can be given work.
    public static func start(name: String) -> UVEventLoop {
        signal(SIGPIPE, SIG_IGN)
        let made = UVEventLoop(name: name)
        made.openHandles()
        made.thread = Thread.start(name: name) { made.run() }
        while made.threadIdentifier.load(ordering: .acquiring) == 0 { sched_yield() }
        return made
    }

    /// Ends the loop: closes its streams and joins its thread. Not from the loop's own thread.
    public func stop() {
        precondition(!isCurrent)
        inbox.withLock { $0.isStopping = true }
        _ = unsafe uv_async_send(wakeup)
        pthread_join(thread, nil)
    }

    private func openHandles() {
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe uv_async_init(loop, wakeup) { handle in unsafe UVEventLoop.of(handle!.pointee.data).takeInbox() }
        unsafe wakeup.pointee.data = me
        unsafe uv_prepare_init(loop, prepare)
        unsafe prepare.pointee.data = me
        unsafe uv_prepare_start(prepare) { handle in unsafe UVEventLoop.of(handle!.pointee.data).endTurn() }
        unsafe uv_check_init(loop, check)
        unsafe check.pointee.data = me
        unsafe uv_check_start(check) { handle in unsafe UVEventLoop.of(handle!.pointee.data).endTurn() }
    }

    private static func of(_ data: UnsafeMutableRawPointer) -> UVEventLoop {
        unsafe Unmanaged<UVEventLoop>.fromOpaque(data).takeUnretainedValue()
    }

    private func run() {
        threadIdentifier.store(UInt(pthread_self()), ordering: .releasing)
        _ = unsafe uv_run(loop, UV_RUN_DEFAULT)
        handles.removeAll()
        // What was still posted gets its turn, so that nothing waits for ever on a continuation.
        takeInbox()
        endTurn()
        unsafe uv_loop_close(loop)
    }

    // MARK: Turns

    private func takeInbox() {
        var isStopping = false
        var work: [@Sendable () -> Void] = []
        inbox.withLock { inbox in
            inbox.isWoken = false
            swap(&work, &inbox.work)
            jobs.append(contentsOf: inbox.jobs)
            inbox.jobs.removeAll(keepingCapacity: true)
            isStopping = inbox.isStopping
        }
        for item in work { item() }
        if isStopping { closeEverything() }
    }

    /// Jobs, then turn ends, until neither is left; then the streams.
    private func endTurn() {
        while !jobs.isEmpty || !turnEnds.isEmpty {
            drainJobs()
            let ends = turnEnds
            turnEnds.removeAll(keepingCapacity: true)
            for end in ends { end() }
        }
        guard !dirty.isEmpty else { return }
        var index = 0
        while index < dirty.count {
            dirty[index].flush()
            index += 1
        }
        dirty.removeAll(keepingCapacity: true)
        if !jobs.isEmpty || !turnEnds.isEmpty { endTurn() }
    }

    private func drainJobs() {
        guard !jobs.isEmpty else { return }
        let serial = unsafe asUnownedSerialExecutor()
        let task = unsafe asUnownedTaskExecutor()
        while !jobs.isEmpty {
            swap(&jobs, &running)
            for job in running { unsafe job.runSynchronously(isolatedTo: serial, taskExecutor: task) }
            running.removeAll(keepingCapacity: true)
        }
    }

    func needsFlush(_ stream: UVStream) { dirty.append(stream) }

    private func closeEverything() {
        for handle in handles.values { (handle as? any UVClosable)?.closeNow() }
        unsafe withUnsafeMutablePointer(to: &wakeup.pointee) { pointer in
            unsafe pointer.withMemoryRebound(to: uv_handle_t.self, capacity: 1) { handle in
                if unsafe uv_is_closing(handle) == 0 { unsafe uv_close(handle, nil) }
            }
        }
        unsafe close(prepare)
        unsafe close(check)
    }

    private func close<T>(_ handle: UnsafeMutablePointer<T>) {
        unsafe handle.withMemoryRebound(to: uv_handle_t.self, capacity: 1) { handle in
            if unsafe uv_is_closing(handle) == 0 { unsafe uv_close(handle, nil) }
        }
    }

    // MARK: EventLoop

    public var now: MonotonicTime { MonotonicTime(nanoseconds: unsafe uv_now(loop) &* 1_000_000) }

    public var isCurrent: Bool { UInt(pthread_self()) == threadIdentifier.load(ordering: .relaxed) }

    public func post(_ work: @escaping @Sendable () -> Void) {
        let wakes = inbox.withLock { inbox in
            inbox.work.append(work)
            defer { inbox.isWoken = true }
            return !inbox.isWoken
        }
        if wakes { _ = unsafe uv_async_send(wakeup) }
    }

    public func atTurnEnd(_ work: @escaping () -> Void) { turnEnds.append(work) }

    public func schedule(after delay: Duration, _ work: @escaping () -> Void) -> any LoopTimer {
        UVTimer(on: self, after: delay, work)
    }

    public func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        try UVListener(on: self, address: address, accept: accept)
    }

    public func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        try UVStream(connecting: self, to: address, handler: handler)
    }

    // MARK: Executor

    public func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        if isCurrent {
            jobs.append(unowned)
            return
        }
        let wakes = inbox.withLock { inbox in
            inbox.jobs.append(unowned)
            defer { inbox.isWoken = true }
            return !inbox.isWoken
        }
        if wakes { _ = unsafe uv_async_send(wakeup) }
    }

    public func checkIsolated() { precondition(isCurrent, "not on the loop's thread") }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }
}

/// A handle that the loop closes when it ends.
protocol UVClosable: AnyObject {
    func closeNow()
}
