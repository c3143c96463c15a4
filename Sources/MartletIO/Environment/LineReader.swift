internal import CLibuv
internal import Glibc

/// Reads lines of another process from a pipe, as they come. Made and used on its loop.
public final class LineReader {
    private let pipe: WatchedPipe

    /// Takes ownership of `descriptor`, the end to read from.
    ///
    /// - Parameter receive: called on the loop for each line, without its end.
    public init(descriptor: Int32, on loop: UVEventLoop, _ receive: @escaping (String) -> Void) {
        loop.checkIsolated()
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        pipe = WatchedPipe(loop, descriptor: descriptor, receive)
    }

    /// Takes what has been written so far, then closes the pipe. A line without an end is dropped.
    public func finish() {
        pipe.ready(events: 0, failed: false)
        pipe.closeDescriptor()
    }
}

/// The pipe as libuv watches it.
private final class WatchedPipe: PollHandle {
    private let receive: (String) -> Void
    private var begun: [UInt8] = []

    /// A line longer than this is not kept whole.
    private static let longestLine = 64 << 10

    init(_ loop: UVEventLoop, descriptor: Int32, _ receive: @escaping (String) -> Void) {
        self.receive = receive
        super.init(loop, descriptor: descriptor)
        watch(Int32(UV_READABLE.rawValue))
    }

    override func shutDown() { closeDescriptor() }

    override func ready(events: Int32, failed: Bool) {
        var room = [UInt8](repeating: 0, count: 4096)
        while descriptor >= 0 {
            let count = unsafe read(descriptor, &room, room.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return watch(0) }  // nobody writes any more
            for byte in room[..<count] {
                if byte == 10 {
                    let line = String(decoding: begun, as: UTF8.self)
                    begun.removeAll(keepingCapacity: true)
                    receive(line)
                } else if begun.count < Self.longestLine {
                    begun.append(byte)
                }
            }
        }
    }
}
