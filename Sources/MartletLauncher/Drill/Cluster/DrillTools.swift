internal import Foundation
internal import Glibc

/// The system's programs that a drill of the network runs.
enum DrillTools {
    private static let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"]

    /// Where a program lies; nil if it is not installed.
    static func path(_ name: String) -> String? {
        folders.lazy.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a program to its end; what it said goes to `log`.
    ///
    /// - Returns: its exit code, or -1 if it could not be started or died.
    static func status(_ arguments: [String], log: String = "/dev/null") -> Int32 {
        guard let path = path(arguments[0]) else { return -1 }
        let quiet = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { close(quiet) }
        let child = NodeProcess.spawn([path] + arguments.dropFirst(), [:], output: quiet, log: log)
        guard let child else { return -1 }
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 & 0xff : -1
    }

    /// Runs a program that has to succeed.
    static func run(_ arguments: [String], log: String) throws(DriverError) {
        let status = status(arguments, log: log)
        guard status != 0 else { return }
        let words = arguments.joined(separator: " ")
        throw DriverError("'\(words)' failed with code \(status); see \(log)")
    }
}

/// A network of this process's own, in which nodes can be cut off from each other.
///
/// Made by running this program again under `unshare --net`: it goes with the process, and the machine's own network is
/// never touched. Root needs nothing else; others need user namespaces that the system lets them make.
enum DrillSandbox {
    /// The exit code of a drill that was skipped for want of privileges, as test harnesses know it.
    static let skipped: Int32 = 77
    private static let mark = "MARTLET_DRILL_NETWORK"

    /// Whether this process is inside already.
    static var isEntered: Bool { ProcessInfo.processInfo.environment[mark] != nil }

    /// Runs this program anew inside; returns only if that is not possible, with the reason.
    static func enter() -> String {
        let missing = ["unshare", "nsenter", "ip", "nft"].filter { DrillTools.path($0) == nil }
        guard missing.isEmpty, let unshare = DrillTools.path("unshare") else {
            return "it needs \(missing.joined(separator: ", ")): apt-get install iproute2 nftables util-linux"
        }
        let ways = [["--net"], ["--user", "--map-root-user", "--net"]]
        guard let way = ways.first(where: { DrillTools.status(["unshare"] + $0 + ["true"]) == 0 }) else {
            return "it needs a network namespace: run it as root, or allow user namespaces"
        }
        let arguments =
            [unshare] + way + ["--", SupervisedProcess.thisExecutable] + CommandLine.arguments.dropFirst()
        unsafe setenv(mark, "1", 1)
        var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        unsafe execv(unshare, &words)
        return "\(unshare) cannot be run: \(DriverError.reason(errno))"
    }
}
