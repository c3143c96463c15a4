import Glibc

/// A failed system call, or a server that closed or fell silent.
struct WireError: Error, CustomStringConvertible {
    var description: String
    init(_ what: String) { description = "\(what) (errno \(errno))" }
}

/// A blocking connection to a server on this machine.
final class Wire {
    private let descriptor: Int32
    private var reader = ReplyReader()

    /// Connects to a port of 127.0.0.1; a server that is silent for ten seconds is an error.
    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw WireError("socket") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw WireError("connect to port \(port)")
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)  // so that splits stay splits
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends all bytes. A peer that has closed meanwhile is not an error: what it answered is read next.
    func send(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return }
            rest = rest.dropFirst(sent)
        }
    }

    /// Some bytes that came; empty if the server has closed.
    func receive() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno != ECONNRESET { throw WireError("recv") }
        return Array(buffer.prefix(max(0, count)))
    }

    func reply() throws -> Reply {
        while true {
            if let reply = try reader.next() { return reply }
            let bytes = try receive()
            guard !bytes.isEmpty else { throw WireError("closed by the server") }
            reader.append(bytes)
        }
    }

    func run(_ words: String...) throws -> Reply {
        send(Wire.encode(words.map { Array($0.utf8) })[...])
        return try reply()
    }

    /// A command as clients send it.
    static func encode(_ arguments: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { bytes += Array("$\(argument.count)\r\n".utf8) + argument + [13, 10] }
        return bytes
    }
}
