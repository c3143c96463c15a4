import Glibc

/// A server started for the tests and ended with them; it listens on a loopback port.
final class RedisServer: Sendable {
    let name: String
    let port: UInt16
    private let process: pid_t

    private init(name: String, port: UInt16, process: pid_t) {
        self.name = name
        self.port = port
        self.process = process
    }

    deinit {
        kill(process, SIGTERM)
        waitpid(process, nil, 0)
    }

    private static let redisPath = "/usr/bin/redis-server"
    static let isInstalled = access(redisPath, X_OK) == 0

    /// Redis with one database, like a node with one keyspace, and without persistence.
    static func start() throws -> RedisServer {
        for _ in 0..<5 {  // another process may take the free port first
            let port = try freePort()
            let started = try launch(
                redisPath,
                [
                    "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--databases", "1",
                ], until: "Ready to accept connections")
            if let (process, _) = started { return RedisServer(name: "redis", port: port, process: process) }
        }
        throw WireError("redis-server does not start")
    }

    /// Runs a program until it prints a line that holds `mark`; nil if it ends before.
    private static func launch(
        _ path: String, _ arguments: [String], until mark: String
    ) throws -> (process: pid_t, line: String)? {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw WireError("pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // a test's thread blocks signals, and a child that took over its mask would not hear SIGTERM
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, path, &actions, &attributes, &words, environ)
        close(ends[1])
        guard failure == 0 else { throw WireError("cannot run \(path): \(failure)") }
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            guard count > 0 else {
                waitpid(process, nil, 0)
                return nil
            }
            text += String(decoding: buffer.prefix(count), as: UTF8.self)
            for line in text.split(separator: "\n").dropLast(text.hasSuffix("\n") ? 0 : 1) where line.contains(mark) {
                return (process, String(line))
            }
        }
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw WireError("no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
