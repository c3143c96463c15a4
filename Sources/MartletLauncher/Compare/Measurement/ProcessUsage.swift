internal import Glibc
internal import MartletRuntime

/// What a process has used so far, as the kernel counts it.
struct ProcessUsage: Sendable {
    /// Seconds of processor time, user and system, over all its threads.
    var processorSeconds = 0.0
    var residentBytes: UInt64 = 0
    /// Bytes it caused to be written to a disk; nil where the kernel does not say.
    var diskBytesWritten: UInt64?

    /// Reads it from /proc; nil if there is no such process.
    init?(of process: Int32) {
        guard let stat = Self.file("/proc/\(process)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        // After the name, which may hold anything: state is field 3, utime 14, stime 15, rss 24 (proc(5)).
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
            let pages = UInt64(fields[21])
        else { return nil }
        processorSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        guard let io = Self.file("/proc/\(process)/io") else { return }
        for line in io.split(separator: "\n") where line.hasPrefix("write_bytes:") {
            diskBytesWritten = UInt64(line.dropFirst("write_bytes:".count).drop { $0 == " " })
        }
    }

    private static func file(_ path: String) -> String? {
        do { return try SystemFile.read(path) } catch { return nil }
    }
}
