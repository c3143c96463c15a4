public import MartletCore

/// One thread that is the executor of its actors and owns its sockets and timers.
///
/// A turn runs all input callbacks, then jobs in order until none is left, then the work registered by
/// ``atTurnEnd(_:)``, then one flush for every stream with unsent output. Callbacks run on the loop's thread, outside
/// any task; an actor whose `unownedExecutor` is this loop is entered from them by `assumeIsolated`.
/// Only ``post(_:)`` and `enqueue` may be called from another thread.
public protocol EventLoop: SerialExecutor, TaskExecutor {
    /// Nanoseconds of the monotonic clock, read once a turn.
    var now: MonotonicTime { get }

    /// Whether the caller runs on this loop's thread.
    var isCurrent: Bool { get }

    /// Runs `work` on the loop in a later step; callable from any thread, wakes the loop. Order per caller is kept.
    func post(_ work: @escaping @Sendable () -> Void)

    /// Runs `work` once this turn's jobs are done and before streams are flushed; once per call.
    func atTurnEnd(_ work: @escaping () -> Void)

    /// Runs `work` after `delay`. The timer is cancelled by ``LoopTimer/cancel()``, not by its release.
    @discardableResult
    func schedule(after delay: Duration, _ work: @escaping () -> Void) -> any LoopTimer

    /// Listens on `address` (port 0 = any free one) and hands each connection to `accept`, which returns its handler,
    /// or nil to refuse it.
    func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener

    /// Begins to connect; `handler` hears ``StreamHandler/opened()`` or ``StreamHandler/closed(_:)``.
    func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream
}

/// A pending timer of a loop; used on the loop only.
public protocol LoopTimer: AnyObject {
    /// Cancels it if it did not run yet.
    func cancel()
}

/// A listening socket; used on its loop only.
public protocol Listener: AnyObject {
    /// The address with the port that is bound.
    var address: SocketAddress { get }
    /// Accepts no more. Established streams stay.
    func close()
}

/// An ordered, reliable stream of bytes to one peer; used on its loop only.
///
/// Output is appended to ``output`` and announced by ``setNeedsFlush()``; the loop sends it at the end of the turn and
/// goes on when the socket takes more.
public protocol ByteStream: AnyObject {
    var peer: SocketAddress { get }
    var local: SocketAddress { get }

    /// Appends to what is to be sent; the turn's end sends it.
    func write<R>(_ body: (inout ByteBuffer) -> R) -> R

    /// Bytes that were written and not yet taken by the system.
    var unsentBytes: Int { get }

    /// Stops and resumes the reading of input: backpressure.
    func pauseReading()
    func resumeReading()

    /// Sends what was written, then closes; the handler hears ``StreamHandler/closed(_:)``.
    func closeAfterFlush()

    /// Closes at once, unsent output is dropped; the handler hears ``StreamHandler/closed(_:)`` later in the turn.
    func close()

    /// Hands the connection to another loop of the same process and kind: this stream and its handler hear no more, and
    /// `begin` gets the connection's new stream on that loop and returns its handler, or nil to end it.
    ///
    /// For a connection that was accepted by the wrong worker, before anything was written to it. What was received
    /// stays with the old handler.
    func move(to loop: any EventLoop, _ begin: @escaping @Sendable (any ByteStream) -> (any StreamHandler)?)
}

/// What hears a stream's events; called on its loop only. The stream holds it strongly until `closed`.
public protocol StreamHandler: AnyObject {
    /// A connect succeeded. Not called for accepted streams.
    func opened()
    /// Bytes came; they are borrowed for this call.
    func received(_ bytes: RawSpan)
    /// All output was taken by the system after some had to wait.
    func drained()
    /// The peer sends no more, but may still read: a client that shut its half down and waits for its replies.
    ///
    /// - Returns: whether output is still to come, in which case the handler ends with
    /// ``ByteStream/closeAfterFlush()``;   if not, the stream sends what was written and closes.
    func inputEnded() -> Bool
    /// The stream is gone; the last call. `error` is nil when the peer, or `close`, ended it in order.
    func closed(_ error: StreamError?)
}

extension StreamHandler {
    public func opened() {}
    public func drained() {}
    public func inputEnded() -> Bool { false }
}

/// Why a stream or listener could not be made or broke.
public struct StreamError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The system's error number, or 0.
    public var errno: Int32
    public var message: String

    public init(errno: Int32 = 0, _ message: String) {
        self.errno = errno
        self.message = message
    }
    public var description: String { message }
}
