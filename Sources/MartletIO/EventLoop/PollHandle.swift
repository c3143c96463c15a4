internal import CLibuv
internal import Glibc

/// A descriptor that a loop watches: a stream's or a listener's socket. Used on the loop only.
///
/// libuv keeps it alive from ``init(_:descriptor:)`` until the handle is closed.
@safe
class PollHandle {
    let loop: UVEventLoop
    private let uv: UnsafeMutablePointer<uv_poll_t>
    /// -1 once it is closed.
    private(set) var descriptor: Int32
    /// The events libuv watches for.
    private(set) var interest: Int32 = 0

    /// Takes ownership of `descriptor`.
    init(_ loop: UVEventLoop, descriptor: Int32) {
        self.loop = loop
        self.descriptor = descriptor
        unsafe uv = .allocate(capacity: 1)
        let status = unsafe uv_poll_init(loop.uv, uv, descriptor)
        precondition(status == 0, "a socket of ours cannot be watched")
        unsafe uv.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    static func of(_ data: UnsafeMutableRawPointer!) -> PollHandle {
        unsafe Unmanaged<PollHandle>.fromOpaque(data).takeUnretainedValue()
    }

    /// The descriptor is ready for `events`; with `failed`, it is in error and is no longer watched.
    func ready(events: Int32, failed: Bool) {}

    /// The loop ends.
    func shutDown() {}

    /// Watches for these events from now on; 0 for none.
    func watch(_ events: Int32) {
        guard events != interest, descriptor >= 0 else { return }
        interest = events
        if events == 0 {
            unsafe uv_poll_stop(uv)
            return
        }
        unsafe uv_poll_start(uv, events) { handle, status, events in
            unsafe Unmanaged<PollHandle>.fromOpaque(handle!.pointee.data)._withUnsafeGuaranteedRef { handle in
                if status < 0 { handle.interest = 0 }  // libuv has stopped it
                handle.ready(events: events, failed: status < 0)
            }
        }
    }

    /// Closes the descriptor now; libuv's handle follows at the end of its turn.
    func closeDescriptor() {
        guard descriptor >= 0 else { return }
        Glibc.close(releaseDescriptor())
    }

    /// Gives up the descriptor, which is open, to whoever calls.
    func releaseDescriptor() -> Int32 {
        unsafe uv_poll_stop(uv)
        interest = 0
        defer { descriptor = -1 }
        unsafe uv_close(UnsafeMutableRawPointer(uv).assumingMemoryBound(to: uv_handle_t.self)) { handle in
            guard let handle = unsafe handle else { return }
            unsafe Unmanaged<PollHandle>.fromOpaque(handle.pointee.data).release()
            unsafe UnsafeMutableRawPointer(handle).deallocate()
        }
        return descriptor
    }
}
