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

    /// Seconds of processor time that the whole machine has spent on work since it started; nil if unknown.
    static func machineSeconds() -> Double? {
        guard let line = file("/proc/stat")?.split(separator: "\n").first else { return nil }
        // user nice system idle iowait irq softirq steal, in ticks (proc(5)).
        let ticks = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard ticks.count == 8 else { return nil }
        return (ticks.reduce(0, +) - ticks[3] - ticks[4]) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Seconds of processor time of this process and its children that have ended.
    static func ownSeconds() -> Double {
        var total = 0.0
        for who in [RUSAGE_SELF, RUSAGE_CHILDREN] {
            var usage = rusage()
            guard unsafe getrusage(__rusage_who_t(who.rawValue), &usage) == 0 else { continue }
            total += Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            total += Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        }
        return total
    }

    private static func file(_ path: String) -> String? {
        do { return try SystemFile.read(path) } catch { return nil }
    }
}
