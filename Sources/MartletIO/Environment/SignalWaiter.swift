internal import CLibuv
internal import Glibc

/// The signals by which a person or a supervisor speaks to a process.
public enum ProcessSignal: Int32, Sendable, CaseIterable {
    /// SIGHUP: read the configuration again.
    case hangUp = 1
    /// SIGINT: Control-C.
    case interrupt = 2
    /// SIGCHLD: a child process ended.
    case childEnded = 17
    /// SIGTERM: end in order.
    case terminate = 15
}

/// Hands signals to a callback on a loop, in place of the system's default. Made and used on that loop.
public final class SignalWaiter {
    private let handles: [SignalHandle]

    /// - Parameter receive: called on the loop for each signal until ``cancel()``, or the loop's end.
    public init(_ signals: [ProcessSignal], on loop: UVEventLoop, _ receive: @escaping (ProcessSignal) -> Void) {
        loop.checkIsolated()
        handles = signals.map { SignalHandle($0, on: loop, receive) }
    }

    /// Gives the signals back to the system's default.
    public func cancel() {
        for handle in handles { handle.close() }
    }
}

/// libuv's handle of one signal, which keeps this object until it is closed.
@safe
final class SignalHandle {
    private let uv: UnsafeMutablePointer<uv_signal_t>
    private let receive: (ProcessSignal) -> Void
    private var isClosed = false

    init(_ signal: ProcessSignal, on loop: UVEventLoop, _ receive: @escaping (ProcessSignal) -> Void) {
        self.receive = receive
        unsafe uv = .allocate(capacity: 1)
        unsafe uv_signal_init(loop.uv, uv)
        unsafe uv.pointee.data = Unmanaged.passRetained(self).toOpaque()
        unsafe uv_signal_start(
            uv,
            { handle, number in
                guard let signal = ProcessSignal(rawValue: number) else { return }
                unsafe SignalHandle.of(handle!.pointee.data).receive(signal)
            }, signal.rawValue)
    }

    static func of(_ data: UnsafeMutableRawPointer!) -> SignalHandle {
        unsafe Unmanaged<SignalHandle>.fromOpaque(data).takeUnretainedValue()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        unsafe uv_close(UnsafeMutableRawPointer(uv).assumingMemoryBound(to: uv_handle_t.self)) { handle in
            guard let handle = unsafe handle else { return }
            unsafe Unmanaged<SignalHandle>.fromOpaque(handle.pointee.data).release()
            unsafe UnsafeMutableRawPointer(handle).deallocate()
        }
    }
}
