internal import Glibc
internal import MartletIO

/// A child process whose standard output is read line by line; the rest it shares with this process.
///
/// Made and used on the supervisor's loop: the system tells a child of the end of the thread that made it, and that
/// thread lives as long as the process.
final class SupervisedProcess {
    let id: Int32
    private let output: LineReader

    /// This program's own file.
    static var thisExecutable: String {
        var room = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &room, room.count)
        return count > 0 ? String(decoding: room[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : "martlet"
    }

    /// Starts the program that `arguments` begin with; nil, with errno set, if the system cannot.
    ///
    /// It gets a process group of its own: what a terminal sends on Control-C reaches this process alone, which passes
    /// it on once.
    init?(_ arguments: [String], on loop: UVEventLoop, line: @escaping (String) -> Void) {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let child = Self.spawn(arguments, output: ends[1])
        let reason = errno
        close(ends[1])
        guard let child else {
            close(ends[0])
            errno = reason
            return nil
        }
        id = child
        output = LineReader(descriptor: ends[0], on: loop, line)
    }

    func send(_ signal: Int32) { _ = kill(id, signal) }

    /// How it ended, once it has; what it wrote is read to the end then.
    func end() -> ProcessEnd? {
        var status: Int32 = 0
        guard unsafe waitpid(id, &status, WNOHANG) == id else { return nil }
        output.finish()
        return ProcessEnd(status: status)
    }

    private static func spawn(_ arguments: [String], output: Int32) -> Int32? {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
        var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var child: pid_t = 0
        let status = unsafe posix_spawn(&child, arguments[0], &actions, &attributes, &words, environ)
        errno = status
        return status == 0 ? child : nil
    }
}
