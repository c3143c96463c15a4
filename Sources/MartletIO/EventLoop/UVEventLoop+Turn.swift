internal import CLibuv
internal import Glibc
public import MartletRuntime

extension UVEventLoop {
    public func atTurnEnd(_ work: @escaping () -> Void) { endings.append(work) }

    /// Takes what other threads left. The next one to leave something wakes the loop again.
    func takeInbox() {
        if ready.isEmpty {
            inbox.withLock { swap(&$0, &ready) }
        } else {
            inbox.withLock { inbox in
                ready.append(contentsOf: inbox)
                inbox.removeAll(keepingCapacity: true)
            }
        }
    }

    /// What follows the input callbacks and due timers: jobs, then the turn's end, then one flush for each stream.
    ///
    /// It hangs before libuv's wait rather than after, so that work of timers is done before the loop sleeps.
    func turn() {
        repeat {
            repeat {
                announceGone()
                runJobs()
                if ready.isEmpty, gone.isEmpty { runEndings() }
            } while hasJobs
            flushDirty()
        } while hasJobs
        isTimeStale = true
        if isStopping { finishStop() }
    }

    private var hasJobs: Bool { !ready.isEmpty || !gone.isEmpty || !endings.isEmpty }

    private func runJobs() {
        guard !ready.isEmpty else { return }
        let serial = unsafe asUnownedSerialExecutor()
        let task = unsafe asUnownedTaskExecutor()
        while !ready.isEmpty {
            swap(&ready, &running)
            for entry in running {
                switch entry {
                case .job(let job): unsafe job.runSynchronously(isolatedTo: serial, taskExecutor: task)
                case .work(let work): work()
                }
            }
            running.removeAll(keepingCapacity: running.capacity <= 16384)
        }
    }

    private func runEndings() {
        guard !endings.isEmpty else { return }
        var works: [() -> Void] = []
        swap(&works, &endings)
        for work in works { work() }
        if endings.isEmpty {
            works.removeAll(keepingCapacity: true)
            swap(&works, &endings)
        }
    }

    private func flushDirty() {
        guard !dirty.isEmpty else { return }
        swap(&dirty, &flushing)
        for stream in flushing { stream.flush() }
        flushing.removeAll(keepingCapacity: true)
    }

    /// Tells handlers of streams that closed, outside of whatever closed them.
    private func announceGone() {
        while !gone.isEmpty {
            let streams = gone
            gone.removeAll()
            for stream in streams { stream.announceClosed() }
        }
    }

    // MARK: Memory of idle streams

    /// Has a stream's output memory released once the stream is idle.
    func watchMemory(of stream: UVStream) {
        warm.append(stream)
        if warm.count == 1 { schedule(after: .seconds(1)) { [self] in coolDown() } }
    }

    private func coolDown() {
        warm.removeAll { $0.releaseIdleMemory() }
        if !warm.isEmpty { schedule(after: .seconds(1)) { [self] in coolDown() } }
    }

    // MARK: End

    func beginStop() {
        isStopping = true
        timers.removeAll()
        unsafe uv_walk(
            uv,
            { handle, _ in
                guard let handle = unsafe handle, unsafe uv_is_closing(handle) == 0 else { return }
                switch unsafe handle.pointee.type {
                case UV_POLL: unsafe PollHandle.of(handle.pointee.data).shutDown()
                case UV_SIGNAL: unsafe SignalHandle.of(handle.pointee.data).close()
                default: return  // the loop's own go last
                }
            }, nil)
    }

    private func finishStop() {
        isStopping = false  // once
        isOpen.withLock { isOpen in
            isOpen = false
            unsafe uv_close(UnsafeMutableRawPointer(wakeup).assumingMemoryBound(to: uv_handle_t.self), nil)
        }
        if spareDescriptor >= 0 { Glibc.close(spareDescriptor) }
        spareDescriptor = -1
        warm.removeAll()
        unsafe uv_close(UnsafeMutableRawPointer(alarm).assumingMemoryBound(to: uv_handle_t.self), nil)
        unsafe uv_close(UnsafeMutableRawPointer(turnHook).assumingMemoryBound(to: uv_handle_t.self), nil)
    }
}

// MARK: Timers

extension UVEventLoop {
    @discardableResult
    public func schedule(after delay: Duration, _ work: @escaping () -> Void) -> any LoopTimer {
        let deadline = now.advanced(by: max(delay, .zero))
        let isFirst = timers.earliest.map { deadline < $0 } ?? true
        let timer = timers.add(at: deadline, work)
        if isFirst { setAlarm() }
        return timer
    }

    /// Sets the one libuv timer to the earliest deadline, rounded up to its milliseconds.
    private func setAlarm() {
        guard let earliest = timers.earliest else { return }
        let wait = UInt64(max(0, earliest.since(now).inNanoseconds))
        unsafe uv_update_time(uv)
        unsafe uv_timer_start(
            alarm, { handle in unsafe UVEventLoop.of(handle!.pointee.data).runTimers() }, (wait + 999_999) / 1_000_000,
            0)
    }

    private func runTimers() {
        let time = now
        let bound = timers.sequence
        while let work = timers.takeDue(at: time, madeBefore: bound) { work() }
        setAlarm()
    }
}
