internal import CLibuv
internal import Glibc
internal import MartletRuntime

/// The system calls on TCP sockets, all non-blocking and closed on exec.
enum Socket {
    /// The addresses this process listens on, once for each listener; a fact of the process, like its descriptors.
    private static let ports = Lock<[PackedAddress]>([])

    private static let stream =
        Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    /// A socket that listens on `address`.
    static func listen(on address: PackedAddress) throws(StreamError) -> Int32 {
        let descriptor = try make(for: address)
        set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)  // binds over connections of a former life, not over a listener
        if address.isIPv6 { set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        // Loops of one process share a port, and the system spreads connections over them. The first binds it for
        // itself, so that another process's port is refused, and only then opens it to the others.
        let isShared = ports.withLock { $0.contains(address) }
        if isShared { set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        let isBound = unsafe address.withSystemAddress { unsafe bind(descriptor, $0, $1) } == 0
        if isBound, !isShared { set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        guard isBound, Glibc.listen(descriptor, 4096) == 0 else {
            throw failure(descriptor, "cannot listen on \(address.address)")
        }
        ports.withLock { $0.append(localAddress(of: descriptor)) }
        return descriptor
    }

    /// Says that a socket of ``listen(on:)`` is about to be closed.
    static func forgetListener(_ descriptor: Int32) {
        let address = localAddress(of: descriptor)
        ports.withLock { ports in
            if let index = ports.firstIndex(of: address) { ports.remove(at: index) }
        }
    }

    /// A socket that connects to `address`; an immediate refusal is told by its pending error.
    static func connect(to address: PackedAddress) throws(StreamError) -> Int32 {
        let descriptor = try make(for: address)
        tune(descriptor)
        let status = unsafe address.withSystemAddress { unsafe Glibc.connect(descriptor, $0, $1) }
        guard status == 0 || errno == EINPROGRESS || errno == EINTR else {
            throw failure(descriptor, "cannot connect to \(address.address)")
        }
        return descriptor
    }

    /// The next connection of a listening socket; nil with `errno` set if there is none.
    static func accept(from descriptor: Int32) -> (Int32, PackedAddress)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connection = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe accept4(
                    descriptor, $0, &length, Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
            }
        }
        guard connection >= 0 else { return nil }
        tune(connection)
        return (connection, PackedAddress(storage))
    }

    /// The address a socket is bound to; 0.0.0.0:0 if it is closed.
    static func localAddress(of descriptor: Int32) -> PackedAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &length)
            }
        }
        return status == 0 ? PackedAddress(storage) : PackedAddress()
    }

    /// Takes the error that the system keeps for a socket; 0 if there is none.
    static func pendingError(of descriptor: Int32) -> Int32 {
        var number: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length)
        return status == 0 ? number : errno
    }

    /// Reads and drops what has come, at most 1 MiB.
    static func discardInput(of descriptor: Int32, into loop: UVEventLoop) {
        let buffer = unsafe loop.readBuffer
        var rest = 1 << 20
        while rest > 0 {
            let count = unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return }
            rest -= count
        }
    }

    private static func make(for address: PackedAddress) throws(StreamError) -> Int32 {
        let descriptor = socket(address.isIPv6 ? AF_INET6 : AF_INET, stream, 0)
        guard descriptor >= 0 else { throw StreamError(errno: errno, "cannot make a socket: \(reason(errno))") }
        return descriptor
    }

    /// Sends small messages at once, and finds out in time that a peer vanished without a word.
    private static func tune(_ descriptor: Int32) {
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 300)
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func failure(_ descriptor: Int32, _ what: String) -> StreamError {
        let number = errno
        close(descriptor)
        return StreamError(errno: number, "\(what): \(reason(number))")
    }
}

/// The system's words for an error number.
func reason(_ number: Int32) -> String { unsafe String(cString: strerror(number)) }
