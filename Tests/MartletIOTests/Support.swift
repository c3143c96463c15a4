import Glibc
import MartletCore
import MartletIO
import MartletRuntime
import Synchronization

/// A handler made of closures; used on its loop only.
final class Handler: StreamHandler, @unchecked Sendable {
    var stream: (any ByteStream)?
    var onOpened: () -> Void = {}
    var onBytes: ([UInt8]) -> Void = { _ in }
    var onDrained: () -> Void = {}
    var onEnd: () -> Bool = { false }
    var onClosed: (StreamError?) -> Void = { _ in }

    func opened() { onOpened() }
    func received(_ bytes: RawSpan) { onBytes(bytes.array) }
    func drained() { onDrained() }
    func inputEnded() -> Bool { onEnd() }
    func closed(_ error: StreamError?) {
        stream = nil
        onClosed(error)
        (onOpened, onBytes, onDrained, onEnd, onClosed) = ({}, { _ in }, {}, { false }, { _ in })
    }
}

/// Sends back what comes.
final class Echo: StreamHandler {
    private let stream: any ByteStream
    private let closes: () -> Void
    init(_ stream: any ByteStream, closes: @escaping () -> Void = {}) {
        self.stream = stream
        self.closes = closes
    }
    func received(_ bytes: RawSpan) { stream.write { $0.append(bytes) } }
    func closed(_ error: StreamError?) { closes() }
}

/// Starts a loop, runs `body` on it until it calls `finish`, and stops it.
func withLoop(
    _ body: @escaping @Sendable (_ loop: UVEventLoop, _ finish: @escaping @Sendable () -> Void) throws -> Void
) {
    let loop = UVEventLoop.start(name: "test")
    let done = Gate()
    loop.post {
        do {
            try body(loop, { done.open() })
        } catch {
            fatalError("\(error)")
        }
    }
    done.wait()
    loop.stop()
}

/// What a thread waits for; opened by another.
final class Gate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func open() { sem_post(semaphore) }
    func wait() { while sem_wait(semaphore) != 0 {} }
}

extension UVEventLoop {
    /// Connects a handler that can write by its `stream`.
    func connect(to address: SocketAddress, _ handler: Handler) throws {
        handler.stream = try connect(to: address, handler: handler)
    }

    /// Listens on a free port of this machine.
    func listen(_ accept: @escaping (any ByteStream) -> (any StreamHandler)?) throws -> any Listener {
        try listen(on: SocketAddress(host: "127.0.0.1", port: 0), accept: accept)
    }
}

/// Descriptors this process has open.
func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}
