import Glibc
import MartletCore
import MartletNode
import MartletRuntime

/// What a node heard; written on its loop, read by the test.
final class Recorder: TransportReceiver, Sendable {
    struct Message: Equatable {
        var header: MessageHeader
        var payload: [UInt8]
        var session: PeerSession
    }
    struct State {
        var messages: [Message] = []
        var opened: [PeerSession] = []
        var closed: [PeerSession] = []
        var reasons: [String] = []
    }

    private let state = Lock(State())
    private let happened: @Sendable () -> Void
    /// Called for each message, on the loop.
    let onMessage = Lock<(@Sendable (MessageHeader, PeerSession) -> Void)?>(nil)

    init(_ happened: @escaping @Sendable () -> Void) { self.happened = happened }

    func received(_ header: MessageHeader, _ payload: RawSpan, from peer: PeerSession) {
        let message = Message(header: header, payload: payload.array, session: peer)
        state.withLock { $0.messages.append(message) }
        onMessage.withLock { $0 }?(header, peer)
        happened()
    }
    func linkOpened(_ peer: PeerSession) {
        state.withLock { $0.opened.append(peer) }
        happened()
    }
    func linkClosed(_ peer: PeerSession, _ reason: StreamError?) {
        state.withLock {
            $0.closed.append(peer)
            $0.reasons.append(reason?.message ?? "")
        }
        happened()
    }

    var messages: [Message] { state.withLock { $0.messages } }
    var opened: [PeerSession] { state.withLock { $0.opened } }
    var closed: [PeerSession] { state.withLock { $0.closed } }
    var reasons: [String] { state.withLock { $0.reasons } }
}

/// Lines a node logged.
final class Lines: Sendable {
    private let state = Lock<[String]>([])
    private let happened: @Sendable () -> Void
    init(_ happened: @escaping @Sendable () -> Void) { self.happened = happened }
    var all: [String] { state.withLock { $0 } }
    func contain(_ text: String) -> Bool { all.contains { $0.contains(text) } }
    var log: Log {
        Log(label: "test", level: .info) { _, _, line in
            self.state.withLock { $0.append(line) }
            self.happened()
        }
    }
}

/// What a thread waits for; opened by others.
final class Gate: @unchecked Sendable {  // a system semaphore
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func open() { sem_post(semaphore) }

    /// - Returns: false if it was not opened for far longer than anything here takes.
    func wait() -> Bool {
        var limit = timespec()
        clock_gettime(CLOCK_REALTIME, &limit)
        limit.tv_sec += 60
        while sem_timedwait(semaphore, &limit) != 0 {
            if errno != EINTR { return false }
        }
        return true
    }
}

/// Stands between a node's streams and its links: counts the pieces that bytes come in, and changes them.
final class Tap: Sendable {
    let pieces = Lock(0)
    /// What becomes of each piece.
    let change = Lock<(@Sendable ([UInt8]) -> [UInt8])?>(nil)
}

/// A network whose streams pass by a tap.
struct TappedNetwork: StreamNetwork {
    let inner: any StreamNetwork
    let tap: Tap

    func listen(
        on address: SocketAddress, accept: @escaping (any ByteStream) -> (any StreamHandler)?
    ) throws(StreamError) -> any Listener {
        let tap = tap
        return try inner.listen(on: address) { accept($0).map { TappedHandler($0, tap) } }
    }
    func connect(to address: SocketAddress, handler: any StreamHandler) throws(StreamError) -> any ByteStream {
        try inner.connect(to: address, handler: TappedHandler(handler, tap))
    }
}

private final class TappedHandler: StreamHandler {
    private let inner: any StreamHandler
    private let tap: Tap
    init(_ inner: any StreamHandler, _ tap: Tap) {
        self.inner = inner
        self.tap = tap
    }
    func opened() { inner.opened() }
    func drained() { inner.drained() }
    func inputEnded() -> Bool { inner.inputEnded() }
    func closed(_ error: StreamError?) { inner.closed(error) }
    func received(_ bytes: RawSpan) {
        tap.pieces.withLock { $0 += 1 }
        guard let change = tap.change.withLock({ $0 }) else { return inner.received(bytes) }
        let changed = change(bytes.array)
        if !changed.isEmpty { withBytes(of: changed) { inner.received($0) } }
    }
}

/// A peer that is no node: sends bytes and sees what becomes of its stream.
final class RawPeer: StreamHandler {
    private let bytes: [UInt8]
    private let closes: @Sendable ([UInt8]) -> Void
    private var heard: [UInt8] = []
    var stream: (any ByteStream)?
    init(_ bytes: [UInt8], closes: @escaping @Sendable ([UInt8]) -> Void) {
        self.bytes = bytes
        self.closes = closes
    }
    func opened() { stream?.write { $0.append(bytes) } }
    func received(_ bytes: RawSpan) { heard += bytes.array }
    func closed(_ error: StreamError?) {
        stream = nil
        closes(heard)
    }
}

/// Sockets of this process that are bound to a port, listening ones included.
func sockets(on port: UInt16) -> Int {
    (0..<4096 as Range<Int32>).count { descriptor in
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutableBytes(of: &address) {
            getsockname(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return status == 0 && address.sin_family == sa_family_t(AF_INET) && UInt16(bigEndian: address.sin_port) == port
    }
}

/// Bytes that differ from place to place and from seed to seed.
func pattern(_ count: Int, _ seed: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) } }
