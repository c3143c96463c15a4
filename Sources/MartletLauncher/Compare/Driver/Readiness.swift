internal import Glibc

/// Which of a few sockets can be read or written, waited for to the microsecond.
///
/// By pselect, since of the calls with a fine timeout it is the one that the Glibc module exports (ppoll and epoll are
/// not); its limit of 1024 descriptors is far above what a load driver opens.
struct Readiness {
    private var awaited = [UInt64](repeating: 0, count: 16)
    private var readable = [UInt64](repeating: 0, count: 16)
    private var writable = [UInt64](repeating: 0, count: 16)
    private var highest: Int32 = -1

    /// Begins to watch a socket for input.
    mutating func add(_ socket: Int32) throws(DriverError) {
        guard socket >= 0, socket < 1024 else { throw DriverError("too many open files") }
        awaited[Int(socket) / 64] |= 1 << UInt64(socket % 64)
        highest = max(highest, socket)
    }

    /// Watches a socket no more, which is about to be closed.
    mutating func remove(_ socket: Int32) {
        let mask = ~(1 << UInt64(socket % 64) as UInt64)
        awaited[Int(socket) / 64] &= mask
        readable[Int(socket) / 64] &= mask
        writable[Int(socket) / 64] &= mask
    }

    /// Has the next wait also end when this socket takes output.
    mutating func awaitRoom(_ socket: Int32) { writable[Int(socket) / 64] |= 1 << UInt64(socket % 64) }

    /// Whether the last wait found input, or its end, on a socket.
    func isReadable(_ socket: Int32) -> Bool { readable[Int(socket) / 64] >> UInt64(socket % 64) & 1 == 1 }

    /// Waits at most `nanoseconds`.
    mutating func wait(_ nanoseconds: UInt64) throws(DriverError) {
        var timeout = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        readable = awaited
        let highest = highest
        let status = unsafe readable.withUnsafeMutableBytes { reading in
            unsafe writable.withUnsafeMutableBytes { writing in
                unsafe pselect(
                    highest + 1, reading.baseAddress?.assumingMemoryBound(to: fd_set.self),
                    writing.baseAddress?.assumingMemoryBound(to: fd_set.self), nil, &timeout, nil)
            }
        }
        for index in writable.indices { writable[index] = 0 }
        guard status <= 0 else { return }
        for index in readable.indices { readable[index] = 0 }
        if status < 0, errno != EINTR { throw DriverError("cannot wait for sockets: \(DriverError.reason(errno))") }
    }
}
