internal import Glibc
internal import MartletCore
internal import MartletRuntime

/// A TCP connection of the load driver, not blocking, with its unsent and unread bytes.
///
/// Not a stream of an event loop, since a loop's timers tick in milliseconds, and requests that are late by one would
/// show as latency of the node; the driver polls its sockets itself, to the microsecond.
final class LoadSocket {
    let descriptor: Int32
    var output = ByteBuffer(capacity: 16 << 10)
    var input = ByteBuffer(capacity: 64 << 10)

    /// Connects and waits for it.
    init(to address: SocketAddress) throws(DriverError) {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(address.host, String(address.port), &hints, &found) == 0, let first = unsafe found
        else { throw DriverError("\(address) is not a numeric address") }
        defer { unsafe freeaddrinfo(first) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = unsafe socket(first.pointee.ai_family, type, 0)
        guard descriptor >= 0 else { throw DriverError("no socket: \(DriverError.reason(errno))") }
        var status: Int32
        repeat {
            status = unsafe connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen)
        } while status != 0 && errno == EINTR
        guard status == 0 else {
            let reason = DriverError.reason(errno)
            Glibc.close(descriptor)
            throw DriverError("\(address): \(reason)")
        }
        var on: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        self.descriptor = descriptor
    }

    deinit { Glibc.close(descriptor) }

    /// Sends as much of the output as the system takes now.
    func flush() throws(DriverError) {
        while !output.isEmpty {
            let sent = output.withBytes { bytes in
                unsafe bytes.withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            }
            if sent > 0 {
                output.consume(sent)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                throw DriverError("the node closed the connection: \(DriverError.reason(errno))")
            }
        }
    }

    /// Takes what came, up to 64 KiB; answers the number of bytes, 0 if there are none for now.
    func receive() throws(DriverError) -> Int {
        while true {
            let descriptor = descriptor
            var failure: Int32 = 0
            var atEnd = false
            let count = unsafe input.append(upTo: 64 << 10) { room in
                let got = unsafe recv(descriptor, room.baseAddress, room.count, 0)
                if got < 0 { failure = errno }
                atEnd = got == 0
                return got
            }
            if count > 0 { return count }
            if atEnd { throw DriverError("the node closed the connection") }
            if failure == EAGAIN { return 0 }
            if failure != EINTR { throw DriverError("the node closed the connection: \(DriverError.reason(failure))") }
        }
    }
}

/// Why a run of load, or a comparison, could not go on.
struct DriverError: Error, Sendable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    /// The system's words for an error number.
    static func reason(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }
}
