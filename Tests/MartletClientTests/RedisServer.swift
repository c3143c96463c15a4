import Foundation
import Glibc
import MartletRuntime

/// Debian's redis-server on a free port of this machine, for as long as the object lives.
final class RedisServer {
    static let path = "/usr/bin/redis-server"
    static var isInstalled: Bool { access(path, X_OK) == 0 }

    let address: SocketAddress
    private let process = Process()
    private let output = Pipe()

    /// Starts it and waits until it says that it accepts connections.
    init(port: UInt16 = 0) async throws {
        address = SocketAddress(host: "127.0.0.1", port: port == 0 ? Self.freePort() : port)
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = ["--port", "\(address.port)", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        process.standardOutput = output
        try process.run()
        var log = ""
        while !log.contains("Ready to accept") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw CocoaError(.executableLoad) }
            log += String(decoding: data, as: UTF8.self)
        }
    }

    deinit { kill() }

    func kill() {
        guard process.isRunning else { return }
        _ = Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// A port that nothing listens on now.
    private static func freePort() -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = bind(descriptor, generic, length)
                _ = getsockname(descriptor, generic, &length)
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }
}
