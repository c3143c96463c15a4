internal import Glibc

/// A thread with a name.
enum Thread {
    private final class Work {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Names the calling thread, for debuggers and `top`.
    static func setName(_ name: String) {
        // /proc instead of pthread_setname_np, which the Glibc module does not export.
        let path = "/proc/thread-self/comm"
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        let short = String(name.prefix(15))
        _ = unsafe write(descriptor, short, short.utf8.count)
        close(descriptor)
    }

    static func start(name: String, _ run: @escaping @Sendable () -> Void) -> pthread_t {
        var thread = pthread_t()
        let work = unsafe Unmanaged.passRetained(Work(name: name, run: run)).toOpaque()
        let status = unsafe pthread_create(
            &thread, nil,
            { pointer in
                let work = unsafe Unmanaged<Work>.fromOpaque(pointer!).takeRetainedValue()
                Thread.setName(work.name)
                work.run()
                return nil
            }, work)
        precondition(status == 0, "no thread can be made")
        return thread
    }
}

/// A value under a mutex that a thread can wait on.
@safe
final class ConditionLock<Value: Sendable>: @unchecked Sendable {  // the mutex orders every access
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var value: Value

    init(_ value: Value) {
        self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    func change(_ body: (inout Value) -> Void) {
        unsafe pthread_mutex_lock(mutex)
        body(&value)
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    func wait<R>(until isReady: (Value) -> Bool, _ body: (inout Value) -> R) -> R {
        unsafe pthread_mutex_lock(mutex)
        while !isReady(value) { unsafe pthread_cond_wait(condition, mutex) }
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
