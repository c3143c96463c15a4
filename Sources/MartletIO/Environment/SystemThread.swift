internal import CLibuv
internal import Glibc

/// A thread of the system that runs one closure.
struct SystemThread: Sendable {
    private let id: pthread_t

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread.
    ///
    /// - Parameter name: what debuggers show; its first 15 bytes.
    static func start(name: String, _ run: @escaping @Sendable () -> Void) -> SystemThread {
        var id = pthread_t()
        let body = unsafe Unmanaged.passRetained(Body(run))
        let status = unsafe pthread_create(
            &id, nil,
            {
                unsafe Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            },
            body.toOpaque())
        precondition(status == 0, "no thread can be made")  // only at a process's start, which cannot go on without
        unsafe pthread_setname_np(id, String(decoding: name.utf8.prefix(15), as: UTF8.self))
        return SystemThread(id: id)
    }

    var isCurrent: Bool { pthread_self() == id }

    /// Waits for the thread's end; once.
    func join() { pthread_join(id, nil) }
}

/// A counting semaphore of the system.
@safe
final class Semaphore: @unchecked Sendable {  // a C handle that is made for several threads
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func signal() { unsafe sem_post(semaphore) }

    func wait() {
        while unsafe sem_wait(semaphore) != 0 {}  // EINTR
    }
}
