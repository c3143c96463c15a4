internal import Foundation
internal import Glibc
internal import MartletRuntime

/// A node under comparison: a child process of this executable.
final class NodeProcess {
    let process: Int32
    let address: SocketAddress
    /// From the start of the process to its ready line.
    let startSeconds: Double
    private let output: Int32
    private let log: String
    private var hasEnded = false

    /// Starts the cluster file's node and waits for its line `ready NAME HOST:PORT BACKEND`, at most a minute.
    init(
        executable: String, file: String, data: String, log: String, clock: any NodeClock,
        environment: [String: String] = [:]
    ) throws(DriverError) {
        var ends: [Int32] = [0, 0]
        guard pipe2CloseOnExec(&ends) else { throw DriverError("no pipe: \(DriverError.reason(errno))") }
        let began = clock.monotonic
        let arguments = [executable, "launch", file, "--in-process", "--data", data]
        let child = Self.spawn(arguments, environment, output: ends[1], log: log)
        close(ends[1])
        guard let child else {
            close(ends[0])
            throw DriverError("cannot start \(executable): \(DriverError.reason(errno))")
        }
        process = child
        output = ends[0]
        self.log = log
        do throws(DriverError) {
            address = try Self.awaitReady(ends[0], clock: clock, log: log)
        } catch {
            kill(child, SIGKILL)
            Self.reap(child)
            close(ends[0])
            hasEnded = true
            throw error
        }
        startSeconds = Double(clock.monotonic.since(began).inNanoseconds) / 1e9
    }

    deinit { if !hasEnded { crash() } }

    /// Ends it as a power button would not: at once, with nothing flushed (SIGKILL). Waits for it.
    func crash() {
        guard !hasEnded else { return }
        hasEnded = true
        kill(process, SIGKILL)
        Self.reap(process)
        close(output)
    }

    /// Why it is gone, if it ended by itself: its last word and how it ended; nil while it runs.
    func obituary() -> String? {
        guard !hasEnded else { return nil }
        var status: Int32 = 0
        // It may still be writing its backtrace.
        for _ in 0..<100 {
            if unsafe waitpid(process, &status, WNOHANG) == process {
                hasEnded = true
                close(output)
                let end =
                    status & 0x7f == 0 ? "ended with code \(status >> 8 & 0xff)" : "died of signal \(status & 0x7f)"
                return "the node \(end)" + (Self.lastWord(of: log).map { ": \($0)" } ?? "")
            }
            usleep(20_000)
        }
        return nil
    }

    /// Ends it in order and waits for it.
    func stop() {
        guard !hasEnded else { return }
        hasEnded = true
        kill(process, SIGTERM)
        Self.reap(process)
        close(output)
    }

    private static func reap(_ child: Int32) {
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    }

    /// Starts a program; `environment` is added to this process's own. Nil, with errno set, if the system cannot.
    static func spawn(
        _ arguments: [String], _ environment: [String: String], output: Int32, log: String, input: Int32? = nil
    ) -> Int32? {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let input {
            unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        let own = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var settings = unsafe own.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer { unsafe settings.forEach { unsafe free($0) } }
        var child: pid_t = 0
        let status = unsafe posix_spawn(&child, arguments[0], &actions, nil, &words, &settings)
        errno = status
        return status == 0 ? child : nil
    }

    private static func awaitReady(_ output: Int32, clock: any NodeClock, log: String) throws(DriverError)
        -> SocketAddress
    {
        var text = ""
        let limit = clock.monotonic.advanced(by: .seconds(60))
        var room = [UInt8](repeating: 0, count: 4096)
        while clock.monotonic < limit {
            if Interruption.isRequested { throw DriverError("interrupted") }
            var polled = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&polled, 1, 200) > 0 else { continue }
            let count = unsafe read(output, &room, room.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            text += String(decoding: room[..<count], as: UTF8.self)
            for line in text.split(separator: "\n") where line.hasPrefix("ready ") {
                let words = line.split(separator: " ")
                if words.count >= 4, let address = SocketAddress(words[2]) { return address }
            }
        }
        throw DriverError("the node did not start: \(lastLine(of: log) ?? "it said nothing")")
    }

    /// What says most about an end: the fatal error, or else the last line.
    static func lastWord(of log: String) -> String? {
        lines(of: log).first { $0.contains("Fatal error") || $0.contains("exclusive access") } ?? lastLine(of: log)
    }

    private static func lastLine(of log: String) -> String? { lines(of: log).last }

    private static func lines(of log: String) -> [String] {
        do { return try (SystemFile.read(log) ?? "").split(separator: "\n").map(String.init) } catch { return [] }
    }
}

/// Both ends of a pipe that children do not inherit.
func pipe2CloseOnExec(_ ends: inout [Int32]) -> Bool {
    guard unsafe pipe(&ends) == 0 else { return false }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return true
}
