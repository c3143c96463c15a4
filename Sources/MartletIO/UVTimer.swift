internal import CLibuv
internal import MartletRuntime

/// A timer of a loop, alive until it fires or is cancelled.
@safe
final class UVTimer: LoopTimer, UVClosable {
    private let handle: UnsafeMutablePointer<uv_timer_t>
    private unowned let loop: UVEventLoop
    private var work: (() -> Void)?

    init(on loop: UVEventLoop, after delay: Duration, _ work: @escaping () -> Void) {
        self.loop = loop
        self.work = work
        unsafe handle = .allocate(capacity: 1)
        unsafe uv_timer_init(loop.loop, handle)
        unsafe handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        loop.handles[ObjectIdentifier(self)] = self
        let milliseconds = UInt64(max(0, (delay.inNanoseconds + 999_999) / 1_000_000))
        unsafe uv_timer_start(
            handle,
            { handle in
                let timer = unsafe Unmanaged<UVTimer>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
                timer.fire()
            }, milliseconds, 0)
    }

    private func fire() {
        let work = work
        closeNow()
        work?()
    }

    func cancel() { closeNow() }

    func closeNow() {
        guard work != nil else { return }
        work = nil
        unsafe handle.withMemoryRebound(to: uv_handle_t.self, capacity: 1) { handle in
            unsafe uv_close(handle) { handle in
                let timer = unsafe Unmanaged<UVTimer>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
                timer.loop.handles[ObjectIdentifier(timer)] = nil
                unsafe handle!.withMemoryRebound(to: uv_timer_t.self, capacity: 1) { unsafe $0.deallocate() }
            }
        }
    }
}
