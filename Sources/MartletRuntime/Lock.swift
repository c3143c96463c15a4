public import Glibc

/// Guards a value that several threads use. The only lock of the project.
///
/// A pthread mutex, since thread sanitizer on this toolchain reports races on `Synchronization.Mutex` that are none.
/// Used in executor inboxes, the committer, backends and metrics; never held across a call that may wait for another
/// lock.
@safe
public final class Lock<Value: ~Copyable>: @unchecked Sendable {  // the mutex orders every access to `value`
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// Beside the object, since a stored property would cost a check of exclusive access that the mutex makes needless.
    @usableFromInline let value: UnsafeMutablePointer<Value>

    public init(_ value: consuming sending Value) {
        unsafe self.value = .allocate(capacity: 1)
        unsafe self.value.initialize(to: value)
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        let status = unsafe pthread_mutex_init(mutex, nil)
        precondition(status == 0)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    /// Runs `body` with exclusive access to the value.
    @inlinable
    public func withLock<R: ~Copyable, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try unsafe body(&value.pointee)
    }
}
