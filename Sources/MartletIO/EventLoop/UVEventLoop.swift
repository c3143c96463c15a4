internal import CLibuv
internal import Glibc
public import MartletRuntime

/// The event loop of the real world: one thread over libuv, the executor of a worker's actors.
///
/// libuv waits, keeps the signals and wakes the thread; reads and writes are made here, straight on the non-blocking
/// sockets, so that a read costs one system call and no allocation, and a turn one send for each stream.
///
/// ```swift
/// let loop = UVEventLoop.start(name: "worker-0")
/// loop.post { ... }  // on its thread
/// loop.stop()
/// ```
@safe
public final class UVEventLoop: EventLoop, @unchecked Sendable {  // all but `inbox` is used by the loop's thread alone
    /// One entry of the queue. A job is kept as it came: no closure, no allocation.
    enum Entry {
        case job(UnownedJob)
        case work(@Sendable () -> Void)
    }

    /// What its thread is called.
    public let name: String
    let uv: UnsafeMutablePointer<uv_loop_t>
    let wakeup: UnsafeMutablePointer<uv_async_t>
    let turnHook: UnsafeMutablePointer<uv_prepare_t>
    let alarm: UnsafeMutablePointer<uv_timer_t>
    /// All streams read into it, one after the other.
    let readBuffer: UnsafeMutableRawBufferPointer

    /// What other threads left for the loop.
    let inbox = Lock<[Entry]>([])
    /// Whether `wakeup` may still be signalled. Not the inbox's lock: whom the signal wakes wants that one at once.
    let isOpen = Lock(true)
    /// Set before ``start(name:)`` returns, and never again.
    private(set) var thread: pthread_t = 0
    private let joiner = Lock<SystemThread?>(nil)

    // The turn's work, by the phase that takes it.
    var ready: [Entry] = []
    var running: [Entry] = []
    var endings: [() -> Void] = []
    var dirty: [UVStream] = []
    var flushing: [UVStream] = []
    var gone: [UVStream] = []

    let timers = TimerHeap()
    /// Streams whose output holds more memory than an idle one should.
    var warm: [UVStream] = []
    /// Kept so that a connection can be taken and refused when descriptors run out.
    var spareDescriptor: Int32 = -1
    var isStopping = false
    private var time = MonotonicTime(nanoseconds: 0)
    var isTimeStale = true

    /// Bytes of the buffer that reads go into.
    static let readBufferSize = 128 << 10

    private init(name: String) {
        self.name = name
        unsafe uv = .allocate(capacity: 1)
        unsafe wakeup = .allocate(capacity: 1)
        unsafe turnHook = .allocate(capacity: 1)
        unsafe alarm = .allocate(capacity: 1)
        unsafe readBuffer = .allocate(byteCount: Self.readBufferSize, alignment: 4096)
        let status = unsafe uv_loop_init(uv)
        precondition(status == 0, "no event loop can be made")
        let myself = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe uv_async_init(uv, wakeup) { handle in unsafe UVEventLoop.of(handle!.pointee.data).takeInbox() }
        unsafe uv_prepare_init(uv, turnHook)
        unsafe uv_timer_init(uv, alarm)
        unsafe wakeup.pointee.data = myself
        unsafe turnHook.pointee.data = myself
        unsafe alarm.pointee.data = myself
        unsafe uv_prepare_start(turnHook) { handle in unsafe UVEventLoop.of(handle!.pointee.data).turn() }
        spareDescriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    deinit {
        unsafe uv.deallocate()
        unsafe wakeup.deallocate()
        unsafe turnHook.deallocate()
        unsafe alarm.deallocate()
        unsafe readBuffer.deallocate()
    }

    /// The loop that a libuv handle of its own names.
    static func of(_ data: UnsafeMutableRawPointer!) -> UVEventLoop {
        unsafe Unmanaged<UVEventLoop>.fromOpaque(data).takeUnretainedValue()
    }

    /// Makes a loop and starts its thread, which runs until ``stop()``.
    ///
    /// - Parameter name: what debuggers show for the thread; 15 bytes of it.
    public static func start(name: String) -> UVEventLoop {
        signal(SIGPIPE, SIG_IGN)  // a peer that went away is an error of the stream, not the end of the process
        let loop = UVEventLoop(name: name)
        let started = Semaphore()
        let thread = SystemThread.start(name: name) {
            loop.thread = pthread_self()
            started.signal()
            unsafe uv_run(loop.uv, UV_RUN_DEFAULT)
            let status = unsafe uv_loop_close(loop.uv)
            precondition(status == 0, "a handle outlived its loop")
        }
        started.wait()  // whoever gets the loop may enqueue: the thread's identity is known by then
        loop.joiner.withLock { $0 = thread }
        return loop
    }

    /// Closes all streams and listeners, runs what that starts, ends the thread and waits for it.
    ///
    /// Work and jobs that come later are never run. Called from any thread but the loop's; twice is no harm.
    public func stop() {
        precondition(!isCurrent, "a loop cannot wait for its own end")
        guard let thread = joiner.withLock({ $0.take() }) else { return }
        post { [self] in beginStop() }
        thread.join()
    }

    public var isCurrent: Bool { pthread_self() == thread }

    public var now: MonotonicTime {
        if isTimeStale { readTime() }
        return time
    }

    private func readTime() {
        time = SystemClock.monotonicNow
        isTimeStale = false
    }
}

// MARK: Executor

extension UVEventLoop {
    public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    public func post(_ work: @escaping @Sendable () -> Void) { add(.work(work)) }

    private func add(_ entry: Entry) {
        if isCurrent {
            ready.append(entry)
            return
        }
        let isFirst = inbox.withLock { inbox in
            inbox.append(entry)
            return inbox.count == 1
        }
        // Within the lock, so that the handle is not closed between the look and the call.
        if isFirst { isOpen.withLock { if $0 { unsafe _ = uv_async_send(wakeup) } } }
    }

    public func checkIsolated() { precondition(isCurrent, "not on the loop's thread") }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }
}
